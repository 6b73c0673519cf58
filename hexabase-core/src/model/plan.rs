use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::model::{Interval, Meter, Money, PerMeter, string_enum};
use crate::name::{ExtendedResource, ImageSource, KubernetesVersion, PlanId};
use crate::placement::HostLabels;
use crate::plans::ReadablePlans;
use crate::quantity::Quantity;
use crate::quota::{Quota, Resource};
use crate::version::Version;

/// Product that organizations subscribe to: the resources and limits of a workspace, and the price. Plans are data:
/// they come from a file and from operators, not from code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Id of the plan.
    pub id: PlanId,
    /// Name for display.
    pub name: String,
    /// Description in one sentence, for choosing a plan.
    pub description: String,
    /// Size of the plan, and its position in lists, lowest first: an organization on a plan may have workspaces on plans
    /// of the same or a lower order.
    pub display_order: u32,
    /// `true` if the plan is no longer sold. Organizations and workspaces on it keep it, at its price and with its
    /// contents, until they choose another plan.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retired: bool,
    /// Price; `None` for a free plan.
    pub price: Option<Price>,
    /// Maximum resource consumption of the tenant's workloads together. The consumption of the control plane is added
    /// to
    /// it.
    pub quota: Quota,
    /// Maximum amounts of further resources of nodes, such as GPUs, of the tenant's workloads together. Workloads cannot
    /// request resources that are not listed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extended_resources: BTreeMap<ExtendedResource, Quantity>,
    /// Limits on the numbers of objects.
    pub limits: Limits,
    /// Configuration of the tenant's control plane.
    pub control_plane: ControlPlane,
    /// Isolation level of pods.
    pub isolation: Isolation,
    /// Registries or paths that images of pods may come from. Empty: images from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_sources: Vec<ImageSource>,
    /// `true` if workspaces may have dedicated nodes.
    pub dedicated_nodes: bool,
    /// Labels that a host cluster must have to run workspaces of this plan. Empty: any host.
    #[serde(default, skip_serializing_if = "HostLabels::is_empty")]
    pub host_labels: HostLabels,
    /// Kubernetes versions that a workspace may run, oldest first. The last one is the default.
    pub kubernetes_versions: Vec<KubernetesVersion>,
}

impl Plan {
    /// Returns a free plan with one small workspace size and the id as its name, for programs that define their plans in
    /// code. Its fields are replaced as needed: `Plan { limits, ..Plan::small(id, version) }`.
    #[must_use]
    pub fn small(id: PlanId, kubernetes_version: KubernetesVersion) -> Self {
        let quota = [
            (Resource::Cpu, Quantity::units(2)),
            (Resource::Memory, Quantity::gibibytes(4)),
            (Resource::Storage, Quantity::gibibytes(20)),
            (Resource::EphemeralStorage, Quantity::gibibytes(10)),
            (Resource::Pods, Quantity::units(20)),
            (Resource::Services, Quantity::units(20)),
            (Resource::LoadBalancers, Quantity::ZERO),
            (Resource::PersistentVolumeClaims, Quantity::units(10)),
            (Resource::Secrets, Quantity::units(100)),
            (Resource::ConfigMaps, Quantity::units(100)),
        ];
        Self {
            name: id.to_string(),
            description: String::new(),
            id,
            display_order: 1,
            retired: false,
            price: None,
            quota: quota.into_iter().fold(Quota::new(), |quota, (name, amount)| quota.with(name, amount)),
            extended_resources: BTreeMap::new(),
            limits: Limits {
                workspaces: 3,
                members: 10,
                projects: 10,
                groups: 50,
                roles_per_project: 10,
                alert_rules: default_alert_rules(),
            },
            control_plane: ControlPlane {
                store: ControlPlaneStore::Sqlite,
                replicas: 1,
                cpu: Quantity::milli(200),
                memory: Quantity::mebibytes(512),
                memory_limit: Quantity::mebibytes(1_536),
                storage: Quantity::gibibytes(5),
            },
            isolation: Isolation::Baseline,
            image_sources: Vec::new(),
            dedicated_nodes: false,
            host_labels: HostLabels::new(),
            kubernetes_versions: vec![kubernetes_version],
        }
    }
}

/// Plans of an installation as an operator changed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ReadableStoredPlans")]
pub struct StoredPlans {
    /// All plans; none before the first change.
    pub plans: Vec<Plan>,
    /// Plans of the configuration at the time of the change, which show what the operator changed.
    pub configured: Vec<Plan>,
    /// Operator who made the last change; `None` for a change on the command line.
    pub updated_by: Option<UserId>,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change. The first change has version 2: version 1 are the configured plans.
    pub version: Version,
    /// Contents of a newer release that this one cannot read and leaves out, such as `team.price.discount`.
    #[serde(skip)]
    pub unknown: Vec<String>,
}

/// Serialized [`StoredPlans`], perhaps of a newer release.
#[derive(Deserialize)]
struct ReadableStoredPlans {
    plans: ReadablePlans,
    configured: ReadablePlans,
    updated_by: Option<UserId>,
    updated_at: Timestamp,
    version: Version,
}

impl From<ReadableStoredPlans> for StoredPlans {
    fn from(read: ReadableStoredPlans) -> Self {
        let ReadableStoredPlans { plans, configured, updated_by, updated_at, version } = read;
        let (ReadablePlans { plans, unknown }, configured) = (plans, configured.plans);
        Self { plans, configured, updated_by, updated_at, version, unknown }
    }
}

impl StoredPlans {
    /// Returns the record of a new store: no plans, in the first version.
    #[must_use]
    pub const fn initial() -> Self {
        Self {
            plans: Vec::new(),
            configured: Vec::new(),
            updated_by: None,
            updated_at: Timestamp::UNIX_EPOCH,
            version: Version::FIRST,
            unknown: Vec::new(),
        }
    }
}

/// Users of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanUse {
    /// Number of organizations on the plan.
    pub organizations: u32,
    /// Number of workspaces on the plan, including those being deleted.
    pub workspaces: u32,
    /// Kubernetes versions of the workspaces on the plan.
    pub kubernetes_versions: BTreeSet<KubernetesVersion>,
}

impl PlanUse {
    /// `true` if the plan has users of this kind.
    #[must_use]
    pub fn has(&self, users: &PlanUsers) -> bool {
        match users {
            PlanUsers::Organizations => self.organizations > 0,
            PlanUsers::Workspaces => self.workspaces > 0,
            PlanUsers::WorkspacesWith(version) => self.kubernetes_versions.contains(version),
        }
    }
}

/// Kind of users of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanUsers {
    /// Organizations that are on the plan, subscribe to it or have ordered it.
    Organizations,
    /// Workspaces on the plan.
    Workspaces,
    /// Workspaces on the plan with this Kubernetes version.
    WorkspacesWith(KubernetesVersion),
}

/// Price of a plan for an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Price per month.
    pub monthly: Money,
    /// Price per year; `None` if the plan cannot be paid yearly.
    pub yearly: Option<Money>,
    /// Price of workspaces beyond the included ones; `None` if all are included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<UnitPrice>,
    /// Price of dedicated nodes; `None` if they are free of charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<UnitPrice>,
    /// Price of usage beyond the included amounts, for the meters that are charged.
    #[serde(default, skip_serializing_if = "PerMeter::is_empty")]
    pub usage: PerMeter<Option<UsagePrice>>,
    /// Length of the trial in days, during which nothing is charged; 0 for no trial.
    #[serde(default)]
    pub trial_days: u32,
}

impl Price {
    /// Returns the price per billing interval; `None` if the plan cannot be paid in that interval.
    #[must_use]
    pub const fn per(&self, interval: Interval) -> Option<Money> {
        match interval {
            Interval::Month => Some(self.monthly),
            Interval::Year => self.yearly,
        }
    }

    /// Returns the meters that the plan charges.
    #[must_use]
    pub fn meters(&self) -> Vec<Meter> {
        self.usage.iter().filter(|(_, price)| price.is_some()).map(|(meter, _)| meter).collect()
    }
}

/// Price of one further unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitPrice {
    /// Number of units that the price of the plan includes.
    pub included: u32,
    /// Price per month of each further unit.
    pub monthly: Money,
    /// Price per year of each further unit; `None` if the plan cannot be paid yearly.
    pub yearly: Option<Money>,
}

impl UnitPrice {
    /// Returns the price per billing interval; `None` if the plan cannot be paid in that interval.
    #[must_use]
    pub const fn per(&self, interval: Interval) -> Option<Money> {
        match interval {
            Interval::Month => Some(self.monthly),
            Interval::Year => self.yearly,
        }
    }
}

/// Price of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsagePrice {
    /// Amount per month that the price of the plan includes, in the meter's unit.
    pub included: u32,
    /// Price of 1,000 further units. One unit often costs less than one minor unit of the currency.
    pub per_thousand: Money,
}

impl UsagePrice {
    /// Returns the included amount for a number of months, in thousandths of the meter's unit.
    #[must_use]
    pub const fn included_in(self, months: u32) -> u64 {
        self.included as u64 * months as u64 * 1000
    }

    /// Returns the price of `amount` (in thousandths of the meter's unit) for a number of months.
    #[must_use]
    pub fn cost(self, amount: u64, months: u32) -> Money {
        self.per_thousand.share(amount.saturating_sub(self.included_in(months)), 1_000_000)
    }
}

/// Limits on the numbers of objects. `workspaces` and `members` apply to organizations on the plan, the other limits
/// to workspaces on the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Maximum number of workspaces in an organization.
    pub workspaces: u32,
    /// Maximum number of members of an organization, including open invitations.
    pub members: u32,
    /// Maximum number of projects in a workspace.
    pub projects: u32,
    /// Maximum number of groups in a workspace.
    pub groups: u32,
    /// Maximum number of custom roles in a project.
    pub roles_per_project: u32,
    /// Maximum number of alert rules in a workspace.
    #[serde(default = "default_alert_rules")]
    pub alert_rules: u32,
}

/// Maximum number of alert rules in a workspace on a plan that does not set one.
const fn default_alert_rules() -> u32 {
    20
}

/// Configuration of a tenant's control plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// Store of the control plane's objects.
    pub store: ControlPlaneStore,
    /// Number of replicas. More than one requires [`ControlPlaneStore::Etcd`], which has the same number of members.
    pub replicas: u8,
    /// CPU request of each replica.
    pub cpu: Quantity,
    /// Memory request of each replica.
    pub memory: Quantity,
    /// Memory limit of each replica, and of each member of its etcd.
    pub memory_limit: Quantity,
    /// Size of the volume of the control plane, or of each member of its etcd.
    pub storage: Quantity,
}

impl ControlPlane {
    /// `true` if a control plane can change from this configuration to `other`. Its objects cannot move to another
    /// store,
    /// nor to an etcd with another number of members.
    #[must_use]
    pub fn has_same_storage_layout(&self, other: &Self) -> bool {
        self.store == other.store
            && (self.store == ControlPlaneStore::Sqlite || self.replicas == other.replicas)
    }
}

/// Store of the objects of a tenant's control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlPlaneStore {
    /// A file on a volume of the control plane; allows one replica.
    Sqlite,
    /// An etcd cluster that is deployed with the control plane.
    Etcd,
}

string_enum!(ControlPlaneStore { Sqlite = "sqlite", Etcd = "etcd" } else UnknownStore = "must be sqlite or etcd");

/// Isolation level of pods, by the Pod Security Standards
/// (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isolation {
    /// Prevents known privilege escalations.
    Baseline,
    /// Hardened: no root, no added capabilities.
    Restricted,
}

string_enum!(Isolation { Baseline = "baseline", Restricted = "restricted" } else UnknownIsolation = "must be baseline or restricted");
