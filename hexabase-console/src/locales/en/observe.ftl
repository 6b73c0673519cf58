# Texts of the pages of usage, metrics, alerts and logs.

alert-above = { $metric } above { $limit } { $duration }
alert-actions = Actions
alert-at-once = at once
alert-below = { $metric } below { $limit } { $duration }
alert-condition = Condition
alert-for-fifteen-minutes = for 15 min
alert-for-five-minutes = for 5 min
alert-for-hint = A longer time ignores short peaks. The alert resolves as soon as the condition no longer holds.
alert-for-hour = for 1 h
alert-for-minute = for 1 min
alert-metric-hint = Metrics with a quota can be compared with a percentage of it: CPU, memory, storage and pods.
alert-name-hint = Lower-case letters, digits and hyphens; unique in the workspace.
alert-notify-hint = E-mail addresses of members, at most 10, separated by spaces or lines. They receive one mail when the alert begins and one when it ends.
alert-notify-none = No one is notified.
alert-of-quota = { $percent }% of the quota
alert-percent-hint = 1 to 100, of the quota of the project, or else of the plan. Fill in either this or the amount.
alert-project-hint = The rule is deleted together with its project.
alert-recipients = Recipients
alert-rule = Rule
alert-rule-change = Change the rule
alert-rule-changed = The alert rule { $name } is changed.
alert-rule-create = Create an alert rule
alert-rule-create-in = Create an alert rule in:
alert-rule-created = The alert rule { $name } is created.
alert-rule-delete = Delete the alert rule
alert-rule-delete-notify = { $count ->
    [one] { $count } recipient is no longer notified
   *[other] { $count } recipients are no longer notified
    }
alert-rule-delete-resolves = An alert of the rule that is firing resolves
alert-rule-delete-title = Delete the alert rule { $name }
alert-rule-deleted = The alert rule { $name } is deleted.
alert-rule-save = Save the rule
alert-rules-none = No alert rules
alert-rules-purpose = A rule compares a metric with a limit, and notifies members while the comparison holds.
alert-rules-title = Alert rules
alert-silence = Silence the alert
alert-silenced = silenced
alert-since = Since
alert-state = State
alert-state-firing = firing
alert-state-quiet = quiet
alert-state-unknown = not known
alert-threshold-hint = Amount in the unit of the metric, such as 1.5, 512Mi or 250m.
alert-workspace = whole workspace

alerts-about = Rules are evaluated every 30 seconds.
alerts-firing = Firing alerts
alerts-none = No alert is firing.

comparison-above = above the limit
comparison-below = below the limit

field-comparison = Fires when the metric is
field-for = Time for which it must hold
field-group-by = Group by
field-metric = Metric
field-notify = Notify
field-percent = Percentage of the quota
field-project = Project
field-severity = Severity
field-threshold = Amount

group-by-container = Container
group-by-none = total
group-by-pod = Pod
group-by-project = Project

health-api-server-responsive = API server responsive
health-api-server-succeeds = API requests succeed
health-bad = needs attention
health-condition = Condition
health-containers-running = Containers running
health-control-plane-ready = Control plane ready
health-control-plane-stable = Control plane stable
health-control-plane-volume = Control plane volume has space
health-crash-loop = { $count } containers fail repeatedly after their start
health-dns-not-ready = no pod of CoreDNS is ready, so names of Services cannot be resolved
health-dns-pods-ready = { $ready } pods of CoreDNS are ready
health-dns-ready = DNS ready
health-explanation = Explanation
health-fast = 99 % of API requests took at most { $seconds } s
health-good = healthy
health-no-dns = the cluster has no pods of CoreDNS
health-no-replica = no replica of the control plane is ready
health-no-restarts = the control plane did not restart in the last hour
health-not-measured = this was not measured recently
health-out-of-memory = { $count } containers exceeded their memory limit in the last hour
health-pending = { $count } pods are pending
health-pods-scheduled = Pods scheduled
health-quota-available = Quota available
health-quota-used = { $percent } % of { $resource } is used, the most of all quotas
health-remedy = Next step:
health-replicas-missing = { $ready } of { $desired } replicas of the control plane are ready
health-replicas-ready = { $ready } replicas of the control plane are ready
health-requests-fail = { $percent } % of API requests failed with a server error in the last five minutes
health-requests-succeed = API requests succeed
health-restarted = containers of the control plane restarted { $count } times in the last hour
health-running = no container fails repeatedly
health-scheduled = no pod is pending
health-since = since
health-slow = 1 % of API requests took more than { $seconds } s in the last five minutes
health-status = Status
health-suspended = the workspace is suspended
health-title = Health
health-unknown = not known
health-unschedulable = no node can run { $count } of the pods
health-volume-used = the volume of the control plane is { $percent } % full

logs-download = Download
logs-expression = regular expression (RE2)
logs-fifteen-minutes = 15 minutes
logs-five-minutes = 5 minutes
logs-following = New lines appear here as they are written.
logs-lost = The connection is lost. It is tried again; reload the page if it does not come back.
logs-match = Meaning of the text
logs-new = New lines: # – show
logs-newest = Newest lines
logs-none = No lines in this range.
logs-older = Older lines
logs-paused = Paused while you read. Scroll to the end to continue.
logs-projects = You can read the logs of these projects:
logs-refused = You cannot read these logs
logs-refused-about = It needs membership of a group with a role that allows get pods/log.
logs-text = Text in the line
logs-times = Times
logs-times-local = local
logs-times-off = off
logs-times-utc = UTC
logs-why = Why can I not do that?
logs-wrap = Long lines
logs-wrap-off = scroll
logs-wrap-on = wrap

metric-api-requests = API requests
metric-api-requests-about = Requests to the API server of the workspace per second. They are measured for the workspace as a whole.
metric-cpu = CPU
metric-cpu-about = Processor time of all containers, in cores.
metric-csv = Download CSV
metric-details = { $metric } by project, pod and container
metric-largest = { $count } series were found. The chart has the six largest; the CSV file has all of them.
metric-memory = Memory
metric-memory-about = Working set of all containers, which decides on evictions.
metric-network-receive = Network received
metric-network-receive-about = Bytes that pods receive per second.
metric-network-transmit = Network sent
metric-network-transmit-about = Bytes that pods send per second.
metric-nothing = Nothing was measured in this range.
metric-over-time = Values over time
metric-pods = Running pods
metric-pods-about = Number of running pods.
metric-quota = Quota
metric-quota-above = Quota: { $quota }, far above the values.
metric-restarts = Restarts
metric-restarts-about = Restarts of containers in each interval.
metric-storage = Storage requested
metric-storage-about = Storage that persistent volume claims request.
metric-storage-used = Storage used
metric-storage-used-about = Used space of the persistent volumes whose drivers report it.
metric-throttling = Throttling
metric-throttling-about = Share of the scheduling periods in which containers had to wait because of their CPU limit.
metric-total = Total

metrics-label = Metrics

nav-alerts = Alerts
nav-logs = Logs
nav-usage = Usage

policies-about = These objects violate policies of the operator. Policies that only report do not stop them.
policies-collected = Read
policies-error = could not be evaluated
policies-fail = violated
policies-none = No object violates a policy of the operator in the projects whose logs you may read.
policies-object = Object
policies-policy = Policy
policies-result = Result
policies-title = Policy reports
policies-truncated = There are more findings; not all are shown.
policies-warn = warning

preview-button = Preview
preview-count = { $count ->
    [one] The alert would have fired once.
   *[other] The alert would have fired { $count } times.
    }
preview-from = From
preview-last = The table has the last { $count } times.
preview-limit = Evaluated over the last 24 hours with the limit { $limit }. Nothing is saved.
preview-never = The alert would not have fired.
preview-periods = Times in the last 24 hours
preview-range = The values were between { $lowest } and { $highest }.
preview-still = still firing
preview-to = To
preview-unmeasured = Nothing was measured in the last 24 hours.
preview-values = Values

range-day = 1 day
range-hour = 1 hour
range-kept = Metrics are kept for { $count ->
    [one] { $count } day
   *[other] { $count } days
    }.
range-label = Range
range-month = 30 days
range-six-hours = 6 hours
range-week = 7 days

remedy-crash-loop = read the logs of the containers with kubectl logs --previous
remedy-dns-not-ready = read the events and logs of the Deployment coredns in the namespace kube-system
remedy-filling = delete objects that are not needed, such as events, Secrets and ConfigMaps, and ask the operator for a larger volume
remedy-no-dns = restore the Deployment coredns in the namespace kube-system
remedy-no-replica = wait some minutes; if it lasts, read the tasks of the workspace and ask the operator
remedy-not-measured = if it stays unknown, ask the operator to check the monitoring
remedy-out-of-memory = raise the memory limit of the containers, or reduce their use of memory
remedy-pending = wait until images are pulled and volumes are attached; if it lasts, read the events of the pods
remedy-quota = delete what is not needed, or choose a larger plan; new pods are rejected at 100%
remedy-replicas-missing = no action; if it lasts, ask the operator
remedy-requests-fail = check the admission webhooks and API services of the cluster; they are the usual cause
remedy-restarted = reduce the number of objects and watches, or choose a plan with a larger control plane; if it lasts, ask the operator
remedy-slow = reduce large lists and the number of watches, or choose a plan with a larger control plane
remedy-suspended = resume the workspace
remedy-unschedulable = reduce the requests of the pods, or remove node selectors and affinities that no node matches

select-all-projects = all projects

severity-critical = critical
severity-critical-about = Act at once.
severity-info = info
severity-info-about = For information; no action is needed.
severity-warning = warning
severity-warning-about = Act soon.

shell-alerts = List the firing alerts
shell-follow = Follow the logs
shell-health = Read the health
shell-logs = Read the logs
shell-metric = Read a metric
shell-policies = Read the policy reports
shell-rule = Read the alert rule
shell-rule-preview = Preview an alert rule; without dry_run it is created
shell-rules = List the alert rules
shell-silences = List the silences

silence-about = The alert { $name } is listed, but no one is notified until the silence ends.
silence-author = By
silence-created = The alert { $name } is silenced until { $end }.
silence-duration = Duration
silence-duration-hint = The silence ends by itself.
silence-end = End the silence
silence-ended = The silence has ended.
silence-four-hours = 4 hours
silence-half-hour = 30 minutes
silence-reason = Reason
silence-reason-hint = At most 200 characters; other members see it.
silence-until = Until

silences-title = Silences

source-alerts = The source of alerts
source-busy = Too many requests at once
source-invalid = The selection is invalid
source-logs = The log store
source-metrics = The metrics source
source-no-alerts = No alert rules are evaluated
source-no-alerts-about = Rules can be created, but no one is notified until the operator of this installation connects Alertmanager.
source-no-logs = No logs are collected
source-no-logs-about = The operator of this installation has not connected a log store.
source-no-metrics = No metrics are collected
source-no-metrics-about = The operator of this installation has not connected a metrics source.
source-sandbox = This is a sandbox: the values are invented.

unit-bytes = bytes
unit-bytes-per-second = bytes per second
unit-cores = cores
unit-count = number
unit-ratio = share from 0 to 1
unit-requests-per-second = per second

usage-about = Health of the cluster, and its usage against the quota of the plan or project.
