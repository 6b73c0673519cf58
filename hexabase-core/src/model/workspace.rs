use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{NodePoolId, OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::model::{Assignment, Condition, CustomRole, Cut, Group, NodePool, PoolNodes, Project, words};
use crate::name::{DisplayName, HostClusterName, KubernetesVersion, PlanId, Region, Slug};
use crate::quota::Quota;
use crate::version::Version;

/// A tenant cluster as its organization asked for it, and what became of it. Root of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// Which workspace.
    pub id: WorkspaceId,
    /// Whose.
    pub organization_id: OrganizationId,
    /// Its name, unique in the organization.
    pub name: Slug,
    /// The name to show.
    pub display_name: Option<DisplayName>,
    /// The plan that gives it its size.
    pub plan_id: PlanId,
    /// Where it was asked to run.
    pub region: Option<Region>,
    /// The Kubernetes version it should run.
    pub kubernetes_version: KubernetesVersion,
    /// Whether it should run at all.
    pub power: Power,
    /// Why it sleeps although it should run.
    #[serde(default)]
    pub held: Option<Hold>,
    /// The nodes that it should have to itself, in the order in which they were asked for.
    #[serde(default)]
    pub node_pools: Vec<NodePool>,
    /// Who was put out of it at once, a short while ago.
    #[serde(default)]
    pub cuts: Vec<Cut>,
    /// When deletion was asked for.
    pub deletion_requested_at: Option<Timestamp>,
    /// The host cluster it was placed on; it stays there.
    pub host_cluster: HostClusterName,
    /// Raised by every change that the cluster must follow.
    pub generation: u64,
    /// Raised by every change of groups, members, roles and assignments: the key of caches over access.
    pub access_version: u64,
    /// What was last seen of the cluster.
    pub status: WorkspaceStatus,
    /// When the reconciler should look at the latest; none when there is nothing to wait for.
    pub reconcile_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change to anything in it.
    pub version: Version,
}

impl Workspace {
    /// Whether the cluster follows all that was asked for, as far as is known.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.status.observed_generation == self.generation && self.deletion_requested_at.is_none()
    }
}

/// Whether a workspace should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It should.
    Running,
    /// It should sleep: nothing runs, nothing is lost.
    Suspended,
}

words!(Power { Running = "running", Suspended = "suspended" } else UnknownPower = "must be running or suspended");

/// Why a workspace sleeps whatever its power says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The organization has owed a payment for too long.
    Overdue,
    /// Its plan, or one more workspace, is not paid for any more.
    NotPaidFor,
}

words!(Hold { Overdue = "overdue", NotPaidFor = "not_paid_for" } else UnknownHold = "no reason to hold a workspace");

impl Hold {
    /// The reason in a workspace's status, in one `CamelCase` word.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Overdue => "PaymentOverdue",
            Self::NotPaidFor => "PlanNotPaidFor",
        }
    }

    /// What it means, and what to do about it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Overdue => "a payment of the organization is overdue; it wakes once that is paid",
            Self::NotPaidFor => {
                "the organization does not pay for it any more; it wakes once a plan that covers it is subscribed to"
            }
        }
    }
}

/// Where a workspace is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Asked for; nobody looked yet.
    Pending,
    /// Its control plane is being made.
    Provisioning,
    /// It works as asked.
    Ready,
    /// It works, and is being brought to what was asked since.
    Updating,
    /// It is being put to sleep.
    Suspending,
    /// It sleeps.
    Suspended,
    /// It is being woken.
    Resuming,
    /// It worked, and something is wrong now; we keep trying.
    Degraded,
    /// It cannot become what was asked; somebody has to change something.
    Failed,
    /// It is being removed.
    Deleting,
}

words!(Phase {
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
} else UnknownPhase = "no phase of a workspace");

/// What was last seen of a workspace's cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceStatus {
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when.
    pub phase_since: Timestamp,
    /// Why, in one `CamelCase` word; empty when all is well.
    pub reason: String,
    /// Why, for people, and what to do about it; empty when all is well.
    pub message: String,
    /// The newest generation that the cluster follows.
    pub observed_generation: u64,
    /// The Kubernetes version that has run last; none if that is not known.
    #[serde(default)]
    pub kubernetes_version: Option<KubernetesVersion>,
    /// Single observations.
    pub conditions: Vec<Condition>,
    /// Where its API server answers.
    pub api_endpoint: Option<String>,
    /// The certificate authority of its API server, in PEM.
    pub certificate_authority: Option<String>,
    /// How often in a row looking failed.
    pub failures: u32,
    /// Projects whose namespace could not be made, with the reason.
    pub refused_projects: BTreeMap<ProjectId, String>,
    /// What its workloads use, as far as it was measured.
    pub usage: Option<Usage>,
    /// What differed from what it should be when that was last compared.
    pub drift: Option<Drift>,
    /// The nodes of its pools, those of pools that are gone included while they are being given back.
    #[serde(default)]
    pub node_pools: BTreeMap<NodePoolId, PoolNodes>,
}

impl WorkspaceStatus {
    /// The status of a workspace that nobody has looked at yet.
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
            refused_projects: BTreeMap::new(),
            usage: None,
            drift: None,
            node_pools: BTreeMap::new(),
        }
    }
}

/// What the workloads of a workspace use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// When it was measured.
    pub observed_at: Timestamp,
    /// By the whole workspace, its control plane included.
    pub workspace: Quota,
    /// By each project.
    pub projects: BTreeMap<ProjectId, Quota>,
}

/// What differed between a cluster and what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// When it was compared.
    pub checked_at: Timestamp,
    /// Every object that differed, as it was before the repair.
    pub entries: Vec<DriftEntry>,
}

/// One object that differed from what it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DriftEntry {
    /// Where: `host`, or `tenant` for an object inside the tenant cluster.
    pub scope: String,
    /// The object, as `kind/namespace/name`.
    pub object: String,
    /// The field, as a path; empty when the whole object is missing or too much.
    pub field: String,
    /// What the cluster has; none when it is missing.
    pub actual: Option<String>,
    /// What it should have; none when it should not be there.
    pub desired: Option<String>,
    /// Who else has a say in the field, by the names that the API server knows them by.
    #[serde(default)]
    pub managers: Vec<String>,
}

/// A workspace with everything that its cluster follows, read in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceState {
    /// The root.
    pub workspace: Workspace,
    /// All its groups.
    pub groups: Vec<Group>,
    /// All its projects.
    pub projects: Vec<Project>,
    /// The custom roles of all its projects.
    pub roles: Vec<CustomRole>,
    /// All its assignments.
    pub assignments: Vec<Assignment>,
}
