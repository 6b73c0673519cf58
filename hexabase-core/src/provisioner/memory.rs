//! Tenant clusters that exist only as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    AdminAccess, Applied, ClusterProvisioner, ControlPlaneState, Moved, NO_OTHER_STORE, NO_UPGRADE_PATH,
    Observation,
};
use crate::clock::{Clock, after};
use crate::desired::{TenantCluster, TenantProject, TenantTarget};
use crate::error::{Error, Result};
use crate::id::ProjectId;
use crate::model::DriftEntry;
use crate::name::ProjectName;
use crate::quota::Quota;

/// A [`ClusterProvisioner`] in memory: a cluster comes up some time after it was first applied, sleeps and
/// wakes, and holds what was applied to it. For tests of what stands above it; to see Kubernetes objects,
/// use the sandbox of `hexabase-k8s`.
pub struct MemoryProvisioner {
    clock: Arc<dyn Clock>,
    start_up: Duration,
    state: Mutex<BTreeMap<String, Cluster>>,
}

#[derive(Debug, Clone, Default)]
struct Cluster {
    /// What was last applied on the host.
    host: Option<TenantCluster>,
    /// What was last applied inside.
    tenant: Option<TenantCluster>,
    /// When the control plane is up; none while it sleeps.
    ready_at: Option<Timestamp>,
    /// Namespaces inside that somebody else made.
    foreign: BTreeSet<ProjectName>,
    /// Whether somebody else made the whole thing.
    not_ours: bool,
    /// Whether there is no room for it.
    no_room: bool,
}

impl Cluster {
    fn is_ready(&self, now: Timestamp) -> bool {
        !self.no_room && self.ready_at.is_some_and(|at| at <= now)
    }
}

impl MemoryProvisioner {
    /// No clusters yet; each takes `start_up` to come up.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, start_up: Duration) -> Self {
        Self { clock, start_up, state: Mutex::default() }
    }

    /// The names of the clusters there are.
    #[must_use]
    pub fn clusters(&self) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|(_, cluster)| cluster.host.is_some())
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// What a cluster holds inside, once something was applied there.
    #[must_use]
    pub fn tenant(&self, target: &TenantTarget) -> Option<TenantCluster> {
        self.lock().get(&target.name).and_then(|cluster| cluster.tenant.clone())
    }

    /// Lets somebody else make a namespace inside a cluster.
    pub fn occupy_namespace(&self, target: &TenantTarget, namespace: ProjectName) {
        self.lock().entry(target.name.clone()).or_default().foreign.insert(namespace);
    }

    /// Lets somebody else make a cluster of this name.
    pub fn occupy_cluster(&self, target: &TenantTarget) {
        self.lock().entry(target.name.clone()).or_default().not_ours = true;
    }

    /// Sees to it that there is no room for a cluster.
    pub fn leave_no_room(&self, target: &TenantTarget) {
        self.lock().entry(target.name.clone()).or_default().no_room = true;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Cluster>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn require_step(there: &TenantCluster, desired: &TenantCluster) -> Result<()> {
    let (running, wanted) = (&there.kubernetes_version, &desired.kubernetes_version);
    if !running.may_become(wanted) {
        let message = format!("Kubernetes {running} runs, which does not become {wanted}");
        return Err(Error::conflict(NO_UPGRADE_PATH, message));
    }
    if there.control_plane.keeps_objects_like(&desired.control_plane) {
        return Ok(());
    }
    let message = "it keeps its objects in another store, and cannot take them along";
    Err(Error::conflict(NO_OTHER_STORE, message))
}

fn not_ours(target: &TenantTarget) -> Error {
    let message = format!("a cluster named {} is there already and was not made by Hexabase", target.name);
    Error::conflict("not_ours", message)
}

/// The projects that can be applied, and those that cannot.
fn divide(desired: &TenantCluster, cluster: &Cluster) -> (Vec<TenantProject>, BTreeMap<ProjectId, String>) {
    let (refused, fine): (Vec<_>, Vec<_>) =
        desired.projects.iter().cloned().partition(|project| cluster.foreign.contains(&project.namespace));
    let reason = |project: TenantProject| {
        let message =
            format!("a namespace {} is there already and was not made by Hexabase", project.namespace);
        (project.id, message)
    };
    (fine, refused.into_iter().map(reason).collect())
}

fn differs(scope: &str, desired: &TenantCluster, actual: Option<&TenantCluster>) -> Option<DriftEntry> {
    let comparable = |cluster: &TenantCluster| TenantCluster { generation: 0, ..cluster.clone() };
    (actual.map(comparable) != Some(comparable(desired))).then(|| DriftEntry {
        scope: scope.to_owned(),
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
        let host = differs("host", desired, cluster.host.as_ref());
        let tenant =
            cluster.is_ready(self.clock.now()).then(|| differs("tenant", &inside, cluster.tenant.as_ref()));
        Ok(host.into_iter().chain(tenant.flatten()).collect())
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        let now = self.clock.now();
        let mut state = self.lock();
        let cluster = state.entry(desired.target.name.clone()).or_default();
        if cluster.not_ours {
            return Err(not_ours(&desired.target));
        }
        if let Some(there) = &cluster.host {
            require_step(there, desired)?;
        } else {
            cluster.ready_at = Some(after(now, self.start_up));
        }
        cluster.host = Some(desired.clone());
        if !cluster.is_ready(now) {
            return Ok(Applied::default());
        }
        let (projects, refused_projects) = divide(desired, cluster);
        cluster.tenant = Some(TenantCluster { projects, ..desired.clone() });
        Ok(Applied { tenant: true, refused_projects, nodes: None })
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        let state = self.lock();
        let Some(cluster) = state.get(&target.name).filter(|cluster| cluster.host.is_some()) else {
            return Ok(Observation::absent());
        };
        let control_plane = match cluster.ready_at {
            _ if cluster.no_room => ControlPlaneState::Broken {
                reason: "FailedCreate".to_owned(),
                message: "exceeded quota".to_owned(),
            },
            None => ControlPlaneState::Stopped,
            Some(at) if at <= self.clock.now() => ControlPlaneState::Ready,
            Some(_) => ControlPlaneState::Starting { message: String::new() },
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
        if state.get(&target.name).is_some_and(|cluster| cluster.not_ours) {
            return Err(not_ours(target));
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

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn watch(&self, _: &Moved<'_>) {}
}

impl fmt::Debug for MemoryProvisioner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MemoryProvisioner").field("clusters", &self.clusters()).finish_non_exhaustive()
    }
}
