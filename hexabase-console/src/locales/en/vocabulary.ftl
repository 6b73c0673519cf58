# Words of the model. Pages use these and no others.

phase-pending = pending
phase-provisioning = provisioning
phase-ready = ready
phase-updating = updating
phase-suspending = suspending
phase-suspended = suspended
phase-resuming = resuming
phase-degraded = degraded
phase-failed = failed
phase-deleting = deleting

role-owner = owner
role-admin = admin
role-billing = billing
role-member = member

resource-cpu = CPU (cores)
resource-memory = Memory
resource-storage = Storage
resource-ephemeral-storage = Ephemeral storage
resource-pods = Pods
resource-services = Services
resource-load-balancers = Load balancers
resource-persistent-volume-claims = Persistent volume claims
resource-secrets = Secrets
resource-config-maps = ConfigMaps

count-members = { $count ->
    [one] { $count } member
   *[other] { $count } members
    }

# Times in UTC.
time-day = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
    } { $year }
time-minute = { $day } { $month ->
    [1] Jan
    [2] Feb
    [3] Mar
    [4] Apr
    [5] May
    [6] Jun
    [7] Jul
    [8] Aug
    [9] Sep
    [10] Oct
    [11] Nov
   *[12] Dec
    } { $year }, { $time } UTC
time-seconds = { $count } s
time-minutes = { $count } min
time-hours = { $count } h
time-days = { $count ->
    [one] { $count } day
   *[other] { $count } days
    }

# Reasons for which something is refused or waits.

denial-role = Your role does not allow this
denial-scope = The scopes of the token do not cover this
denial-service-account = A service account cannot do this. Its organization deletes it instead
reason-applied = applied
reason-namespace-taken = the namespace of a project belongs to something else
reason-synced = as requested
rule-ascii-email = must be an e-mail address in ASCII such as ann@example.com; an internationalized domain must have its xn-- form
rule-display-length = must be 1 to 128 characters
rule-dns-label = must be 1 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit
rule-email = must be an e-mail address such as ann@example.com
rule-extended-resource = must be an extended resource or huge pages, as in nvidia.com/gpu or hugepages-2Mi
rule-group-name = must be 1 to 63 ASCII letters, digits, full stops, underscores and hyphens, beginning with a letter or digit
rule-image-source = must be a registry or a path in one, as in docker.io/library or registry.example:5000
rule-invisible = must not contain control or direction-changing characters
rule-kubernetes-version = must be a Kubernetes minor version such as 1.36
rule-language = must be a language code (ISO 639) of two or three lower-case letters, such as en
rule-managed-object = must be the id of an object, or for a membership the ids of the group and of the user separated by a slash
rule-other = the value is not valid: { $rule }
rule-reserved-namespace = must not be the name of a namespace of Kubernetes or of a workspace, such as default, kube-… and ws-…
rule-reserved-project = must not be a reserved name: default, hexabase, kube-… and hexabase-…
rule-white-space = must not begin or end with white space
wait-api-server = the API server does not respond yet
wait-changing-nodes = nodes are being changed
wait-control-plane-missing = the control plane has not been created yet
wait-controllers = the controllers are starting
wait-deleting = the cluster is being deleted
wait-free-nodes = the host has no free nodes for the node pools
wait-image = the control plane image has not been pulled yet
wait-kubeconfig = the control plane has not written its kubeconfig yet
wait-load-balancer = the load balancer has no address yet
wait-namespace-terminating = the previous namespace on the host is being deleted
wait-node = no node of the host cluster accepts the control plane pod yet
wait-object = the control plane pod refers to a missing object
wait-permissions = the permissions in the namespace are not effective yet
wait-pod-crashing = the control plane crashed and is restarted
wait-pod-missing = the control plane pod has not been created yet
wait-pod-starting = the control plane pod is starting
wait-project-namespace = an earlier namespace of this name is being deleted
wait-releasing-nodes = nodes are being drained
wait-rolling-out = the control plane is being replaced
wait-stopping = the control plane and the workloads are being stopped
wait-tenant-objects = the objects inside the tenant cluster are being applied
wait-volume = the volume of the control plane is not bound yet
