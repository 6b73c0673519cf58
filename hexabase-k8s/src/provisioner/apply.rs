//! Brings a cluster to its desired state in one pass: compares what the pass has read, applies the difference on the host
//! and, once its API server responds, inside the tenant.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt as _;
use hexabase_core::desired::TenantCluster;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::lifecycle::{Operation, operation_to_run};
use hexabase_core::model::{DriftEntry, Wait, WaitReason};
use hexabase_core::provisioner::{Applied, ControlPlaneState, Converged, Observation};
use tokio::time::timeout;

use super::fast_path::digest;
use super::host_cache::metadata::Digest;
use super::metrics_token::{delete_obsolete_objects, is_metrics_object, token_drift};
use super::observe::{is_rolled_out, project_usage};
use super::pass::{Pass, TenantAccess, TenantConnection, is_busy, try_join_bounded};
use super::plan::{HostPlan, TenantObjects, TenantPlan, plan_host, plan_tenant};
use super::{Namespace, VClusterProvisioner, foreign_namespace_error};
use crate::api_server::ApiServer;
use crate::config::HostConfig;
use crate::difference::Difference;
use crate::nodes::Decision;
use crate::object::{Kind, Object};
use crate::render::host::SELF_ROLE_BINDING;
use crate::render::host_objects;

/// Number of concurrent requests when objects are listed or applied.
pub(super) const APPLY_CONCURRENCY: usize = 8;
/// Maximum duration of applying the objects inside a tenant; the next reconcile continues.
const TENANT_APPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// Comparison of a cluster with its desired state.
struct Comparison {
    host: HostPlan,
    /// Comparison inside the tenant. A failure there does not delay the changes on the host.
    tenant: Result<TenantComparison>,
    drift: Vec<DriftEntry>,
}

/// Comparison inside a tenant.
enum TenantComparison {
    /// Its API server responded.
    Read(Box<ComparedTenant>),
    /// Its API server does not respond, or it is suspended.
    Unavailable,
    /// The control plane has not written its kubeconfig Secret.
    NoKubeconfig,
}

struct ComparedTenant {
    api: ApiServer,
    found: TenantObjects,
    plan: TenantPlan,
    /// Changes of the tenant's nodes; `None` if it has none and Hexabase has no permission to list nodes. A failure there
    /// does not delay the changes inside the tenant.
    nodes: Result<Option<Decision>>,
}

impl Pass<'_> {
    /// Reads the namespace and the objects on the host that the desired ones are compared with.
    async fn read_host(&mut self, objects: &[Object]) -> Result<Namespace> {
        let namespace = self.namespace().await?;
        match namespace {
            Namespace::Owned => self.read_all(objects).await?,
            Namespace::Foreign => return Err(foreign_namespace_error(self.target)),
            Namespace::Absent | Namespace::Terminating => {}
        }
        Ok(namespace)
    }

    /// Compares the desired state with the cluster, after [`Self::read_host`]. Records if there is no difference.
    async fn compare(
        &mut self,
        desired: &TenantCluster,
        config: &HostConfig,
        digest: Digest,
        objects: Vec<Object>,
    ) -> Comparison {
        let host = plan_host(desired, config, objects, &self.host);
        let tenant = self.compare_tenant(desired, config).await;
        let mut drift = host.difference.entries.clone();
        if let Ok(TenantComparison::Read(compared)) = &tenant {
            if let Ok(Some(decision)) = &compared.nodes {
                drift.extend(decision.drift(&config.labels));
            }
            drift.extend(compared.plan.difference.entries.iter().cloned());
            let token = token_drift(desired, config, &compared.found.actual, &self.host);
            let has_token = token.is_some();
            drift.extend(token.into_iter().flatten());
            let is_clean = drift.is_empty() && compared.plan.is_complete() && compared.nodes.is_ok();
            if let Some(revision) = self.revision.filter(|_| is_clean && has_token) {
                let (metadata, secrets) = (&self.provisioner.cache.metadata, self.secret_versions());
                metadata.record_clean(&self.target.name, revision, digest, secrets);
            }
        }
        Comparison { host, tenant, drift }
    }

    async fn compare_tenant(
        &mut self,
        desired: &TenantCluster,
        config: &HostConfig,
    ) -> Result<TenantComparison> {
        let api = match self.access().await? {
            TenantAccess::Ready(api) => api,
            TenantAccess::Unavailable => return Ok(TenantComparison::Unavailable),
            TenantAccess::NoKubeconfig => return Ok(TenantComparison::NoKubeconfig),
        };
        let Some(found) = self.tenant_objects(&api).await? else {
            return Ok(TenantComparison::Unavailable);
        };
        let plan = plan_tenant(desired, config, &found);
        let nodes = self.provisioner.decide_nodes(desired).await;
        Ok(TenantComparison::Read(Box::new(ComparedTenant { api, found, plan, nodes })))
    }

    /// `true` if the desired state was applied recently, and nothing can be applied inside the tenant yet. A starting
    /// tenant is reconciled several times before its API server responds; comparing all of its objects each time would
    /// take capacity of the host's API server from new workspaces.
    async fn is_waiting_for_start(&mut self, digest: &Digest) -> Result<bool> {
        let (cache, name) = (&self.provisioner.cache, &self.target.name);
        if !cache.is_applied(name, digest) {
            return Ok(false);
        }
        Ok(cache.metadata.is_starting(name)
            || matches!(self.connection().await?, TenantConnection::NoKubeconfig))
    }
}

impl VClusterProvisioner {
    pub(super) async fn plan_cluster(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        let config = self.detected_config().await?;
        let mut pass = Pass::new(self, &desired.target);
        let objects = host_objects(desired, &config)?;
        pass.read_host(&objects).await?;
        let digest = digest(desired, &config)?;
        let Comparison { tenant, drift, .. } = pass.compare(desired, &config, digest, objects).await;
        if let TenantComparison::Read(compared) = tenant? {
            compared.nodes?;
        }
        Ok(drift)
    }

    pub(super) async fn apply_cluster(&self, desired: &TenantCluster) -> Result<Applied> {
        let mut pass = Pass::new(self, &desired.target);
        self.change_cluster(&mut pass, desired, Operation::Apply, &mut Observation::absent(), &mut None).await
    }

    pub(super) async fn converge_cluster(&self, desired: &TenantCluster) -> Result<Converged> {
        let mut pass = Pass::new(self, &desired.target);
        let mut observation = match pass.observe().await {
            Err(error) if pass.is_owned() => return self.converge_without_permissions(desired, error).await,
            observed => pass.subscribe(observed?),
        };
        let operation = operation_to_run(&observation.control_plane);
        let mut drift = None;
        let applied = match operation {
            Operation::Nothing => Ok(None),
            _ => self
                .change_cluster(&mut pass, desired, operation, &mut observation, &mut drift)
                .await
                .map(Some),
        };
        pass.record(&observation);
        Ok(Converged { observation, drift, applied })
    }

    /// Repairs Hexabase's own permissions in the namespace, if the observation failed because they are missing.
    async fn converge_without_permissions(&self, desired: &TenantCluster, error: Error) -> Result<Converged> {
        let objects = host_objects(desired, &*self.detected_config().await?)?;
        let applied = self.repair_self_role_binding(&objects, error).await?;
        let wait = Wait::new(WaitReason::PermissionsPending);
        let observation = Observation::of(ControlPlaneState::Starting(wait));
        Ok(Converged { observation, drift: None, applied: Ok(Some(applied)) })
    }

    /// Brings a cluster to its desired state by an operation. Sets what the comparison has found: the usage of projects
    /// in the observation of a ready tenant, and the drift.
    async fn change_cluster(
        &self,
        pass: &mut Pass<'_>,
        desired: &TenantCluster,
        operation: Operation,
        observation: &mut Observation,
        drift: &mut Option<Vec<DriftEntry>>,
    ) -> Result<Applied> {
        let config = self.detected_config().await?;
        let digest = digest(desired, &config)?;
        match operation {
            Operation::ResumeAndApply => pass.resume().await?,
            _ if pass.is_waiting_for_start(&digest).await? => return Ok(Applied::default()),
            _ => {}
        }
        let objects = host_objects(desired, &config)?;
        self.require_ingress_policy().await?;
        let namespace = match pass.read_host(&objects).await {
            Err(error) => return self.repair_self_role_binding(&objects, error).await,
            Ok(namespace) => namespace,
        };
        let comparison = pass.compare(desired, &config, digest, objects).await;
        if let Ok(TenantComparison::Read(compared)) = &comparison.tenant
            && observation.control_plane == ControlPlaneState::Ready
        {
            observation.project_usage = project_usage(compared.found.quotas(), &config.labels);
        }
        *drift = Some(comparison.drift);
        // Existing tenants still receive changes, such as revocations of access.
        if namespace == Namespace::Absent {
            self.require_host_setup().await?;
        }
        if namespace == Namespace::Terminating {
            return Err(Error::unavailable("the namespace is terminating"));
        }
        let host = comparison.host;
        let replaces_pods = host.replaces_pods();
        host.upgrade?;
        if let Err(error) = apply_difference(&self.host, &host.difference).await {
            return self.repair_self_role_binding(&host.objects, error).await;
        }
        self.grow_volumes(&host.objects, desired.control_plane.storage, &pass.host).await?;
        self.cache.record_applied(&desired.target.name, digest, pass.host_revision);
        if replaces_pods {
            // The API server that responds now belongs to the replaced pods.
            return Ok(Applied::default());
        }
        match comparison.tenant? {
            TenantComparison::Read(compared) => self.change_tenant(pass, desired, &config, *compared).await,
            TenantComparison::Unavailable => Ok(Applied::default()),
            TenantComparison::NoKubeconfig => {
                pass.restart_without_kubeconfig().await.map(|()| Applied::default())
            }
        }
    }

    /// Applies the planned changes inside a tenant, and those of its nodes.
    async fn change_tenant(
        &self,
        pass: &Pass<'_>,
        desired: &TenantCluster,
        config: &HostConfig,
        compared: ComparedTenant,
    ) -> Result<Applied> {
        let ComparedTenant { api, found, plan, nodes } = compared;
        let applying = async {
            let changes_metrics = plan.difference.apply.iter().any(|object| is_metrics_object(&object.key()));
            apply_tenant_objects(&api, config, &found, plan.difference).await?;
            // Only the token of a Secret that was just applied is not known yet.
            match changes_metrics {
                true => self.copy_new_metrics_token(desired, config, &api, &pass.host).await,
                false => self.copy_metrics_token(desired, config, &found.actual, &pass.host).await,
            }
        };
        let outcome = timeout(TENANT_APPLY_TIMEOUT, applying).await;
        match outcome.unwrap_or_else(|_| Err(Error::unavailable("applying the tenant objects timed out"))) {
            Ok(()) => {}
            // The tenant stopped responding during the apply: the next reconcile continues.
            Err(error) if is_busy(&error) => {
                tracing::debug!(%error, cluster = %desired.target.name, "applying the tenant objects failed; retrying at the next reconcile");
                return Ok(Applied::default());
            }
            Err(error) => return Err(error),
        }
        // Until its rollout is complete, the control plane schedules pods by its previous node selector.
        let set = pass.object(Kind::STATEFUL_SET, &desired.target.name);
        let nodes = match (set.is_some_and(is_rolled_out), nodes?) {
            (true, Some(decision)) => Some(self.change_nodes(&desired.target, decision).await?),
            _ => None,
        };
        Ok(Applied {
            waiting: None,
            tenant: plan.waiting.is_empty(),
            refused_projects: plan.rejected,
            waiting_projects: plan.waiting,
            nodes,
        })
    }

    /// Applies Hexabase's own RoleBinding again after a `Forbidden` error: its permissions in the namespace are
    /// missing, or not yet effective in the API server. The next reconcile then succeeds.
    async fn repair_self_role_binding(&self, objects: &[Object], error: Error) -> Result<Applied> {
        let self_role_binding = objects.iter().find(|object| is_self_role_binding(object));
        let Some(self_role_binding) = self_role_binding.filter(|_| error.kind() == ErrorKind::Forbidden)
        else {
            return Err(error);
        };
        match self.host.apply(self_role_binding).await {
            Ok(()) => {
                tracing::debug!(%error, "the host rejected a request; applied Hexabase's RoleBinding, retrying at the next reconcile");
                Ok(Applied { waiting: Some(Wait::new(WaitReason::PermissionsPending)), ..Applied::default() })
            }
            // A temporary failure says nothing about the permissions.
            Err(failed) if failed.is_retryable() => Err(failed),
            Err(_) => Err(error),
        }
    }
}

/// Applies the changes inside a tenant. Those for Prometheus are in a namespace in which users of the tenant write as
/// well, so their failure must not delay the others, such as the revocation of access.
async fn apply_tenant_objects(
    api: &ApiServer,
    config: &HostConfig,
    found: &TenantObjects,
    mut difference: Difference,
) -> Result<()> {
    let metrics = difference.apply.extract_if(.., |object| is_metrics_object(&object.key())).collect();
    let metrics = Difference { apply: metrics, ..Difference::default() };
    let obsolete_deleted = delete_obsolete_objects(api, config, &found.actual).await;
    apply_difference(api, &difference).await?;
    let applied = match obsolete_deleted {
        Ok(()) => apply_difference(api, &metrics).await,
        failed => failed,
    };
    if let Err(error) = applied {
        tracing::warn!(%error, "applying the access of Prometheus to a tenant failed; retrying at the next reconcile");
    }
    Ok(())
}

/// Applies missing and differing objects, then deletes undesired ones. Objects are applied in stages, so that each
/// stage finds what it needs: namespaces before their objects, Hexabase's own RoleBinding before the use of its
/// permissions, NetworkPolicies before anyone can create pods, roles before bindings, quotas before the objects that
/// they count, the etcd before the control plane that stores its objects there, and the control plane last.
pub(super) async fn apply_difference(api: &ApiServer, difference: &Difference) -> Result<()> {
    let stages: BTreeSet<u8> = difference.apply.iter().map(stage).collect();
    for current in stages {
        let mut applied = Vec::new();
        for object in difference.apply.iter().filter(|object| stage(object) == current) {
            applied.push(api.apply(object).boxed());
        }
        try_join_bounded(applied).await?;
    }
    for (key, uid) in difference.remove.iter().rev() {
        api.delete(key.kind, &key.namespace, &key.name, uid.as_deref()).await?;
    }
    Ok(())
}

fn is_self_role_binding(object: &Object) -> bool {
    object.kind == Kind::ROLE_BINDING && object.name == SELF_ROLE_BINDING
}

fn stage(object: &Object) -> u8 {
    match object.kind {
        Kind::NAMESPACE => 0,
        _ if is_self_role_binding(object) => 1,
        // The API server deletes tokens without a ServiceAccount.
        Kind::NETWORK_POLICY | Kind::SERVICE_ACCOUNT => 2,
        Kind::ROLE_BINDING | Kind::CLUSTER_ROLE_BINDING | Kind::SERVICE => 4,
        // An interrupted apply must not leave a control plane that seems to have another store.
        Kind::STATEFUL_SET if object.name != object.namespace => 5,
        Kind::STATEFUL_SET => 6,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;
    use hexabase_core::model::ControlPlaneStore;

    use super::*;

    #[test]
    fn nothing_that_creates_pods_is_applied_before_the_network_policies() {
        let mut cluster = fixture::tenant_cluster("shop");
        cluster.control_plane.store = ControlPlaneStore::Etcd;
        cluster.control_plane.replicas = 3;
        let config = HostConfig { identity: Some(Default::default()), ..HostConfig::default() };
        let objects = host_objects(&cluster, &config).unwrap();
        let stages = |selects: &dyn Fn(&Object) -> bool| -> BTreeSet<u8> {
            objects.iter().filter(|object| selects(object)).map(stage).collect()
        };
        let policies = stages(&|object| object.kind == Kind::NETWORK_POLICY);
        // The syncer creates pods with the permissions of its RoleBinding, and controllers of the host create those of
        // StatefulSets.
        let binding = |object: &Object| object.kind == Kind::ROLE_BINDING && !is_self_role_binding(object);
        let creators = stages(&|object| binding(object) || object.kind == Kind::STATEFUL_SET);
        assert!(policies.last() < creators.first(), "{policies:?}, {creators:?}");
        assert_eq!(policies.len(), 1);
    }

    #[test]
    fn the_etcd_is_applied_before_its_control_plane() {
        let mut cluster = fixture::tenant_cluster("shop");
        cluster.control_plane.store = ControlPlaneStore::Etcd;
        let objects = host_objects(&cluster, &HostConfig::default()).unwrap();
        let stage_of = |name: &str| {
            let is_it = |object: &&Object| object.kind == Kind::STATEFUL_SET && object.name == name;
            stage(objects.iter().find(is_it).unwrap())
        };
        let name = &cluster.target.name;
        assert!(stage_of(&format!("{name}-etcd")) < stage_of(name));
    }
}
