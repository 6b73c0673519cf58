# Texts of the pages of usage, metrics, alerts and logs.

field-group-by = Group by
field-project = Project

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
health-dns-ready = DNS ready
health-explanation = Explanation
health-good = healthy
health-pods-scheduled = Pods scheduled
health-quota-available = Quota available
health-remedy = Next step:
health-since = since
health-status = Status
health-title = Health
health-unknown = not known

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

nav-usage = Usage

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

shell-health = Read the health
shell-metric = Read a metric

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

usage-about = Health of the cluster, and its usage against the quota of the plan or project.
