//! The seam to tenant clusters.

mod fleet;
pub mod memory;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

pub use fleet::{Fleet, HostConnector};
pub(crate) use fleet::{open_kubeconfig, seal_kubeconfig};
pub use memory::MemoryProvisioner;

use crate::desired::{TenantCluster, TenantTarget};
use crate::error::Result;
use crate::id::{NodePoolId, ProjectId};
use crate::model::{DriftEntry, PoolNodes};
use crate::quota::Quota;
use crate::secret::SecretString;

/// The code of the error of [`ClusterProvisioner::apply`] where what runs would have to go down in version, or leap.
pub const NO_UPGRADE_PATH: &str = "no_upgrade_path";

/// The code of the error of [`ClusterProvisioner::apply`] where what runs would have to leave its objects behind.
pub const NO_OTHER_STORE: &str = "no_other_store";

/// Makes, changes and removes tenant clusters on one host cluster.
///
/// Every method is idempotent, and none waits for slow things: what was set in motion shows in a later
/// [`observe`](Self::observe). Two workers may call at the same time for the same cluster; the outcome is
/// that of some order of the calls.
#[async_trait]
pub trait ClusterProvisioner: fmt::Debug + Send + Sync + 'static {
    /// What [`apply`](Self::apply) would change, without changing anything. Empty when the cluster is what
    /// it should be.
    ///
    /// # Behaviour
    /// - Of a cluster that does not exist, everything differs.
    /// - Inside a cluster that does not answer, nothing is compared.
    ///
    /// # Errors
    /// `Unavailable` when the host cluster does not answer.
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>>;

    /// Makes the cluster what it should be: what is missing is made, what differs is changed, and what
    /// Hexabase made earlier and no longer wants is removed. Nothing that Hexabase did not make is touched.
    ///
    /// # Behaviour
    /// - What is inside the tenant is applied as soon as its API server answers; until then
    ///   [`Applied::tenant`] is false, and applying again later does the rest.
    /// - A project whose namespace somebody else made is refused and reported; the others are applied.
    /// - Applying again changes nothing.
    /// - It neither wakes a sleeping cluster nor puts one to sleep.
    /// - Nodes that are to be the tenant's own are given to it as far as there are free ones, and those that are no longer
    ///   wanted are emptied and given back, look by look.
    ///
    /// # Errors
    /// - `Conflict` with code `not_ours` when something of that name is there that Hexabase did not make.
    /// - `Conflict` with code [`NO_UPGRADE_PATH`] when what runs there would go down, or over a minor version of Kubernetes;
    ///   nothing is changed then.
    /// - `Conflict` with code [`NO_OTHER_STORE`] when what runs there keeps its objects in another store, or in an etcd of
    ///   another size; nothing is changed then.
    /// - `QuotaExceeded`, `Forbidden` or `Invalid` when the host cluster refuses.
    /// - `Unavailable` when the host cluster does not answer.
    async fn apply(&self, desired: &TenantCluster) -> Result<Applied>;

    /// What there is now.
    ///
    /// # Behaviour
    /// - Of a cluster that does not exist, the control plane is [`ControlPlaneState::Absent`].
    ///
    /// # Errors
    /// `Unavailable` when the host cluster does not answer.
    async fn observe(&self, target: &TenantTarget) -> Result<Observation>;

    /// What there is, if it is known to be what `desired` says without looking at all of it anew: because it was when it
    /// was last looked at closely, by [`observe`](Self::observe) and [`plan`](Self::plan), and nothing has moved since.
    /// Whoever does not [`watch`](Self::watch) knows of nothing.
    ///
    /// # Behaviour
    /// - Of a cluster that does not exist nothing is known.
    /// - What is asked for anew is not there yet.
    /// - What is known is what would be observed.
    ///
    /// # Errors
    /// `Unavailable` when the host cluster does not answer.
    async fn unchanged(&self, desired: &TenantCluster) -> Result<Option<Observation>>;

    /// Puts the cluster to sleep: nothing runs, nothing is lost. It is asked for again, look by look, until the
    /// cluster is observed as stopped; each time does what can be done by then.
    ///
    /// # Behaviour
    /// - A cluster that sleeps stays asleep.
    /// - A cluster that does not exist is not an error.
    ///
    /// # Errors
    /// `Unavailable` when the host cluster does not answer.
    async fn suspend(&self, target: &TenantTarget, now: Timestamp) -> Result<()>;

    /// Wakes the cluster.
    ///
    /// # Behaviour
    /// - A cluster that runs goes on running.
    /// - A cluster that does not exist is not an error.
    ///
    /// # Errors
    /// `Unavailable` when the host cluster does not answer.
    async fn resume(&self, target: &TenantTarget) -> Result<()>;

    /// Begins to remove the cluster with everything in it. It is gone when it is observed as absent.
    ///
    /// # Behaviour
    /// - A cluster that does not exist, or is being removed, is not an error.
    /// - What Hexabase did not make is not removed.
    ///
    /// # Errors
    /// - `Conflict` with code `not_ours` when the cluster of that name is somebody else's.
    /// - `Unavailable` when the host cluster does not answer.
    async fn delete(&self, target: &TenantTarget) -> Result<()>;

    /// The operator's way into the cluster, with all rights. Never show it to a tenant.
    ///
    /// # Behaviour
    /// - Missing while the cluster does not exist or has not started yet.
    ///
    /// # Errors
    /// - `NotFound` while there is none.
    /// - `Unavailable` when the host cluster does not answer.
    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess>;

    /// Whether the host cluster answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    async fn ping(&self) -> Result<()>;

    /// Follows what moves on the host cluster for as long as it is polled, so that looks at what did not move are cheap, and
    /// calls `moved` for every cluster of which an announced change has come: see [`Observation::announced`].
    /// [`Worker::run`](crate::worker::Worker::run) does it. One that follows nothing returns.
    ///
    /// `moved` is called while things are being followed, so it must not take long.
    async fn watch(&self, moved: &Moved<'_>);
}

/// Hears of clusters that are worth a look, because something that was [announced](Observation::announced) has come.
pub type Moved<'a> = dyn Fn(&TenantTarget) + Send + Sync + 'a;

/// What [`ClusterProvisioner::apply`] achieved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Whether everything inside the tenant was applied, too.
    pub tenant: bool,
    /// Projects whose namespace could not be made, each with a reason for people.
    pub refused_projects: BTreeMap<ProjectId, String>,
    /// The nodes that the tenant has to itself, if they were looked at.
    pub nodes: Option<TenantNodes>,
}

/// The nodes that a tenant has to itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantNodes {
    /// Those of each pool; of pools that are no longer wanted those that are still to be given back.
    pub pools: BTreeMap<NodePoolId, PoolNodes>,
    /// What is still missing or in the way: why in one `CamelCase` word, and for people. None when all is as it should be.
    pub waiting: Option<(String, String)>,
}

impl Applied {
    /// That everything is as it should be, inside as well.
    #[must_use]
    pub const fn everything() -> Self {
        Self { tenant: true, refused_projects: BTreeMap::new(), nodes: None }
    }
}

/// What there is of a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// How its control plane is.
    pub control_plane: ControlPlaneState,
    /// Where its API server answers for users.
    pub api_endpoint: Option<String>,
    /// The certificate authority of its API server, in PEM.
    pub certificate_authority: Option<String>,
    /// What is used of the workspace's quota, its control plane included.
    pub usage: Option<Quota>,
    /// What is used in each project.
    pub project_usage: BTreeMap<ProjectId, Quota>,
    /// Whether it is announced when the cluster gets further, or once it is up comes to harm: [`ClusterProvisioner::watch`]
    /// tells once that it has, so that nobody has to ask all the time. Where nobody watches, nothing is announced.
    pub announced: bool,
}

impl Observation {
    /// The observation that there is nothing.
    #[must_use]
    pub const fn absent() -> Self {
        Self::of(ControlPlaneState::Absent)
    }

    /// The observation of a control plane of which nothing else is known.
    #[must_use]
    pub const fn of(control_plane: ControlPlaneState) -> Self {
        Self {
            control_plane,
            api_endpoint: None,
            certificate_authority: None,
            usage: None,
            project_usage: BTreeMap::new(),
            announced: false,
        }
    }

    /// The same, with word of when the control plane gets further or comes to harm.
    #[must_use]
    pub fn announced(self) -> Self {
        Self { announced: true, ..self }
    }
}

/// How a tenant's control plane is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlPlaneState {
    /// There is none.
    Absent,
    /// It is coming up.
    Starting {
        /// What it waits for, for people.
        message: String,
    },
    /// Its API server answers.
    Ready,
    /// It is going to sleep.
    Stopping,
    /// It sleeps.
    Stopped,
    /// It cannot come up as things are.
    Broken {
        /// Why, in one `CamelCase` word.
        reason: String,
        /// Why, for people, and what to do about it.
        message: String,
    },
    /// It is being removed.
    Terminating,
}

/// The operator's way into a tenant cluster.
#[derive(Debug)]
pub struct AdminAccess {
    /// A kubeconfig with all rights.
    pub kubeconfig: SecretString,
}
