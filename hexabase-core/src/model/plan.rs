use serde::{Deserialize, Serialize};

use crate::model::{Interval, Meter, Money, PerMeter, words};
use crate::name::{ImageSource, KubernetesVersion, PlanId};
use crate::placement::HostLabels;
use crate::quantity::Quantity;
use crate::quota::Quota;

/// What a workspace of a kind gets, and what it costs. Plans are data: they come from a file that an
/// operator writes, not from code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Which plan.
    pub id: PlanId,
    /// The name to show.
    pub name: String,
    /// One sentence for whoever chooses.
    pub description: String,
    /// Its place in a list, lowest first.
    pub display_order: u32,
    /// Whether it is not sold any more. Whoever is on it stays on it, at its price and with what it gives, until they choose
    /// another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// What it costs; nothing for a free plan.
    pub price: Option<Price>,
    /// What tenants' workloads may use together. The control plane's own needs come on top.
    pub quota: Quota,
    /// How many of each thing there may be.
    pub limits: Limits,
    /// How the tenant's control plane is built.
    pub control_plane: ControlPlane,
    /// How strictly pods are kept apart from the host.
    pub isolation: Isolation,
    /// Where the images of pods may come from; from anywhere without any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_sources: Vec<ImageSource>,
    /// Whether workspaces may have nodes of their own.
    pub dedicated_nodes: bool,
    /// The labels that a host cluster must have to carry workspaces of this plan; any host will do without.
    #[serde(default, skip_serializing_if = "HostLabels::is_empty")]
    pub host_labels: HostLabels,
    /// The Kubernetes versions a workspace may run, oldest first; the last one is the default.
    pub kubernetes_versions: Vec<KubernetesVersion>,
}

/// What a plan costs an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Per month.
    pub monthly: Money,
    /// Per year, where it can be paid by the year.
    pub yearly: Option<Money>,
    /// What workspaces cost beyond those included; none where they are all included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<UnitPrice>,
    /// What nodes cost that workspaces have to themselves; none where they cost nothing of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<UnitPrice>,
    /// What usage costs beyond what is included, for meters that are charged for at all.
    #[serde(default, skip_serializing_if = "PerMeter::is_empty")]
    pub usage: PerMeter<Option<UsagePrice>>,
    /// For how many days nothing is charged at first.
    #[serde(default)]
    pub trial_days: u32,
}

impl Price {
    /// What is paid in a rhythm; none where it cannot be paid so.
    #[must_use]
    pub const fn per(&self, interval: Interval) -> Option<Money> {
        match interval {
            Interval::Month => Some(self.monthly),
            Interval::Year => self.yearly,
        }
    }

    /// What is charged for by use.
    #[must_use]
    pub fn meters(&self) -> Vec<Meter> {
        self.usage.iter().filter(|(_, price)| price.is_some()).map(|(meter, _)| meter).collect()
    }
}

/// What one more of something costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitPrice {
    /// How many the plan itself pays for.
    pub included: u32,
    /// Per month for each further one.
    pub monthly: Money,
    /// Per year for each further one, where the plan can be paid by the year.
    pub yearly: Option<Money>,
}

impl UnitPrice {
    /// What is paid in a rhythm; none where it cannot be paid so.
    #[must_use]
    pub const fn per(&self, interval: Interval) -> Option<Money> {
        match interval {
            Interval::Month => Some(self.monthly),
            Interval::Year => self.yearly,
        }
    }
}

/// What usage costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePrice {
    /// How much of it a month the plan itself pays for, in the meter's unit.
    pub included: u32,
    /// What a thousand more units cost: one alone is often worth less than the smallest coin.
    pub per_thousand: Money,
}

impl UsagePrice {
    /// How much of it so many months pay for, in thousandths of the meter's unit.
    #[must_use]
    pub const fn included_in(self, months: u32) -> u64 {
        self.included as u64 * months as u64 * 1000
    }

    /// What an amount in so many months costs, in thousandths of the meter's unit.
    #[must_use]
    pub fn cost(self, amount: u64, months: u32) -> Money {
        self.per_thousand.share(amount.saturating_sub(self.included_in(months)), 1_000_000)
    }
}

/// How many of each thing there may be. The first two go by the organization's plan, the others by the
/// workspace's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Workspaces in an organization.
    pub workspaces: u32,
    /// Members of an organization, open invitations included.
    pub members: u32,
    /// Projects in a workspace.
    pub projects: u32,
    /// Groups in a workspace.
    pub groups: u32,
    /// Custom roles in a project.
    pub roles_per_project: u32,
}

/// How a tenant's control plane is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// Where it keeps its objects.
    pub store: ControlPlaneStore,
    /// How many replicas it has; more than one needs [`ControlPlaneStore::Etcd`], which has as many members.
    pub replicas: u8,
    /// Processor time that each replica requests.
    pub cpu: Quantity,
    /// Memory that each replica requests.
    pub memory: Quantity,
    /// Memory that each replica, and each member of its etcd, may use at most.
    pub memory_limit: Quantity,
    /// The size of its volume, or of that of each member of its etcd.
    pub storage: Quantity,
}

impl ControlPlane {
    /// Whether one that is built like this can become one that is built like the other: it cannot take its objects along to
    /// another store, nor to an etcd of another size.
    #[must_use]
    pub fn keeps_objects_like(&self, other: &Self) -> bool {
        self.store == other.store
            && (self.store == ControlPlaneStore::Sqlite || self.replicas == other.replicas)
    }
}

/// Where a tenant's control plane keeps its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlPlaneStore {
    /// A file on its own volume; one replica.
    Sqlite,
    /// An etcd cluster deployed beside it.
    Etcd,
}

words!(ControlPlaneStore { Sqlite = "sqlite", Etcd = "etcd" } else UnknownStore = "must be sqlite or etcd");

/// How strictly pods are kept apart from the host: the levels of the Pod Security Standards
/// (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// No known privilege escalation.
    Baseline,
    /// Hardened: no root, no added capabilities.
    Restricted,
}

words!(Isolation { Baseline = "baseline", Restricted = "restricted" } else UnknownIsolation = "must be baseline or restricted");
