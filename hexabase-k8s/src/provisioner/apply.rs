//! Applies the desired state of a tenant cluster to its host and, once its API server responds, inside it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hexabase_core::desired::{TenantCluster, TenantProject, TenantTarget};
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::{ProjectId, TypedId as _};
use hexabase_core::model::{DriftEntry, DriftScope, GitOpsTool, Wait, WaitReason};
use hexabase_core::provisioner::Applied;
use serde_json::Value;
use tokio::time::timeout;

use super::metrics_token::{
    delete_obsolete_objects, is_metrics_object, preserve_metrics_token, read_metrics_objects, token_drift,
};
use super::observe::is_rolled_out;
use super::{Namespace, VClusterProvisioner, foreign_namespace_error, suspend, text, upgrade, volumes};
use crate::api_server::ApiServer;
use crate::config::HostConfig;
use crate::difference::{Difference, compare};
use crate::labels::{self, Labels};
use crate::object::{Kind, Object, ObjectKey, Objects};
use crate::render::host::{SELF_ROLE_BINDING, kinds};
use crate::render::tenant::gitops::{GITOPS_NAMESPACE, account_key};
use crate::render::{host_objects, tenant_objects};

/// Number of concurrent requests when objects are listed or applied.
pub(super) const APPLY_CONCURRENCY: usize = 8;
/// Maximum duration of applying the objects inside a tenant; the next reconcile continues.
const TENANT_APPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// Kinds of the objects that are rendered inside a tenant.
const TENANT_KINDS: [Kind; 9] = [
    Kind::ADMISSION_POLICY,
    Kind::ADMISSION_POLICY_BINDING,
    Kind::CLUSTER_ROLE,
    Kind::CLUSTER_ROLE_BINDING,
    Kind::NAMESPACE,
    Kind::RESOURCE_QUOTA,
    Kind::LIMIT_RANGE,
    Kind::ROLE,
    Kind::ROLE_BINDING,
];

/// Access to a tenant API server.
enum TenantAccess {
    Ready(ApiServer),
    /// The tenant is suspended, or did not respond recently.
    Unavailable,
    /// The control plane has not written its kubeconfig Secret.
    NoKubeconfig,
}

/// Actual and desired objects inside a tenant.
struct TenantObjects {
    api: ApiServer,
    actual: Objects,
    /// Desired objects, without those of projects that cannot be applied now.
    desired: Vec<Object>,
    /// Projects whose namespace belongs to another client, with the message for users.
    rejected: BTreeMap<ProjectId, String>,
    /// Projects whose namespace can only be created after the termination of an earlier one.
    waiting: BTreeSet<ProjectId>,
}

impl TenantObjects {
    /// `true` if all projects can be applied.
    fn is_complete(&self) -> bool {
        self.rejected.is_empty() && self.waiting.is_empty()
    }
}

impl VClusterProvisioner {
    pub(super) async fn plan_cluster(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        let start = self.start_comparison(&desired.target).await?;
        let config = self.detected_config().await?;
        let mut objects = host_objects(desired, &config)?;
        let host_state = match self.namespace(&desired.target).await? {
            Namespace::Owned => self.read_host_state(&desired.target, &objects).await?,
            Namespace::Foreign => return Err(foreign_namespace_error(&desired.target)),
            Namespace::Absent | Namespace::Terminating => Objects::new(),
        };
        preserve_existing(&mut objects, &host_state);
        preserve_metrics_token(&mut objects, desired, &config, &host_state);
        let mut entries = compare(DriftScope::Host, &objects, &host_state).entries;
        if let Some(decision) = self.decide_nodes(desired).await? {
            entries.extend(decision.drift(&self.config.labels));
        }
        if let TenantAccess::Ready(api) = self.tenant_access(&desired.target, &host_state).await?
            && let Some(tenant_objects) = self.tenant_objects(desired, api).await?
        {
            entries
                .extend(compare(DriftScope::Tenant, &tenant_objects.desired, &tenant_objects.actual).entries);
            let token = token_drift(desired, &config, &tenant_objects.actual, &host_state);
            let has_token = token.is_some();
            entries.extend(token.into_iter().flatten());
            if entries.is_empty() && tenant_objects.is_complete() && has_token {
                self.finish_comparison(start, desired, &config)?;
            }
        }
        Ok(entries)
    }

    pub(super) async fn apply_cluster(&self, desired: &TenantCluster) -> Result<Applied> {
        let config = self.detected_config().await?;
        if self.is_waiting_for_start(desired, &config).await? {
            return Ok(Applied::default());
        }
        let mut objects = host_objects(desired, &config)?;
        self.require_ingress_policy().await?;
        let (host_state, replaced) = match self.apply_host_objects(desired, &config, &mut objects).await {
            Err(error) => return self.repair_self_role_binding(&objects, error).await,
            Ok(found) => found,
        };
        self.grow_volumes(&objects, desired.control_plane.storage, &host_state).await?;
        self.record_applied(desired, &config)?;
        if replaced {
            // The API server that responds now belongs to the replaced pods.
            return Ok(Applied::default());
        }

        let tenant_objects = match self.tenant_access(&desired.target, &host_state).await? {
            TenantAccess::Ready(api) => self.tenant_objects(desired, api).await?,
            TenantAccess::Unavailable => None,
            TenantAccess::NoKubeconfig => {
                self.restart_without_kubeconfig(&desired.target, &host_state).await?;
                None
            }
        };
        let Some(tenant_objects) = tenant_objects else { return Ok(Applied::default()) };
        let applying = async {
            apply_tenant_objects(&tenant_objects, &config).await?;
            self.copy_metrics_token(desired, &config, &tenant_objects.api, &host_state).await
        };
        let outcome = timeout(TENANT_APPLY_TIMEOUT, applying).await;
        match outcome.unwrap_or_else(|_| Err(Error::unavailable("applying the tenant objects timed out"))) {
            Ok(()) => Ok(Applied {
                waiting: None,
                tenant: tenant_objects.waiting.is_empty(),
                refused_projects: tenant_objects.rejected,
                waiting_projects: tenant_objects.waiting,
                // Until its rollout is complete, the control plane schedules pods by its previous node selector.
                nodes: match suspend::stateful_set(&desired.target, &host_state).is_some_and(is_rolled_out) {
                    true => self.reconcile_nodes(desired).await?,
                    false => None,
                },
            }),
            // The tenant stopped responding during the apply: the next reconcile continues.
            Err(error) if is_busy(&error) => {
                tracing::debug!(%error, cluster = %desired.target.name, "applying the tenant objects failed; retrying at the next reconcile");
                Ok(Applied::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Applies the host objects. Returns their previous state, and whether a StatefulSet was changed.
    async fn apply_host_objects(
        &self,
        desired: &TenantCluster,
        config: &HostConfig,
        objects: &mut Vec<Object>,
    ) -> Result<(Objects, bool)> {
        let target = &desired.target;
        let host_state = match self.namespace(target).await? {
            Namespace::Owned => self.read_host_state(target, objects).await?,
            Namespace::Absent => {
                // Existing tenants still receive changes, such as revocations of access.
                self.require_host_setup().await?;
                Objects::new()
            }
            Namespace::Foreign => return Err(foreign_namespace_error(target)),
            Namespace::Terminating => return Err(Error::unavailable("the namespace is terminating")),
        };
        preserve_existing(objects, &host_state);
        preserve_metrics_token(objects, desired, config, &host_state);
        upgrade::require_upgrade_path(target, objects, &host_state)?;
        let difference = compare(DriftScope::Host, objects, &host_state);
        apply_difference(&self.host, &difference).await?;
        let replaced = difference.apply.iter().any(|object| object.kind == Kind::STATEFUL_SET);
        Ok((host_state, replaced))
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
                tracing::debug!(%error, "applying the host objects failed; retrying at the next reconcile");
                Ok(Applied { waiting: Some(Wait::new(WaitReason::PermissionsPending)), ..Applied::default() })
            }
            // A temporary failure says nothing about the permissions.
            Err(failed) if failed.is_retryable() => Err(failed),
            Err(_) => Err(error),
        }
    }

    /// Returns the existing host objects that Hexabase created for a tenant, of the kinds of the desired objects.
    async fn read_host_state(&self, target: &TenantTarget, desired: &[Object]) -> Result<Objects> {
        let selector =
            format!("{}={}", self.config.labels.workspace(), target.workspace_id.kubernetes_name());
        // Ingresses and disruption budgets may remain from an earlier configuration. TLSRoutes are not looked up in
        // that case, because most hosts do not define them.
        let is_desired = |kind: &Kind| desired.iter().any(|object| object.kind == *kind);
        let (additional, former): (Vec<_>, Vec<_>) =
            [Kind::INGRESS, Kind::POD_DISRUPTION_BUDGET].into_iter().partition(is_desired);
        let mut all = kinds(&self.config);
        all.extend(additional.into_iter().filter(|kind| !all.contains(kind)).collect::<Vec<_>>());
        let own_objects = |kind| labels::own_objects(kind, &selector);
        let mut found = list_objects(&self.host, &all, Some(&target.name), own_objects).await?;
        if let Some(namespace) = self.host.find(Kind::NAMESPACE, "", &target.name).await? {
            let key =
                ObjectKey { kind: Kind::NAMESPACE, namespace: String::new(), name: target.name.clone() };
            found.insert(key, namespace);
        }
        for kind in former {
            found.extend(self.list_if_permitted(kind, target, &own_objects(kind)).await?);
        }
        // An API server that ignores a part of the selector must not make Hexabase delete objects of the tenant.
        found.retain(|key, body| !labels::is_synced(key.kind, body));
        Ok(found)
    }

    /// Lists the objects of a kind for which Hexabase had no permission in earlier releases. Without the permission,
    /// it has never created one.
    async fn list_if_permitted(&self, kind: Kind, target: &TenantTarget, selector: &str) -> Result<Objects> {
        match self.host.list(kind, Some(&target.name), selector).await {
            Ok(bodies) => Ok(bodies.into_iter().map(|body| (ObjectKey::of(kind, &body), body)).collect()),
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(Objects::new()),
            Err(error) => Err(error),
        }
    }

    /// Returns the access to a tenant API server.
    async fn tenant_access(&self, target: &TenantTarget, host_state: &Objects) -> Result<TenantAccess> {
        if !is_running(target, host_state) || self.is_unresponsive(target) {
            return Ok(TenantAccess::Unavailable);
        }
        let Some(api) = self.tenant(target).await? else { return Ok(TenantAccess::NoKubeconfig) };
        drop(self.missing_kubeconfig.remove(&target.name));
        Ok(TenantAccess::Ready(api))
    }

    /// Returns the actual and desired objects inside a tenant, or `None` if its API server does not respond yet.
    async fn tenant_objects(&self, desired: &TenantCluster, api: ApiServer) -> Result<Option<TenantObjects>> {
        let listed = async {
            let namespaces = api.list(Kind::NAMESPACE, None, "").await?;
            let selector = format!("{}=true", self.config.labels.managed());
            let mut actual = list_objects(&api, &TENANT_KINDS, None, |_| selector.clone()).await?;
            read_metrics_objects(&api, &self.config, &mut actual).await?;
            read_gitops_accounts(&api, &mut actual).await?;
            Ok((namespaces, actual))
        };
        let (namespaces, actual) = match listed.await {
            Ok(found) => found,
            Err(error) => return none_if_unresponsive(error, &desired.target),
        };
        let namespaces: BTreeMap<&str, &Value> =
            namespaces.iter().map(|body| (text(body, "/metadata/name"), body)).collect();
        let mut projects = Vec::new();
        let (mut rejected, mut waiting) = (BTreeMap::new(), BTreeSet::new());
        for project in &desired.projects {
            let existing = namespaces.get(project.namespace.as_str()).copied();
            match namespace_state(project, existing, &self.config.labels) {
                NamespaceState::Available => projects.push(project.clone()),
                NamespaceState::Terminating => {
                    waiting.insert(project.id);
                }
                NamespaceState::Foreign => {
                    rejected.insert(project.id, rejection_message(project));
                }
            }
        }
        let mut cluster = TenantCluster { projects, ..desired.clone() };
        let existing = namespaces.get(GITOPS_NAMESPACE).copied();
        if !is_available_to_hexabase(existing, &self.config.labels) {
            cluster.gitops.clear();
        }
        let desired = tenant_objects(&cluster, &self.config);
        Ok(Some(TenantObjects { api, actual, desired, rejected, waiting }))
    }
}

/// Applies the objects inside a tenant. Those for Prometheus are in a namespace in which users of the tenant write as
/// well, so their failure must not delay the others, such as the revocation of access.
async fn apply_tenant_objects(objects: &TenantObjects, config: &HostConfig) -> Result<()> {
    let TenantObjects { api, actual, desired, .. } = objects;
    let mut difference = compare(DriftScope::Tenant, desired, actual);
    let metrics = difference.apply.extract_if(.., |object| is_metrics_object(&object.key())).collect();
    let metrics = Difference { apply: metrics, ..Difference::default() };
    let obsolete_deleted = delete_obsolete_objects(api, config, actual).await;
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

/// `true` if the control plane exists and is not suspended.
fn is_running(target: &TenantTarget, host_state: &Objects) -> bool {
    suspend::stateful_set(target, host_state).is_some_and(|set| suspend::replicas(set) > 0)
}

/// Copies the state of existing StatefulSets that an apply must not change: claim templates and suspension.
fn preserve_existing(objects: &mut [Object], host_state: &Objects) {
    for object in objects.iter_mut().filter(|object| object.kind == Kind::STATEFUL_SET) {
        if let Some(existing) = host_state.get(&object.key()) {
            volumes::preserve_claim_templates(object, existing);
            suspend::preserve_suspension(object, existing);
        }
    }
}

/// State of a project's namespace inside the tenant.
enum NamespaceState {
    /// The namespace does not exist, or belongs to the project.
    Available,
    /// The namespace belongs to an earlier project of that name and is being deleted.
    Terminating,
    /// The namespace was not created by Hexabase.
    Foreign,
}

fn namespace_state(project: &TenantProject, existing: Option<&Value>, labels: &Labels) -> NamespaceState {
    let Some(body) = existing else { return NamespaceState::Available };
    let label = |name: &str| {
        body.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Value::as_str)
    };
    let terminating = body.pointer("/metadata/deletionTimestamp").is_some();
    match (label(labels.managed()), label(labels.project())) {
        (Some("true"), Some(id)) if id == project.id.kubernetes_name() => {
            if terminating {
                NamespaceState::Terminating
            } else {
                NamespaceState::Available
            }
        }
        (Some("true"), Some(_)) => NamespaceState::Terminating,
        _ => NamespaceState::Foreign,
    }
}

/// `true` if the namespace for GitOps tools does not exist, or was created by Hexabase and remains.
fn is_available_to_hexabase(existing: Option<&Value>, labels: &Labels) -> bool {
    let is_usable = |body: &Value| {
        let label = |name: &str| body.pointer("/metadata/labels").and_then(|found| found.get(name));
        label(labels.managed()).is_some_and(|managed| managed == "true")
            && label(labels.project()).is_none()
            && body.pointer("/metadata/deletionTimestamp").is_none()
    };
    existing.is_none_or(is_usable)
}

/// Adds the ServiceAccounts of GitOps tools to the objects that were listed by their label. Like those for metrics, they are
/// found by their names only.
async fn read_gitops_accounts(api: &ApiServer, actual: &mut Objects) -> Result<()> {
    let namespace =
        ObjectKey { kind: Kind::NAMESPACE, namespace: String::new(), name: GITOPS_NAMESPACE.to_owned() };
    if !actual.contains_key(&namespace) {
        return Ok(());
    }
    for tool in GitOpsTool::ALL {
        let key = account_key(*tool);
        if let Some(found) = api.find(key.kind, &key.namespace, &key.name).await? {
            actual.insert(key, found);
        }
    }
    Ok(())
}

fn rejection_message(project: &TenantProject) -> String {
    format!(
        "namespace {} already exists and was not created by Hexabase; delete it, or choose another project name",
        project.namespace
    )
}

/// `true` if the API server may succeed later.
fn is_busy(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited)
}

/// Returns `None` for errors of a tenant API server that is starting or overloaded: the next reconcile retries.
fn none_if_unresponsive(error: Error, target: &TenantTarget) -> Result<Option<TenantObjects>> {
    if is_busy(&error) || matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound) {
        tracing::debug!(%error, cluster = %target.name, "the tenant API server does not respond yet");
        return Ok(None);
    }
    Err(error)
}

/// Runs futures with bounded concurrency; the first error cancels the rest.
async fn try_join_bounded<T: Send>(work: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
    stream::iter(work).buffer_unordered(APPLY_CONCURRENCY).try_collect().await
}

/// Lists all objects of several kinds, each by its label selector.
async fn list_objects(
    api: &ApiServer,
    kinds: &[Kind],
    namespace: Option<&str>,
    selector: impl Fn(Kind) -> String,
) -> Result<Objects> {
    let mut lists = Vec::with_capacity(kinds.len());
    for kind in kinds.iter().copied() {
        let selector = selector(kind);
        lists.push(async move { Ok((kind, api.list(kind, namespace, &selector).await?)) }.boxed());
    }
    let mut objects = Objects::new();
    for (kind, bodies) in try_join_bounded(lists).await? {
        objects.extend(bodies.into_iter().map(|body| (ObjectKey::of(kind, &body), body)));
    }
    Ok(objects)
}

/// Applies missing and differing objects, then deletes undesired ones. Objects are applied in stages, so that each
/// stage finds what it needs: namespaces before their objects, Hexabase's own RoleBinding before the use of its
/// permissions, NetworkPolicies before anyone can create pods, roles before bindings, quotas before the objects that
/// they count, the etcd before the control plane that stores its objects there, and the control plane last.
pub(super) async fn apply_difference(api: &ApiServer, difference: &Difference<'_>) -> Result<()> {
    let stages: BTreeSet<u8> = difference.apply.iter().map(|object| stage(object)).collect();
    for current in stages {
        let mut applied = Vec::new();
        for object in difference.apply.iter().copied().filter(|object| stage(object) == current) {
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
