//! Provisioner of tenant clusters with vCluster on one host cluster.

mod api_server_metrics;
mod apply;
mod fast_path;
mod gitops;
mod host_cache;
mod host_network;
mod host_setup_check;
mod isolation;
mod kubeconfig_loss;
mod metrics_token;
mod nodes;
mod observe;
mod pass;
mod plan;
mod pods;
mod policy_reports;
mod suspend;
mod upgrade;
mod volumes;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{join_all, join3};
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::{DriftEntry, GitOpsCredentials, IsolationResult, PolicyFindings};
use hexabase_core::provisioner::{
    AdminAccess, Applied, ClusterProvisioner, Converged, Observation, OnChange,
};
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use kube::Client;
use serde_json::Value;

use crate::access::TenantConnector;
use crate::api_server::{ApiServer, RequestLimits};
use crate::config::HostConfig;
use crate::error::is_rejection;
use crate::labels::Labels;
use crate::object::Kind;
use crate::render::host::{kinds, watched_kinds};
use host_cache::{HostCache, TenantClient};

/// Creates tenant clusters with vCluster on one host cluster. It renders the objects of the vCluster chart itself and
/// applies them by server-side apply.
pub struct VClusterProvisioner {
    host: ApiServer,
    /// Client of the host cluster for watches.
    client: Client,
    connector: Arc<dyn TenantConnector>,
    config: HostConfig,
    cache: HostCache,
    has_credentials: bool,
}

impl VClusterProvisioner {
    /// Creates a provisioner for the cluster that `host` is connected to.
    #[must_use]
    pub fn new(host: Client, connector: Arc<dyn TenantConnector>, config: HostConfig) -> Self {
        Self {
            host: ApiServer::new(host.clone(), RequestLimits::HOST, config.concurrency),
            client: host,
            connector,
            cache: HostCache::new(watched_kinds(kinds(&config)).collect(), config.labels.clone()),
            config,
            has_credentials: true,
        }
    }

    /// Declares that the client has no credentials for the host, as in processes that act on none: a host that rejects the
    /// client is then healthy, because it responds.
    #[must_use]
    pub fn without_credentials(self) -> Self {
        Self { has_credentials: false, ..self }
    }

    /// Returns the state of a tenant's namespace.
    async fn namespace(&self, target: &TenantTarget) -> Result<Namespace> {
        let found = self.host.find(Kind::NAMESPACE, "", &target.name).await?;
        Ok(Namespace::of(found.as_ref(), target, &self.config.labels))
    }

    /// Returns the Secret with the operator's kubeconfig that the control plane wrote.
    async fn admin_secret(&self, target: &TenantTarget) -> Result<Option<Value>> {
        self.host.find(Kind::SECRET, &target.name, &format!("vc-{}", target.name)).await
    }

    /// Returns a client of a tenant API server, or `None` while there is no kubeconfig Secret.
    async fn connect(&self, target: &TenantTarget) -> Result<Option<TenantClient>> {
        match self.admin_secret(target).await? {
            Some(secret) => self.connect_with(target, &secret).await,
            None => Ok(None),
        }
    }

    /// Returns the client of this kubeconfig Secret; `None` if it has no kubeconfig.
    async fn connect_with(&self, target: &TenantTarget, secret: &Value) -> Result<Option<TenantClient>> {
        let version = version_of(secret);
        if let Some(client) = self.cache.client(&target.name, &version) {
            return Ok(Some(client));
        }
        let Some(kubeconfig) = kubeconfig_of(secret) else { return Ok(None) };
        let client = self.connector.connect(target, &kubeconfig).await?;
        let client = TenantClient {
            version,
            api: ApiServer::new(client, RequestLimits::TENANT, apply::APPLY_CONCURRENCY),
            certificate_authority: decoded(secret, "certificate-authority"),
        };
        self.cache.insert_client(&target.name, &client);
        Ok(Some(client))
    }
}

impl fmt::Debug for VClusterProvisioner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VClusterProvisioner").field("connector", &self.connector).finish_non_exhaustive()
    }
}

/// State of a tenant's namespace on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Namespace {
    Absent,
    Owned,
    Foreign,
    Terminating,
}

impl Namespace {
    /// State of the namespace of a tenant with this body; `None` if it does not exist.
    fn of(body: Option<&Value>, target: &TenantTarget, labels: &Labels) -> Self {
        match body {
            None => Self::Absent,
            Some(body) if !is_ours(body, target, labels) => Self::Foreign,
            Some(body) if body.pointer("/metadata/deletionTimestamp").is_some() => Self::Terminating,
            Some(_) => Self::Owned,
        }
    }
}

fn is_ours(body: &Value, target: &TenantTarget, labels: &Labels) -> bool {
    let label = body.pointer("/metadata/labels").and_then(|found| found.get(labels.workspace()));
    label.and_then(Value::as_str) == Some(target.workspace_id.kubernetes_name().as_str())
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Uid and version of an object: an object that was deleted and created again has another one.
fn version_of(body: &Value) -> String {
    format!("{}/{}", text(body, "/metadata/uid"), text(body, "/metadata/resourceVersion"))
}

/// Returns the operator's kubeconfig in a Secret of the control plane.
fn kubeconfig_of(secret: &Value) -> Option<SecretString> {
    decoded(secret, "config").map(SecretString::from)
}

/// Returns a decoded value of a Secret.
fn decoded(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.pointer("/data").and_then(|data| data.get(key))?.as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

fn foreign_namespace_error(target: &TenantTarget) -> Error {
    let message = format!("namespace {} already exists and was not created for this workspace", target.name);
    Error::conflict("not_ours", message)
}

#[async_trait]
impl ClusterProvisioner for VClusterProvisioner {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.plan_cluster(desired).await.map_err(|error| error.during("cluster.plan"))
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        self.apply_cluster(desired).await.map_err(|error| error.during("cluster.apply"))
    }

    async fn converge(&self, desired: &TenantCluster) -> Result<Converged> {
        let converged = self.converge_cluster(desired).await;
        let converged = converged.map_err(|error| error.during("cluster.observe"))?;
        let applied = converged.applied.map_err(|error| error.during("cluster.apply"));
        Ok(Converged { applied, ..converged })
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        self.observe_cluster(target).await.map_err(|error| error.during("cluster.observe"))
    }

    async fn unchanged(&self, desired: &TenantCluster) -> Result<Option<Observation>> {
        self.unchanged_cluster(desired).await.map_err(|error| error.during("cluster.unchanged"))
    }

    async fn suspend(&self, target: &TenantTarget, now: Timestamp) -> Result<()> {
        self.suspend_cluster(target, now).await.map_err(|error| error.during("cluster.suspend"))
    }

    async fn resume(&self, target: &TenantTarget) -> Result<()> {
        self.resume_cluster(target).await.map_err(|error| error.during("cluster.resume"))
    }

    async fn delete(&self, target: &TenantTarget) -> Result<()> {
        self.cache.forget(&target.name);
        match self.namespace(target).await? {
            Namespace::Terminating => Ok(()),
            // No pods are left on the nodes.
            Namespace::Absent => self.release_nodes(target).await,
            Namespace::Foreign => Err(foreign_namespace_error(target)),
            // All other objects of the tenant belong to its namespace: no cluster-scoped object is rendered.
            // Its credentials for GitOps tools are removed first: once the namespace is absent, none is left.
            Namespace::Owned => match self.remove_credentials(target, |_, _| false).await {
                Ok(()) => self.host.delete(Kind::NAMESPACE, "", &target.name, None).await,
                failed => failed,
            },
        }
        .map_err(|error| error.during("cluster.delete"))
    }

    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess> {
        let ours = self.namespace(target).await? == Namespace::Owned;
        let secret = if ours { self.admin_secret(target).await? } else { None };
        let kubeconfig = secret.as_ref().and_then(kubeconfig_of);
        let kubeconfig = kubeconfig.ok_or_else(|| Error::not_found("admin access"))?;
        Ok(AdminAccess { kubeconfig })
    }

    async fn check_isolation(&self, desired: &TenantCluster) -> Result<Vec<IsolationResult>> {
        self.check_isolation_of(desired).await.map_err(|error| error.during("cluster.check_isolation"))
    }

    async fn api_server_metrics(&self, target: &TenantTarget) -> Result<String> {
        let read = self.read_api_server_metrics(target).await;
        read.map_err(|error| error.during("cluster.api_server_metrics"))
    }

    async fn issue_gitops_credentials(
        &self,
        desired: &TenantCluster,
        now: Timestamp,
    ) -> Result<GitOpsCredentials> {
        let issued = self.issue_credentials(desired, now).await;
        issued.map_err(|error| error.during("cluster.issue_gitops_credentials"))
    }

    fn has_policy_reports(&self) -> bool {
        self.config.policy_reports
    }

    async fn policy_findings(&self, target: &TenantTarget) -> Result<PolicyFindings> {
        let findings = self.read_policy_findings(target).await;
        findings.map_err(|error| error.during("cluster.policy_findings"))
    }

    async fn ping(&self) -> Result<()> {
        let checked = async {
            self.host.ping("/readyz").await?;
            // A host without the setup receives no workspaces.
            self.require_host_setup().await
        };
        match checked.await {
            // The API server responds; processes with credentials check the rest.
            Err(error) if !self.has_credentials && is_rejection(&error) => Ok(()),
            result => result,
        }
    }

    async fn watch(&self, on_change: &OnChange) {
        let metadata = &self.cache.metadata;
        let watches = metadata.kinds().map(|kind| metadata.watch_kind(kind, &self.client, on_change));
        join3(self.warn_about_host(), join_all(watches), metadata.report_overdue(on_change)).await;
    }

    fn is_watch_failing(&self) -> bool {
        self.cache.metadata.is_failing()
    }
}
