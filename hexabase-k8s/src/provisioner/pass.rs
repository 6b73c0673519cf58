//! One pass over a cluster: what it has read so far. Each kind of object is read at most once, when it is needed first:
//! a tenant that is starting needs few of them.

use std::collections::BTreeSet;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::GitOpsTool;
use kube::api::ListParams;
use serde_json::Value;

use super::apply::APPLY_CONCURRENCY;
use super::host_cache::TenantClient;
use super::host_cache::metadata::{Revision, Versions};
use super::metrics_token::read_metrics_objects;
use super::plan::TenantObjects;
use super::suspend::{self, StatefulSets};
use super::{Namespace, VClusterProvisioner, text, version_of};
use crate::api_server::ApiServer;
use crate::labels;
use crate::object::{Kind, Object, ObjectKey, Objects};
use crate::render::host::kinds;
use crate::render::tenant::gitops::{GITOPS_NAMESPACE, account_key};

/// Kinds of the objects that are rendered inside a tenant, without namespaces.
const TENANT_KINDS: [Kind; 8] = [
    Kind::ADMISSION_POLICY,
    Kind::ADMISSION_POLICY_BINDING,
    Kind::CLUSTER_ROLE,
    Kind::CLUSTER_ROLE_BINDING,
    Kind::RESOURCE_QUOTA,
    Kind::LIMIT_RANGE,
    Kind::ROLE,
    Kind::ROLE_BINDING,
];

/// Access to a tenant API server.
#[derive(Debug, Clone)]
pub(super) enum TenantAccess {
    Ready(ApiServer),
    /// The tenant is suspended, did not respond recently, or has an unusable kubeconfig.
    Unavailable,
    /// The control plane has not written its kubeconfig Secret.
    NoKubeconfig,
}

/// Connection to a tenant API server, by the kubeconfig Secret that the control plane wrote.
#[derive(Debug, Clone)]
pub(super) enum TenantConnection {
    Usable(TenantClient),
    /// The control plane is not trusted to write a usable kubeconfig: this must not prevent any change on the host.
    Unusable,
    NoKubeconfig,
}

/// What a pass has read of one cluster.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    pub(super) provisioner: &'a VClusterProvisioner,
    pub(super) target: &'a TenantTarget,
    /// Revision of the tenant's objects before the first read; `None` if the host watch does not cover them.
    pub(super) revision: Option<Revision>,
    /// Newest revision of all tenants before the first read.
    pub(super) host_revision: Revision,
    namespace: Option<Namespace>,
    /// Objects on the host of the kinds that were read.
    pub(super) host: Objects,
    read_kinds: BTreeSet<Kind>,
    /// Metadata of the control plane's Secrets.
    secrets: Option<Vec<Value>>,
    connection: Option<TenantConnection>,
}

impl<'a> Pass<'a> {
    /// Starts a pass, without a request.
    pub(super) fn new(provisioner: &'a VClusterProvisioner, target: &'a TenantTarget) -> Self {
        Self {
            provisioner,
            target,
            revision: provisioner.cache.metadata.revision(&target.name),
            host_revision: provisioner.cache.metadata.current_revision(),
            namespace: None,
            host: Objects::new(),
            read_kinds: BTreeSet::new(),
            secrets: None,
            connection: None,
        }
    }

    /// Returns the state of the tenant's namespace. Without a namespace of its own, nothing known of a tenant holds.
    pub(super) async fn namespace(&mut self) -> Result<Namespace> {
        if let Some(known) = self.namespace {
            return Ok(known);
        }
        let (name, labels) = (&self.target.name, &self.provisioner.config.labels);
        let found = self.provisioner.host.find(Kind::NAMESPACE, "", name).await?;
        let namespace = Namespace::of(found.as_ref(), self.target, labels);
        match found.filter(|_| namespace == Namespace::Owned) {
            Some(body) => drop(self.host.insert(ObjectKey::of(Kind::NAMESPACE, &body), body)),
            None => self.provisioner.cache.forget(name),
        }
        self.namespace = Some(namespace);
        Ok(namespace)
    }

    /// `true` if the tenant's namespace was read and is its own.
    pub(super) fn is_owned(&self) -> bool {
        self.namespace == Some(Namespace::Owned)
    }

    fn selector(&self, kind: Kind) -> String {
        let workspace = self.target.workspace_id.kubernetes_name();
        labels::own_objects(kind, &format!("{}={workspace}", self.provisioner.config.labels.workspace()))
    }

    /// Reads the tenant's objects of these kinds, except of those that were read before.
    pub(super) async fn read(&mut self, kinds: &[Kind]) -> Result<()> {
        let unread: Vec<Kind> =
            kinds.iter().copied().filter(|kind| !self.read_kinds.contains(kind)).collect();
        let name = Some(self.target.name.as_str());
        let found = list_objects(&self.provisioner.host, &unread, name, |kind| self.selector(kind)).await?;
        self.insert(unread, found);
        Ok(())
    }

    /// Reads the objects of a kind for which Hexabase had no permission in earlier releases. Without the permission,
    /// it has never created one.
    async fn read_if_permitted(&mut self, kind: Kind) -> Result<()> {
        match self.read(&[kind]).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(()),
            read => read,
        }
    }

    fn insert(&mut self, kinds: Vec<Kind>, found: Objects) {
        // An API server that ignores a part of the selector must not make Hexabase delete objects of the tenant.
        self.host.extend(found.into_iter().filter(|(key, body)| !labels::is_synced(key.kind, body)));
        self.read_kinds.extend(kinds);
    }

    /// Reads all objects that Hexabase created for the tenant, of the kinds of the desired objects.
    pub(super) async fn read_all(&mut self, desired: &[Object]) -> Result<()> {
        // The versions of Secrets are read before their content, so that they never vouch for a later one.
        if self.revision.is_some() {
            self.secrets().await?;
        }
        // Ingresses and disruption budgets may remain from an earlier configuration. TLSRoutes are not looked up in
        // that case, because most hosts do not define them.
        let is_desired = |kind: &Kind| desired.iter().any(|object| object.kind == *kind);
        let (additional, former): (Vec<_>, Vec<_>) =
            [Kind::INGRESS, Kind::POD_DISRUPTION_BUDGET].into_iter().partition(is_desired);
        let mut all = kinds(&self.provisioner.config);
        all.extend(additional.into_iter().filter(|kind| !all.contains(kind)).collect::<Vec<_>>());
        self.read(&all).await?;
        for kind in former {
            self.read_if_permitted(kind).await?;
        }
        Ok(())
    }

    /// Returns an object on the host, in the namespace of the tenant, whose kind was read.
    pub(super) fn object(&self, kind: Kind, name: &str) -> Option<&Value> {
        let (namespace, name) = (self.target.name.clone(), name.to_owned());
        self.host.get(&ObjectKey { kind, namespace, name })
    }

    /// Returns the StatefulSets of the tenant, or `None` if it has no control plane.
    pub(super) async fn stateful_sets(&mut self) -> Result<Option<StatefulSets>> {
        self.read(&[Kind::STATEFUL_SET]).await?;
        let sets = self.host.iter().filter(|(key, _)| key.kind == Kind::STATEFUL_SET);
        Ok(StatefulSets::of(self.target, sets.map(|(_, body)| body.clone())))
    }

    /// Returns the metadata of the control plane's Secrets, without those that belong to workloads.
    async fn secrets(&mut self) -> Result<&[Value]> {
        let secrets = match self.secrets.take() {
            Some(known) => known,
            None => self.provisioner.secrets(self.target).await?,
        };
        Ok(self.secrets.insert(secrets))
    }

    /// Versions of the control plane's Secrets that were read before their content, for the comparison of the next pass.
    pub(super) fn secret_versions(&self) -> Versions {
        secret_versions(self.secrets.as_deref().unwrap_or_default())
    }

    /// Returns the connection to the tenant API server.
    ///
    /// # Errors
    /// Those of the host only.
    pub(super) async fn connection(&mut self) -> Result<TenantConnection> {
        if let Some(known) = &self.connection {
            return Ok(known.clone());
        }
        let (provisioner, target) = (self.provisioner, self.target);
        let name = format!("vc-{}", target.name);
        let is_kubeconfig = |secret: &&Value| text(secret, "/metadata/name") == name;
        let version = self.secrets().await?.iter().find(is_kubeconfig).map(version_of);
        let connection = match version {
            None => TenantConnection::NoKubeconfig,
            Some(version) => match provisioner.cache.client(&target.name, &version) {
                Some(known) => TenantConnection::Usable(known),
                None => self.connect().await?,
            },
        };
        if !matches!(connection, TenantConnection::NoKubeconfig) {
            provisioner.cache.record_kubeconfig(&target.name);
        }
        Ok(self.connection.insert(connection).clone())
    }

    async fn connect(&self) -> Result<TenantConnection> {
        let Some(secret) = self.provisioner.admin_secret(self.target).await? else {
            return Ok(TenantConnection::NoKubeconfig);
        };
        Ok(match self.provisioner.connect_with(self.target, &secret).await {
            Ok(Some(client)) => TenantConnection::Usable(client),
            Ok(None) => TenantConnection::NoKubeconfig,
            Err(error) => {
                tracing::warn!(%error, cluster = %self.target.name, "connecting to a tenant failed: unusable kubeconfig Secret; retrying at the next reconcile");
                TenantConnection::Unusable
            }
        })
    }

    /// Returns the access to the tenant API server.
    pub(super) async fn access(&mut self) -> Result<TenantAccess> {
        let name = &self.target.name;
        let is_running = self.object(Kind::STATEFUL_SET, name).is_some_and(|set| suspend::replicas(set) > 0);
        if !is_running || self.provisioner.cache.is_unresponsive(name) {
            return Ok(TenantAccess::Unavailable);
        }
        Ok(match self.connection().await? {
            TenantConnection::Usable(client) => TenantAccess::Ready(client.api),
            TenantConnection::Unusable => TenantAccess::Unavailable,
            TenantConnection::NoKubeconfig => TenantAccess::NoKubeconfig,
        })
    }

    /// Reads the objects inside the tenant, or returns `None` if its API server does not respond yet.
    pub(super) async fn tenant_objects(&self, api: &ApiServer) -> Result<Option<TenantObjects>> {
        let config = &self.provisioner.config;
        let listed = async {
            let namespaces = api.list(Kind::NAMESPACE, None, "").await?;
            let selector = format!("{}=true", config.labels.managed());
            let mut actual = list_objects(api, &TENANT_KINDS, None, |_| selector.clone()).await?;
            let is_managed = |body: &&Value| {
                let label = body.pointer("/metadata/labels").and_then(|all| all.get(config.labels.managed()));
                label.is_some_and(|managed| managed == "true")
            };
            let managed = namespaces.iter().filter(is_managed);
            actual.extend(managed.map(|body| (ObjectKey::of(Kind::NAMESPACE, body), body.clone())));
            read_metrics_objects(api, config, &mut actual).await?;
            read_gitops_accounts(api, &mut actual).await?;
            Ok(TenantObjects { namespaces, actual })
        };
        match listed.await {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_unresponsive(&error) => {
                tracing::debug!(%error, cluster = %self.target.name, "the tenant API server does not respond yet");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns the resource versions of Secrets.
pub(super) fn secret_versions(secrets: &[Value]) -> Versions {
    let version = |body: &Value| {
        (ObjectKey::of(Kind::SECRET, body), text(body, "/metadata/resourceVersion").to_owned())
    };
    secrets.iter().map(version).collect()
}

impl VClusterProvisioner {
    /// Reads the metadata of the control plane's Secrets, without those that belong to workloads.
    pub(super) async fn secrets(&self, target: &TenantTarget) -> Result<Vec<Value>> {
        let own = ListParams::default().labels(&format!("!{}", labels::SYNCED_BY));
        self.host.list_metadata(Kind::SECRET, &target.name, own).await
    }
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

/// `true` if the API server may succeed later.
pub(super) fn is_busy(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited)
}

/// `true` for errors of a tenant API server that is starting or overloaded: the next reconcile retries.
fn is_unresponsive(error: &Error) -> bool {
    is_busy(error) || matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound)
}

/// Runs futures with bounded concurrency; the first error cancels the rest.
pub(super) async fn try_join_bounded<T: Send>(work: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
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
