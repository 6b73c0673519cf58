//! The extension point for tenant clusters.

mod fleet;
pub mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

#[cfg(any(test, feature = "mock"))]
pub use fleet::MockHostConnector;
pub use fleet::{Fleet, HostConnector};
pub(crate) use fleet::{kubeconfig_purpose, open_kubeconfig, seal_kubeconfig};
pub use memory::MemoryProvisioner;

use crate::desired::{TenantCluster, TenantTarget};
use crate::error::{Error, Result};
use crate::id::{NodePoolId, ProjectId};
use crate::lifecycle::{Operation, operation_to_run};
use crate::model::{DriftEntry, GitOpsCredentials, IsolationResult, PolicyFindings, PoolNodes, Wait};
use crate::quota::Quota;
use crate::secret::SecretString;

/// Error code of [`ClusterProvisioner::apply`] if the Kubernetes version would go down, or up by more than one minor
/// version.
pub const NO_UPGRADE_PATH: &str = "no_upgrade_path";

/// Error code of [`ClusterProvisioner::apply`] if the control plane would move to a store without its existing
/// objects.
pub const NO_OTHER_STORE: &str = "no_other_store";

/// Creates, changes and deletes tenant clusters on one host cluster.
///
/// Every method is idempotent, and none waits for slow operations: a later [`observe`](Self::observe) shows their
/// progress. Two workers may call methods for the same cluster at the same time; the result is that of the calls in
/// some order.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ClusterProvisioner: fmt::Debug + Send + Sync + 'static {
    /// Returns the changes that [`apply`](Self::apply) would make, without making them. Empty if the cluster matches
    /// the desired state.
    ///
    /// # Behaviour
    /// - For a cluster that does not exist, everything is reported as different.
    /// - Nothing inside a tenant is compared while its API server does not respond.
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond.
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>>;

    /// Applies the desired state: creates missing objects, changes differing ones, and removes objects that Hexabase
    /// created earlier and that are no longer desired. Objects that Hexabase did not create are never changed.
    ///
    /// # Behaviour
    /// - Objects inside the tenant are applied once its API server responds. Until then [`Applied::tenant`] is
    ///   `false`, and a later call applies the rest.
    /// - A project whose namespace was not created by Hexabase is refused and reported; the other projects are
    ///   applied.
    /// - Applying the same state again changes nothing.
    /// - It neither resumes a suspended cluster nor suspends a running one.
    /// - Dedicated nodes are assigned to the tenant as far as free ones exist. Nodes that are no longer desired are
    ///   drained and released over several reconciles.
    ///
    /// # Errors
    /// - `Conflict` with code `not_ours` if an object of that name exists that Hexabase did not create.
    /// - `Conflict` with code [`NO_UPGRADE_PATH`] if the running Kubernetes version would go down, or up by more than
    ///   one minor version; nothing is changed.
    /// - `Conflict` with code [`NO_OTHER_STORE`] if the running control plane keeps its objects in another store, or
    ///   in an etcd of another size; nothing is changed.
    /// - `QuotaExceeded`, `Forbidden` or `Invalid` if the host cluster rejects a change.
    /// - `Unavailable` if the host cluster does not respond.
    async fn apply(&self, desired: &TenantCluster) -> Result<Applied>;

    /// Observes the current state of a cluster.
    ///
    /// # Behaviour
    /// - The control plane of a cluster that does not exist is [`ControlPlaneState::Absent`].
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond.
    async fn observe(&self, target: &TenantTarget) -> Result<Observation>;

    /// Brings a cluster to its desired state, running: observes it, resumes it if it is suspended, and applies the desired
    /// state, as [`operation_to_run`] decides. The observation and the drift are those before any change.
    ///
    /// # Behaviour
    /// - The result equals that of [`observe`](Self::observe), [`plan`](Self::plan), [`resume`](Self::resume) and
    ///   [`apply`](Self::apply) in turn.
    /// - A failure after the observation is part of the result, so that the observation is not lost.
    /// - A change by another client between the reads and the writes is not overwritten if the writes depend on what it
    ///   changed. The result is then `Conflict`, and a later call resolves it.
    ///
    /// An implementation whose reads are expensive reads the cluster once for all of these. The default calls the methods.
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond to the observation.
    async fn converge(&self, desired: &TenantCluster) -> Result<Converged> {
        let observation = self.observe(&desired.target).await?;
        let operation = operation_to_run(&observation.control_plane);
        let mut drift = None;
        let applied = async {
            if operation == Operation::Nothing {
                return Ok(None);
            }
            if operation == Operation::ResumeAndApply {
                self.resume(&desired.target).await?;
            }
            drift = Some(self.plan(desired).await?);
            self.apply(desired).await.map(Some)
        };
        let applied = applied.await;
        Ok(Converged { observation, drift, applied })
    }

    /// Returns the current observation if the cluster is known to match `desired` without a full comparison: it
    /// matched at the last [`observe`](Self::observe) and [`plan`](Self::plan), and [`watch`](Self::watch) has seen no
    /// change since. `None` if that is not known, in particular while no watch runs.
    ///
    /// # Behaviour
    /// - `None` for a cluster that does not exist.
    /// - `None` if `desired` differs from the state that was last applied.
    /// - A returned observation equals the one that [`observe`](Self::observe) would return.
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond.
    async fn unchanged(&self, desired: &TenantCluster) -> Result<Option<Observation>>;

    /// Suspends the cluster: no workload runs, and no data is lost. Suspension takes several steps. Each call does
    /// what is possible at that time, so callers repeat it until the cluster is observed as stopped.
    ///
    /// # Behaviour
    /// - A suspended cluster stays suspended.
    /// - A cluster that does not exist is not an error.
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond.
    async fn suspend(&self, target: &TenantTarget, now: Timestamp) -> Result<()>;

    /// Resumes the cluster.
    ///
    /// # Behaviour
    /// - A running cluster keeps running.
    /// - A cluster that does not exist is not an error.
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond.
    async fn resume(&self, target: &TenantTarget) -> Result<()>;

    /// Starts the deletion of the cluster with everything in it. The deletion is complete when the cluster is observed
    /// as absent.
    ///
    /// # Behaviour
    /// - A cluster that does not exist, or is already being deleted, is not an error.
    /// - Objects that Hexabase did not create are not deleted.
    ///
    /// # Errors
    /// - `Conflict` with code `not_ours` if Hexabase did not create the cluster of that name.
    /// - `Unavailable` if the host cluster does not respond.
    async fn delete(&self, target: &TenantTarget) -> Result<()>;

    /// Returns the operator's access to the cluster, with all permissions. Must never be shown to a tenant.
    ///
    /// # Behaviour
    /// - Fails with `NotFound` while the cluster does not exist or has not started yet.
    ///
    /// # Errors
    /// - `NotFound` while the cluster has no admin access yet.
    /// - `Unavailable` if the host cluster does not respond.
    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess>;

    /// Attempts what a tenant must not be able to do, without changing anything, and returns the result of each check.
    ///
    /// # Behaviour
    /// - Each type of condition occurs once, and the types of a cluster whose desired state is unchanged are the same
    ///   in every call.
    /// - A check passes only if the intended barrier rejected the attempt. Any other failure is
    ///   [`Unknown`](crate::model::ConditionStatus::Unknown).
    /// - Checks inside a tenant whose API server does not respond are `Unknown`.
    ///
    /// # Errors
    /// - `NotFound` if the cluster does not exist.
    /// - `Unavailable` if the host cluster does not respond.
    async fn check_isolation(&self, desired: &TenantCluster) -> Result<Vec<IsolationResult>>;

    /// Returns the metrics of the tenant API server in the text format of Prometheus, read with a credential whose only
    /// right is to read them.
    ///
    /// # Behaviour
    /// - Only series of a closed list are returned, without timestamps, and without labels that name a scrape target:
    ///   tenants control their API servers.
    /// - Their number and size are bounded.
    ///
    /// # Errors
    /// - `NotFound` while the cluster does not exist, or has not issued the credential.
    /// - `Unsupported` if the host is not configured for it, which is the default.
    /// - `Unavailable` if the API server does not respond, or its response exceeds the bounds.
    async fn api_server_metrics(&self, _target: &TenantTarget) -> Result<String> {
        Err(Error::unsupported("metrics of tenant API servers are not read on this host"))
    }

    /// Issues the credentials of the GitOps tools with access to the cluster on the host, replaces those that are due or
    /// were changed, and removes all others of the cluster. Returns the credentials that exist then. Called after
    /// [`apply`](Self::apply) has reached the tenant, or without any tool at any time.
    ///
    /// # Behaviour
    /// - A valid credential is kept, and its description is the same in every call.
    /// - Without any tool, a cluster that does not exist is not an error.
    /// - A credential has the role of its tool and no other right, and expires
    ///   [`GITOPS_TOKEN_LIFETIME`](crate::model::GITOPS_TOKEN_LIFETIME) after its issue at the latest.
    ///
    /// # Errors
    /// - `NotFound` if the cluster does not exist.
    /// - `Unsupported` if the host is not configured for a tool or its namespace, which is the default.
    /// - `Unavailable` if the host or the tenant API server does not respond.
    async fn issue_gitops_credentials(
        &self,
        desired: &TenantCluster,
        _now: Timestamp,
    ) -> Result<GitOpsCredentials> {
        match desired.gitops.is_empty() {
            true => Ok(GitOpsCredentials::new()),
            false => {
                Err(Error::unsupported("GitOps tools have no access to the tenant clusters of this host"))
            }
        }
    }

    /// `true` if policies of the host write reports that [`policy_findings`](Self::policy_findings) reads.
    fn has_policy_reports(&self) -> bool {
        false
    }

    /// Returns the violations of policies of the host by the objects that the tenant synced to it, by the names of the tenant
    /// cluster.
    ///
    /// # Behaviour
    /// - Objects of other tenants, and those of the control plane, which concern the operator, are left out.
    /// - The number of objects that are read is bounded. [`PolicyFindings::truncated`] is `true` if there were more.
    ///
    /// # Errors
    /// - `NotFound` if the cluster does not exist.
    /// - `Unsupported` if the host is not configured for it, which is the default.
    /// - `Unavailable` if the host does not respond.
    async fn policy_findings(&self, _target: &TenantTarget) -> Result<PolicyFindings> {
        Err(Error::unsupported("policies of this host write no reports"))
    }

    /// Checks that the host cluster responds.
    ///
    /// # Errors
    /// `Unavailable` if it does not respond.
    async fn ping(&self) -> Result<()>;

    /// Watches the host cluster for as long as the future is polled, so that reconciles of unchanged clusters are
    /// cheap. Calls `on_change` once for every change of which [`Observation::will_notify`] promised a notification.
    /// [`Worker::run`](crate::worker::Worker::run) runs it. An implementation that cannot watch returns at once.
    ///
    /// `on_change` is called from the watch loop and must return quickly.
    async fn watch(&self, on_change: &OnChange);

    /// `true` while [`watch`](Self::watch) runs and cannot follow the host cluster. Reconciles are then complete
    /// comparisons, and changes are found at the next scheduled one.
    fn is_watch_failing(&self) -> bool {
        false
    }
}

/// Receives the clusters that are due for a reconcile because a change with a promised notification has happened: see
/// [`Observation::will_notify`].
pub type OnChange = dyn Fn(&TenantTarget) + Send + Sync;

/// Result of [`ClusterProvisioner::apply`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// `true` if the objects inside the tenant were applied too.
    pub tenant: bool,
    /// Projects whose namespace could not be created, each with a reason for users.
    pub refused_projects: BTreeMap<ProjectId, String>,
    /// Projects whose namespace can be created only after the deletion of an earlier one of the same name.
    pub waiting_projects: BTreeSet<ProjectId>,
    /// Obstacle on the host, because of which a later call applies the rest. `None` if there was none.
    pub waiting: Option<Wait>,
    /// Dedicated nodes of the tenant; `None` if they were not checked.
    pub nodes: Option<TenantNodes>,
}

/// Result of [`ClusterProvisioner::converge`].
#[derive(Debug)]
pub struct Converged {
    /// Observed state before any change.
    pub observation: Observation,
    /// Differences to the desired state before any change; `None` if the cluster was not compared.
    pub drift: Option<Vec<DriftEntry>>,
    /// Result of applying the desired state; `None` if the cluster cannot be changed now.
    pub applied: Result<Option<Applied>>,
}

/// Dedicated nodes of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantNodes {
    /// Nodes of each pool; for a pool that is no longer desired, the nodes that are not yet released.
    pub pools: BTreeMap<NodePoolId, PoolNodes>,
    /// Obstacle to the desired state. `None` if the nodes match the desired state.
    pub waiting: Option<Wait>,
}

impl Applied {
    /// The result of a complete application, inside the tenant too.
    #[must_use]
    pub const fn complete() -> Self {
        Self {
            tenant: true,
            refused_projects: BTreeMap::new(),
            waiting_projects: BTreeSet::new(),
            waiting: None,
            nodes: None,
        }
    }
}

/// Observed state of a tenant cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// State of the control plane.
    pub control_plane: ControlPlaneState,
    /// URL of the tenant API server for users.
    pub api_endpoint: Option<String>,
    /// Certificate authority of the tenant API server, in PEM.
    pub certificate_authority: Option<String>,
    /// Used part of the workspace's quota, including the control plane.
    pub usage: Option<Quota>,
    /// Used part of the quota of each project.
    pub project_usage: BTreeMap<ProjectId, Quota>,
    /// `true` if [`ClusterProvisioner::watch`] reports the next progress, or degradation once ready, exactly once, so
    /// that frequent polling is unnecessary. Always `false` while no watch runs.
    pub will_notify: bool,
}

impl Observation {
    /// The observation of a cluster that does not exist.
    #[must_use]
    pub const fn absent() -> Self {
        Self::of(ControlPlaneState::Absent)
    }

    /// An observation of the control plane alone.
    #[must_use]
    pub const fn of(control_plane: ControlPlaneState) -> Self {
        Self {
            control_plane,
            api_endpoint: None,
            certificate_authority: None,
            usage: None,
            project_usage: BTreeMap::new(),
            will_notify: false,
        }
    }

    /// Sets the field `will_notify`.
    #[must_use]
    pub fn will_notify(self) -> Self {
        Self { will_notify: true, ..self }
    }
}

/// State of a tenant's control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlPlaneState {
    /// It does not exist.
    Absent,
    /// It is starting.
    Starting(
        /// The pending step.
        Wait,
    ),
    /// Its API server responds.
    Ready,
    /// It is being suspended.
    Stopping,
    /// It is suspended.
    Stopped,
    /// It cannot start until the cause is removed. States that can end by themselves, such as a missing volume, are
    /// [`Self::Starting`]; they count as failures after [`WaitReason::timeout`](crate::model::WaitReason::timeout).
    Broken {
        /// Reason, as one `CamelCase` word.
        reason: String,
        /// Explanation for users, and the remedy.
        message: String,
    },
    /// It is being deleted.
    Terminating,
}

/// The operator's access to a tenant cluster.
#[derive(Debug)]
pub struct AdminAccess {
    /// A kubeconfig with all permissions.
    pub kubeconfig: SecretString,
}
