use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{NodePoolId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::model::{
    AccessRevocation, Assignment, Condition, CustomRole, GitOps, GitOpsCredentials, Group, NodePool,
    OngoingWait, PoolNodes, Project, RetiredGroupName, string_enum,
};
use crate::name::{DisplayName, HostClusterName, KubernetesVersion, PlanId, Region, Slug};
use crate::quota::Quota;
use crate::search::searchable;
use crate::version::Version;

/// Tenant cluster as its organization requested it, with the status that was last observed. Root of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Id of the workspace.
    pub id: WorkspaceId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Name, unique in the organization.
    pub name: Slug,
    /// Name for display.
    pub display_name: Option<DisplayName>,
    /// Plan that determines size and limits.
    pub plan_id: PlanId,
    /// Requested region; `None` for any region.
    pub region: Option<Region>,
    /// Desired Kubernetes version.
    pub kubernetes_version: KubernetesVersion,
    /// Desired power state.
    pub power: Power,
    /// Reason of a billing suspension, which takes precedence over `power`; `None` if there is none.
    #[serde(default)]
    pub suspension_reason: Option<BillingSuspension>,
    /// `true` while an operator has suspended the organization, which takes precedence over `power`.
    #[serde(default)]
    pub organization_suspended: bool,
    /// Desired node pools, in the order of their creation.
    #[serde(default)]
    pub node_pools: Vec<NodePool>,
    /// GitOps tools of the operator that have access to the cluster.
    #[serde(default)]
    pub gitops: GitOps,
    /// Recent access revocations.
    #[serde(default)]
    pub access_revocations: Vec<AccessRevocation>,
    /// Names of renamed and deleted groups that valid tokens may carry.
    #[serde(default)]
    pub retired_group_names: Vec<RetiredGroupName>,
    /// Time at which deletion was requested; `None` otherwise.
    pub deletion_requested_at: Option<Timestamp>,
    /// Host cluster of the workspace. It never changes.
    pub host_cluster: HostClusterName,
    /// Counter of the changes that the cluster must follow.
    pub generation: u64,
    /// Counter of the changes of groups, members, roles and assignments: the key of caches derived from access.
    pub access_version: u64,
    /// Status of the cluster as last observed.
    pub status: WorkspaceStatus,
    /// Time of the next reconcile at the latest; `None` if none is needed.
    pub reconcile_at: Option<Timestamp>,
    /// User who created the workspace.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change inside the workspace.
    pub version: Version,
}

impl Workspace {
    /// Returns the texts by which a workspace is found.
    #[must_use]
    pub fn searchable(&self) -> String {
        let display_name = self.display_name.as_ref().map(|name| name as &dyn std::fmt::Display);
        searchable([&self.name as &dyn std::fmt::Display].into_iter().chain(display_name))
    }

    /// Returns the reason of a suspension that takes precedence over `power`, in `CamelCase`, with its description and
    /// remedy; `None` if there is none.
    #[must_use]
    pub fn imposed_suspension(&self) -> Option<(&'static str, &'static str)> {
        match self.suspension_reason {
            _ if self.organization_suspended => {
                Some((ORGANIZATION_SUSPENDED, ORGANIZATION_SUSPENDED_MESSAGE))
            }
            Some(suspension) => Some((suspension.reason(), suspension.message())),
            None => None,
        }
    }

    /// Returns the start of the phase if the cluster does not match its desired state and work on that continues; `None`
    /// for a workspace that is ready, suspended or failed, and for one that waits for its tenant.
    #[must_use]
    pub fn unconverged_since(&self) -> Option<Timestamp> {
        let WorkspaceStatus { phase, phase_since, waiting, .. } = &self.status;
        let is_at_rest = matches!(phase, Phase::Ready | Phase::Suspended | Phase::Failed);
        let waits_for_tenant = waiting.is_some_and(|wait| wait.reason.depends_on_tenant());
        (!is_at_rest && !waits_for_tenant).then_some(*phase_since)
    }

    /// `true` if the cluster was observed at the current generation and no deletion was requested.
    #[must_use]
    pub fn is_reconciled(&self) -> bool {
        self.status.observed_generation == self.generation && self.deletion_requested_at.is_none()
    }
}

const ORGANIZATION_SUSPENDED: &str = "OrganizationSuspended";
/// Description of the suspension of an organization by an operator.
pub const ORGANIZATION_SUSPENDED_MESSAGE: &str =
    "an operator has suspended the organization; contact the operators of this installation";

/// Desired power state of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// The workspace runs.
    Running,
    /// The workspace is suspended: no pods run, no data is lost.
    Suspended,
}

string_enum!(Power { Running = "running", Suspended = "suspended" } else UnknownPower = "must be running or suspended");

/// Reason for which a workspace is suspended regardless of its power state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BillingSuspension {
    /// A payment of the organization has been overdue for too long.
    Overdue,
    /// The workspace, or its plan, is no longer paid for.
    NotPaidFor,
}

string_enum!(BillingSuspension { Overdue = "overdue", NotPaidFor = "not_paid_for" } else UnknownBillingSuspension = "must be overdue or not_paid_for");

impl BillingSuspension {
    /// Returns the reason in the status of a workspace, in `CamelCase`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Overdue => "PaymentOverdue",
            Self::NotPaidFor => "PlanNotPaidFor",
        }
    }

    /// Returns the description of the reason with its remedy.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Overdue => {
                "a payment of the organization is overdue; the workspace resumes once it is paid"
            }
            Self::NotPaidFor => {
                "no paid plan covers the workspace; it resumes once the organization subscribes to a plan that does"
            }
        }
    }
}

/// Phase of the lifecycle of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Requested, not reconciled yet.
    Pending,
    /// The control plane is being created.
    Provisioning,
    /// The cluster matches its desired state.
    Ready,
    /// The cluster runs and is being changed to its desired state.
    Updating,
    /// The cluster is being suspended.
    Suspending,
    /// The cluster is suspended.
    Suspended,
    /// The cluster is being resumed.
    Resuming,
    /// The cluster was ready and has a problem now; reconciling continues.
    Degraded,
    /// The cluster cannot reach its desired state without a change by a user or operator.
    Failed,
    /// The cluster is being deleted.
    Deleting,
}

string_enum!(Phase {
    Pending = "pending",
    Provisioning = "provisioning",
    Ready = "ready",
    Updating = "updating",
    Suspending = "suspending",
    Suspended = "suspended",
    Resuming = "resuming",
    Degraded = "degraded",
    Failed = "failed",
    Deleting = "deleting",
} else UnknownPhase = "must be a workspace phase such as ready");

/// Status of a workspace's cluster as last observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceStatus {
    /// Phase of the lifecycle.
    pub phase: Phase,
    /// Start of the phase.
    pub phase_since: Timestamp,
    /// Reason of the phase, in `CamelCase`; empty if there is no problem.
    pub reason: String,
    /// Description of the reason with its remedy; empty if there is no problem.
    pub message: String,
    /// Newest generation that the cluster has reached.
    pub observed_generation: u64,
    /// Kubernetes version that ran last; `None` if unknown.
    #[serde(default)]
    pub kubernetes_version: Option<KubernetesVersion>,
    /// Conditions of the workspace.
    pub conditions: Vec<Condition>,
    /// URL of the tenant API server; `None` if unknown.
    pub api_endpoint: Option<String>,
    /// Certificate authority of the tenant API server, in PEM; `None` if unknown.
    pub certificate_authority: Option<String>,
    /// Number of consecutive failed reconciles.
    pub failures: u32,
    /// Wait of the last reconcile; `None` if it did not wait.
    #[serde(default)]
    pub waiting: Option<OngoingWait>,
    /// Projects whose namespace could not be created, with the reason.
    pub refused_projects: BTreeMap<ProjectId, String>,
    /// Projects that wait for the end of an earlier namespace of their name, with the start of the wait.
    #[serde(default)]
    pub waiting_projects: BTreeMap<ProjectId, Timestamp>,
    /// Resource usage of the workloads; `None` if it was not measured.
    pub usage: Option<Usage>,
    /// Differences from the desired state at the last comparison; `None` before the first one.
    pub drift: Option<Drift>,
    /// Nodes of the pools, including those of deleted pools until they are released.
    #[serde(default)]
    pub node_pools: BTreeMap<NodePoolId, PoolNodes>,
    /// Credentials of GitOps tools on the host, including those that are to be removed.
    #[serde(default)]
    pub gitops: GitOpsCredentials,
}

impl WorkspaceStatus {
    /// Returns the status of a workspace that has not been reconciled yet.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            phase: Phase::Pending,
            phase_since: now,
            reason: String::new(),
            message: String::new(),
            observed_generation: 0,
            kubernetes_version: None,
            conditions: Vec::new(),
            api_endpoint: None,
            certificate_authority: None,
            failures: 0,
            waiting: None,
            refused_projects: BTreeMap::new(),
            waiting_projects: BTreeMap::new(),
            usage: None,
            drift: None,
            node_pools: BTreeMap::new(),
            gitops: GitOpsCredentials::new(),
        }
    }
}

/// Resource usage of the workloads of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Time of the measurement.
    pub observed_at: Timestamp,
    /// Usage of the whole workspace, including its control plane.
    pub workspace: Quota,
    /// Usage of each project.
    pub projects: BTreeMap<ProjectId, Quota>,
}

/// Differences between a cluster and its desired state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Time of the comparison.
    pub checked_at: Timestamp,
    /// Differing objects, as they were before the repair.
    pub entries: Vec<DriftEntry>,
}

/// Cluster in which an object differs from its desired state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftScope {
    /// The host cluster.
    Host,
    /// The tenant cluster.
    Tenant,
}

string_enum!(DriftScope { Host = "host", Tenant = "tenant" } else UnknownDriftScope = "must be host or tenant");

/// Difference between an object and its desired state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DriftEntry {
    /// Location of the object.
    pub scope: DriftScope,
    /// Object, as `kind/namespace/name`.
    pub object: String,
    /// Path of the field; empty if the whole object is missing or superfluous.
    pub field: String,
    /// Actual value; `None` if it is missing.
    pub actual: Option<String>,
    /// Desired value; `None` if it should not exist.
    pub desired: Option<String>,
    /// Other field managers of the field, by their names at the API server.
    #[serde(default)]
    pub managers: Vec<String>,
}

/// Workspace with everything that determines its desired state, read together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceState {
    /// Workspace itself.
    pub workspace: Workspace,
    /// All groups of the workspace.
    pub groups: Vec<Group>,
    /// All projects of the workspace.
    pub projects: Vec<Project>,
    /// Custom roles of all projects.
    pub roles: Vec<CustomRole>,
    /// All role assignments of the workspace.
    pub assignments: Vec<Assignment>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{FIXTURE_TIME, workspace};
    use crate::model::WaitReason;

    #[test]
    fn a_workspace_is_unconverged_while_work_on_it_continues_and_its_tenant_does_not_block_it() {
        let unconverged = |phase, waiting: Option<WaitReason>| {
            let mut workspace = workspace("dev");
            (workspace.status.phase, workspace.status.phase_since) = (phase, FIXTURE_TIME);
            let since = FIXTURE_TIME + jiff::SignedDuration::from_mins(1);
            workspace.status.waiting = waiting.map(|reason| OngoingWait { reason, since });
            workspace.unconverged_since()
        };
        for phase in Phase::ALL {
            let is_at_rest = [Phase::Ready, Phase::Suspended, Phase::Failed].contains(phase);
            let expected = (!is_at_rest).then_some(FIXTURE_TIME);
            assert_eq!(unconverged(*phase, None), expected, "{phase}");
            assert_eq!(unconverged(*phase, Some(WaitReason::VolumePending)), expected, "{phase}");
            assert_eq!(unconverged(*phase, Some(WaitReason::TenantNotApplied)), None, "{phase}");
        }
    }
}
