//! The provisioner in memory: tenant clusters exist only as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    AdminAccess, Applied, ClusterProvisioner, ControlPlaneState, NO_OTHER_STORE, NO_UPGRADE_PATH,
    Observation, OnChange,
};
use crate::clock::{Clock, after};
use crate::desired::{TenantCluster, TenantProject, TenantTarget};
use crate::error::{Error, Result};
use crate::id::ProjectId;
use crate::model::{
    ConditionStatus, DriftEntry, DriftScope, GitOpsCredential, GitOpsCredentials, IsolationResult,
    PolicyFindings, Severity, Wait, WaitReason, due_gitops_tools,
};
use crate::name::ProjectName;
use crate::quota::Quota;

/// A [`ClusterProvisioner`] in memory: a cluster becomes ready some time after it was first applied, can be suspended
/// and resumed, and stores the state that was applied to it. For tests of the layers above the provisioner; for
/// Kubernetes objects, use the sandbox of `hexabase-k8s`.
pub struct MemoryProvisioner {
    clock: Arc<dyn Clock>,
    start_up: Duration,
    state: Mutex<BTreeMap<String, Cluster>>,
}

#[derive(Debug, Clone, Default)]
struct Cluster {
    /// State last applied on the host.
    host: Option<TenantCluster>,
    /// State last applied inside the tenant.
    tenant: Option<TenantCluster>,
    /// Time at which the control plane is ready; `None` while the cluster is suspended.
    ready_at: Option<Timestamp>,
    /// Namespaces inside the tenant that Hexabase did not create.
    foreign_namespaces: BTreeSet<ProjectName>,
    /// `true` if Hexabase did not create the cluster.
    foreign_cluster: bool,
    /// `true` if a quota on the host prevents the cluster from starting.
    quota_exhausted: bool,
    /// `true` if the isolation check fails.
    isolation_broken: bool,
    /// Issued credentials of GitOps tools.
    gitops: GitOpsCredentials,
    /// Violations of policies of the host.
    policy_findings: PolicyFindings,
}

impl Cluster {
    fn is_ready(&self, now: Timestamp) -> bool {
        !self.quota_exhausted && self.ready_at.is_some_and(|at| at <= now)
    }
}

impl MemoryProvisioner {
    /// Creates a provisioner without clusters; each cluster takes `start_up` to become ready.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, start_up: Duration) -> Self {
        Self { clock, start_up, state: Mutex::default() }
    }

    /// The names of the existing clusters.
    #[must_use]
    pub fn clusters(&self) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|(_, cluster)| cluster.host.is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The state last applied inside a tenant; `None` if nothing was applied.
    #[must_use]
    pub fn tenant(&self, target: &TenantTarget) -> Option<TenantCluster> {
        self.lock().get(&target.name).and_then(|cluster| cluster.tenant.clone())
    }

    /// Creates a namespace inside a tenant that is not managed by Hexabase.
    pub fn occupy_namespace(&self, target: &TenantTarget, namespace: ProjectName) {
        self.lock().entry(target.name.clone()).or_default().foreign_namespaces.insert(namespace);
    }

    /// Creates a cluster with the name of this tenant that is not managed by Hexabase.
    pub fn occupy_cluster(&self, target: &TenantTarget) {
        self.lock().entry(target.name.clone()).or_default().foreign_cluster = true;
    }

    /// Exhausts the quota on the host, so that the cluster cannot start.
    pub fn exhaust_quota(&self, target: &TenantTarget) {
        self.lock().entry(target.name.clone()).or_default().quota_exhausted = true;
    }

    /// Sets whether the isolation check of this tenant fails.
    pub fn break_isolation(&self, target: &TenantTarget, broken: bool) {
        self.lock().entry(target.name.clone()).or_default().isolation_broken = broken;
    }

    /// Sets the violations of policies of the host by this tenant.
    pub fn set_policy_findings(&self, target: &TenantTarget, findings: PolicyFindings) {
        self.lock().entry(target.name.clone()).or_default().policy_findings = findings;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Cluster>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn require_allowed_change(existing: &TenantCluster, desired: &TenantCluster) -> Result<()> {
    let (running, requested) = (&existing.kubernetes_version, &desired.kubernetes_version);
    if !running.can_upgrade_to(requested) {
        let message = format!(
            "cannot change Kubernetes {running} to {requested}; upgrade by one minor version at a time"
        );
        return Err(Error::conflict(NO_UPGRADE_PATH, message));
    }
    if existing.control_plane.has_same_storage_layout(&desired.control_plane) {
        return Ok(());
    }
    let message = "cannot change the control plane's store; objects are not migrated between stores";
    Err(Error::conflict(NO_OTHER_STORE, message))
}

fn foreign_cluster(target: &TenantTarget) -> Error {
    let message = format!("a cluster named {} exists and was not created by Hexabase", target.name);
    Error::conflict("not_ours", message)
}

/// Divides the projects into those that can be applied and those that are refused, each with the reason.
fn divide(desired: &TenantCluster, cluster: &Cluster) -> (Vec<TenantProject>, BTreeMap<ProjectId, String>) {
    let (refused, accepted): (Vec<_>, Vec<_>) = desired
        .projects
        .iter()
        .cloned()
        .partition(|project| cluster.foreign_namespaces.contains(&project.namespace));
    let reason = |project: TenantProject| {
        let message = format!("a namespace {} exists and was not created by Hexabase", project.namespace);
        (project.id, message)
    };
    (accepted, refused.into_iter().map(reason).collect())
}

fn differs(scope: DriftScope, desired: &TenantCluster, actual: Option<&TenantCluster>) -> Option<DriftEntry> {
    let comparable = |cluster: &TenantCluster| TenantCluster { generation: 0, ..cluster.clone() };
    (actual.map(comparable) != Some(comparable(desired))).then(|| DriftEntry {
        scope,
        object: format!("Cluster//{}", desired.target.name),
        field: String::new(),
        actual: actual.map(|actual| format!("generation {}", actual.generation)),
        desired: Some(format!("generation {}", desired.generation)),
        managers: Vec::new(),
    })
}

#[async_trait]
impl ClusterProvisioner for MemoryProvisioner {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        let state = self.lock();
        let cluster = state.get(&desired.target.name).cloned().unwrap_or_default();
        let mut inside = desired.clone();
        inside.projects = divide(desired, &cluster).0;
        let host = differs(DriftScope::Host, desired, cluster.host.as_ref());
        let tenant = cluster
            .is_ready(self.clock.now())
            .then(|| differs(DriftScope::Tenant, &inside, cluster.tenant.as_ref()));
        Ok(host.into_iter().chain(tenant.flatten()).collect())
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        let now = self.clock.now();
        let mut state = self.lock();
        let cluster = state.entry(desired.target.name.clone()).or_default();
        if cluster.foreign_cluster {
            return Err(foreign_cluster(&desired.target));
        }
        if let Some(existing) = &cluster.host {
            require_allowed_change(existing, desired)?;
        } else {
            cluster.ready_at = Some(after(now, self.start_up));
        }
        cluster.host = Some(desired.clone());
        if !cluster.is_ready(now) {
            return Ok(Applied::default());
        }
        let (projects, refused_projects) = divide(desired, cluster);
        cluster.tenant = Some(TenantCluster { projects, ..desired.clone() });
        Ok(Applied { refused_projects, ..Applied::complete() })
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        let state = self.lock();
        let Some(cluster) = state.get(&target.name).filter(|cluster| cluster.host.is_some()) else {
            return Ok(Observation::absent());
        };
        let control_plane = match cluster.ready_at {
            _ if cluster.quota_exhausted => ControlPlaneState::Broken {
                reason: "FailedCreate".to_owned(),
                message: "exceeded quota".to_owned(),
            },
            None => ControlPlaneState::Stopped,
            Some(at) if at <= self.clock.now() => ControlPlaneState::Ready,
            Some(_) => ControlPlaneState::Starting(Wait::new(WaitReason::PodStarting)),
        };
        Ok(Observation {
            api_endpoint: Some(format!("https://{}.invalid:443", target.name)),
            usage: Some(Quota::new()),
            ..Observation::of(control_plane)
        })
    }

    async fn unchanged(&self, _: &TenantCluster) -> Result<Option<Observation>> {
        Ok(None)
    }

    async fn suspend(&self, target: &TenantTarget, _: Timestamp) -> Result<()> {
        if let Some(cluster) = self.lock().get_mut(&target.name) {
            cluster.ready_at = None;
        }
        Ok(())
    }

    async fn resume(&self, target: &TenantTarget) -> Result<()> {
        let ready_at = after(self.clock.now(), self.start_up);
        if let Some(cluster) = self.lock().get_mut(&target.name) {
            cluster.ready_at = cluster.ready_at.or(Some(ready_at));
        }
        Ok(())
    }

    async fn delete(&self, target: &TenantTarget) -> Result<()> {
        let mut state = self.lock();
        if state.get(&target.name).is_some_and(|cluster| cluster.foreign_cluster) {
            return Err(foreign_cluster(target));
        }
        state.remove(&target.name);
        Ok(())
    }

    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess> {
        let state = self.lock();
        let started = state.get(&target.name).is_some_and(|cluster| cluster.tenant.is_some());
        let kubeconfig = started.then(|| format!("# the cluster {} exists only in memory\n", target.name));
        let kubeconfig = kubeconfig.ok_or_else(|| Error::not_found("admin access"))?;
        Ok(AdminAccess { kubeconfig: kubeconfig.into() })
    }

    async fn check_isolation(&self, desired: &TenantCluster) -> Result<Vec<IsolationResult>> {
        let state = self.lock();
        let cluster = state.get(&desired.target.name).filter(|cluster| cluster.host.is_some());
        let cluster = cluster.ok_or_else(|| Error::not_found("cluster"))?;
        let (status, reason) = match cluster.isolation_broken {
            true => (ConditionStatus::False, "Admitted"),
            false => (ConditionStatus::True, "Rejected"),
        };
        let remedy =
            if cluster.isolation_broken { "restore the isolation of the cluster in memory" } else { "" };
        Ok(vec![IsolationResult {
            kind: "MemoryIsolated".to_owned(),
            title: "Reach another cluster in memory".to_owned(),
            severity: Severity::High,
            status,
            reason: reason.to_owned(),
            message: "clusters in memory run no workloads".to_owned(),
            remedy: remedy.to_owned(),
        }])
    }

    async fn api_server_metrics(&self, target: &TenantTarget) -> Result<String> {
        let state = self.lock();
        let cluster = state.get(&target.name).filter(|cluster| cluster.tenant.is_some());
        let cluster = cluster.ok_or_else(|| Error::not_found("cluster"))?;
        match cluster.is_ready(self.clock.now()) {
            true => Ok("apiserver_request_total{verb=\"GET\",code=\"200\"} 1\n".to_owned()),
            false => Err(Error::unavailable("the cluster in memory is not running")),
        }
    }

    async fn issue_gitops_credentials(
        &self,
        desired: &TenantCluster,
        now: Timestamp,
    ) -> Result<GitOpsCredentials> {
        let mut state = self.lock();
        let Some(cluster) = state.get_mut(&desired.target.name).filter(|cluster| cluster.host.is_some())
        else {
            return match desired.gitops.is_empty() {
                true => Ok(GitOpsCredentials::new()),
                false => Err(Error::not_found("cluster")),
            };
        };
        cluster.gitops.retain(|tool, _| desired.gitops.contains_key(tool));
        let due: Vec<_> = due_gitops_tools(&desired.gitops, &cluster.gitops, now).collect();
        if !due.is_empty() && !cluster.is_ready(self.clock.now()) {
            return Err(Error::unavailable("the cluster in memory is not running"));
        }
        for tool in due {
            let namespace = desired.gitops[&tool].namespace.clone();
            cluster.gitops.insert(tool, GitOpsCredential::issued(namespace, None, now));
        }
        Ok(cluster.gitops.clone())
    }

    fn has_policy_reports(&self) -> bool {
        self.lock().values().any(|cluster| !cluster.policy_findings.items.is_empty())
    }

    async fn policy_findings(&self, target: &TenantTarget) -> Result<PolicyFindings> {
        let state = self.lock();
        let cluster = state.get(&target.name).filter(|cluster| cluster.host.is_some());
        cluster.map(|cluster| cluster.policy_findings.clone()).ok_or_else(|| Error::not_found("cluster"))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn watch(&self, _: &OnChange) {}
}

impl fmt::Debug for MemoryProvisioner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MemoryProvisioner").field("clusters", &self.clusters()).finish_non_exhaustive()
    }
}
