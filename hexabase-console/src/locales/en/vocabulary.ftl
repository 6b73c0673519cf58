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
