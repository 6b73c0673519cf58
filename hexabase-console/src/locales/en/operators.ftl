# Texts of the operators' area and of node pools.

backend-available = available
backend-away = not available
backend-name = Backend
backend-role = Role

host-capacity = Capacity
host-capacity-hint = Maximum number of workspaces; empty for no limit
host-command = Read this host cluster
host-configured = configured
host-configured-about = This host cluster is part of the configuration of the server. Change it there.
host-cordon = Cordon the host cluster
host-cordon-about = New workspaces are placed on this host cluster. Cordon it to exclude it from placement; its workspaces stay.
host-cordon-first = Register it cordoned
host-cordon-hint = No workspace is placed on it until you uncordon it
host-cordoned = cordoned
host-healthy = healthy
host-is-cordoned = The host cluster is cordoned.
host-is-uncordoned = The host cluster is uncordoned.
host-kubeconfig = Kubeconfig
host-kubeconfig-hint = With embedded credentials: no exec plugin, no references to files. It is stored encrypted and never shown again.
host-kubeconfig-keep = Empty to keep the current one, which is never shown
host-labels = Labels
host-labels-hint = One a line, such as gpu=a100. Plans can require them.
host-name-hint = Lower-case letters, digits and hyphens. It cannot be changed later.
host-placement = Placement
host-region-hint = Empty for none
host-register = Register a host cluster
host-registered = The host cluster { $name } is registered. Its health is known after the first request of a worker.
host-sandbox = sandbox
host-settings = Parameters
host-settings-hint = One a line, such as storage_class=fast. They replace the options of the server.
host-setup = Preparation of the host cluster
host-setup-about = The administrator of the host cluster applies permissions and admission policies once, before Hexabase acts on it.
host-setup-manifest = Manifest of the host setup
host-uncordon = Uncordon the host cluster
host-uncordon-about = No new workspaces are placed on this host cluster.
host-unknown = not checked yet
host-unreachable = unreachable
host-unregister = Unregister the host cluster
host-unregister-cordon = Cordon the host cluster first, so that no workspace is placed on it
host-unregister-kubeconfig = The stored kubeconfig is deleted
host-unregister-objects = Objects on the host cluster stay, and are no longer managed
host-unregister-title = Unregister the host cluster { $name }
host-unregister-used = { $count ->
    [one] Delete its { $count } workspace first
   *[other] Delete its { $count } workspaces first
    }
host-unregistered = The host cluster { $name } is no longer registered.

hosts-about = Host clusters run the clusters of tenants.
hosts-command = List the host clusters
hosts-none = No host clusters
hosts-open = Show the host clusters

installation-away = The backend { $name } is not available
installation-backends = Backends
installation-command = Read the version and the backends
installation-converged = All workspaces match their desired state.
installation-lease-until = Held until
installation-leases = Leases of workers
installation-leases-about = Exclusive rights of workers to work on a part of the installation. They are renewed while the worker runs.
installation-no-leases = No lease is held.
installation-unconverged = A workspace has not matched its desired state for { $age }.
installation-version = Version { $version }

keys-about = Keys that sign tokens. Verifiers read their public parts from the key set of this server.
keys-algorithm = Algorithm
keys-command = Rotate the signing keys
keys-kid = Key id
keys-next = next
keys-retire = Retire the key { $kid }
keys-retire-sessions = Sessions stay valid; their next tokens are signed with another key
keys-retire-short = Retire
keys-retire-tokens = Tokens signed with this key are rejected, on all servers within 30 seconds
keys-retired = The key is retired. Its tokens are rejected.
keys-retires = Signs until
keys-rotate = Rotate the signing keys
keys-rotate-about = New keys are published for ten minutes before they sign. Tokens of the previous keys stay valid until they expire.
keys-rotated = New signing keys are published. They sign in ten minutes.
keys-signing = current
keys-verifying = verifies only

metering-about = Compares the stored usage of a month with what was reported to the payment provider, and with what the provider has.
metering-caption = Usage in thousandths of the unit of each meter
metering-consistent = consistent
metering-inconsistent = different
metering-meter = Meter
metering-month = Month
metering-month-hint = Year and month, such as 2026-11
metering-month-invalid = Enter a year and a month, such as 2026-11
metering-none = The organization has no usage to compare in this month.
metering-provider = The payment provider
metering-received = Received
metering-reported = Reported
metering-result = Result
metering-title = Proof of the metering
metering-uncharged = Not charged
metering-used = Stored
metering-verify = Compare

nodes-about = All pods of a workspace with node pools run on its dedicated nodes.
nodes-assigned = Nodes
nodes-class = Class
nodes-class-hint = Class of nodes, as the operator of the installation names it
nodes-command = List the node pools
nodes-create = Create a node pool
nodes-created = The node pool { $name } is created. Free nodes are assigned as they become available.
nodes-delete = Delete the node pool
nodes-delete-drain = Its nodes are cordoned and drained: their pods start again on other nodes
nodes-delete-release = The nodes are then available to other workspaces
nodes-delete-title = Delete the node pool { $name }
nodes-deleted = The node pool { $name } is being deleted.
nodes-name-hint = Unique in the workspace. Pods select the pool by this name.
nodes-none = No node pools
nodes-none-about = The pods of this workspace run on shared nodes.
nodes-not-in-plan = The plan of the workspace has no dedicated nodes. Change the plan first
nodes-number = Number of nodes
nodes-number-hint = 1 to 100
nodes-releasing = Being released
nodes-title = Nodes

operators-hosts = Host clusters
operators-installation = Installation
operators-keys = Signing keys
operators-only = this page is reserved for operators of the installation
operators-plans = Plans as sold
operators-proofs = Proofs
operators-queue = Task queue
operators-title = Operators' area

plans-changed = Last changed
plans-command = Read all plans
plans-price = Price
plans-replace = Replace all plans with those of a file
plans-retired = no longer sold
plans-unchanged = As configured; never changed

proofs-about = Workers try to break out of each tenant at regular intervals. These are the latest results for all workspaces whose control plane runs.
proofs-caption = Latest isolation checks
proofs-checked = Checked
proofs-exceptions = Not passed
proofs-failed = failed
proofs-failures = Failed checks found by this process
proofs-failures-about = Counted since the start of the process; other processes have counts of their own.
proofs-host = Host cluster
proofs-metering = The page of each organization compares its metering with the payment provider:
proofs-none = No control plane runs.
proofs-proven = proven
proofs-summary = On this page: { $proven } proven, { $failed } failed, { $unproven } not decided
proofs-unproven = not decided
proofs-workspace = Workspace

queue-about = Workers process the messages of this queue. A message whose deliveries fail too often becomes a dead letter.
queue-age = Oldest in the queue
queue-attempts = Deliveries
queue-backlog = Backlog
queue-command = Read the queue
queue-dead-letters = Dead letters
queue-depth = Messages in the queue
queue-no-dead-letters = There are no dead letters.
queue-open = Show the queue
queue-outbox = Messages to publish
queue-outbox-age = Oldest to publish
queue-retried = The message is in the queue again.
queue-retry = Retry
queue-topic = Purpose
queue-truncated = The first { $count } dead letters are shown.

standing-good = good standing
standing-grace = payment missing
standing-suspended = suspended for payment

tenant-is-resumed = The organization is resumed.
tenant-is-suspended = The organization is suspended.
tenant-reason = Reason
tenant-reason-hint = The members of the organization see it
tenant-resume = Resume the organization
tenant-resume-about = Workspaces resume unless they are suspended for another reason. The owners are notified.
tenant-subscription = Subscription
tenant-suspend = Suspend the organization
tenant-suspend-about = Its workspaces are suspended, and no new ones are created, until an operator resumes it. Nothing is deleted. The owners are notified.
tenant-suspended = suspended

tenants-about = All organizations of this installation, oldest first.
tenants-command = List the organizations
tenants-text = Name or id contains
