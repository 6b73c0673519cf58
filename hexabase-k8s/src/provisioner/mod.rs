mod apply;
mod mute;
mod nodes;
mod observe;
mod power;
mod preparation;
mod reflection;
mod settled;
mod unchanged;
mod upgrade;
mod volumes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::{join_all, join3};
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::DriftEntry;
use hexabase_core::provisioner::{AdminAccess, Applied, ClusterProvisioner, Moved, Observation};
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use kube::Client;
use serde_json::Value;
use tokio::time::Instant;

use crate::access::TenantConnector;
use crate::api_server::{ApiServer, Bounds};
use crate::labels;
use crate::object::Kind;
use crate::render::host::{kinds, watched};
use crate::settings::HostSettings;
use mute::Mute;
use reflection::Reflection;
use settled::Settled;

/// How many clients of tenant clusters are kept at hand: for those that something is done about. Each takes some 60 KiB.
const CLIENTS: usize = 64;
/// Of how many tenants it is known at a time that they do not answer, or what was applied to them.
const KNOWN: usize = 4_096;
/// How long a tenant that did not answer is not asked for anything but whether it does: whoever waits for one waits once.
const SILENCE: Duration = Duration::from_secs(5);

/// Makes tenant clusters with vCluster on one host cluster: it renders the objects of the vCluster chart
/// itself and applies them by server-side apply.
pub struct VClusterProvisioner {
    host: ApiServer,
    /// The same, to be listened to.
    client: Client,
    connector: Arc<dyn TenantConnector>,
    settings: HostSettings,
    /// Clients by the tenant and the version of the Secret they were made from: a new certificate means a
    /// new client.
    clients: quick_cache::sync::Cache<(String, String), ApiServer>,
    /// When a tenant that was looked at did not answer.
    silent: quick_cache::sync::Cache<String, Instant>,
    /// What was last applied to tenants.
    settled: quick_cache::sync::Cache<String, Settled>,
    /// Which tenants are up and have handed out no kubeconfig.
    mute: quick_cache::sync::Cache<String, Mute>,
    reflection: Reflection,
}

impl VClusterProvisioner {
    /// A provisioner on the cluster that `host` speaks to.
    #[must_use]
    pub fn new(host: Client, connector: Arc<dyn TenantConnector>, settings: HostSettings) -> Self {
        Self {
            host: ApiServer::new(host.clone(), Bounds::HOST, settings.concurrency),
            client: host,
            connector,
            reflection: Reflection::of(watched(kinds(&settings)).collect()),
            settings,
            clients: quick_cache::sync::Cache::new(CLIENTS),
            silent: quick_cache::sync::Cache::new(KNOWN),
            settled: quick_cache::sync::Cache::new(KNOWN),
            mute: quick_cache::sync::Cache::new(KNOWN),
        }
    }

    /// The namespace of a tenant, if it is there.
    async fn namespace(&self, target: &TenantTarget) -> Result<Namespace> {
        let found = self.host.find(Kind::NAMESPACE, "", &target.name).await?;
        Ok(match found {
            None => Namespace::Absent,
            Some(body) if !is_ours(&body, target) => Namespace::Foreign,
            Some(body) if body.pointer("/metadata/deletionTimestamp").is_some() => Namespace::Terminating,
            Some(_) => Namespace::Ours,
        })
    }

    /// The operator's kubeconfig that the control plane wrote, with the version of its Secret.
    async fn admin_secret(&self, target: &TenantTarget) -> Result<Option<(Value, SecretString)>> {
        let found = self.host.find(Kind::SECRET, &target.name, &format!("vc-{}", target.name)).await?;
        let Some(secret) = found else { return Ok(None) };
        let Some(kubeconfig) = decoded(&secret, "config") else { return Ok(None) };
        Ok(Some((secret, kubeconfig.into())))
    }

    /// A client for the inside of a tenant, once there is a way in.
    async fn tenant(&self, target: &TenantTarget) -> Result<Option<ApiServer>> {
        let Some((secret, kubeconfig)) = self.admin_secret(target).await? else { return Ok(None) };
        let version = text(&secret, "/metadata/resourceVersion").to_owned();
        let key = (target.name.clone(), format!("{}/{version}", text(&secret, "/metadata/uid")));
        if let Some(client) = self.clients.get(&key) {
            return Ok(Some(client));
        }
        let client = self.connector.connect(target, &kubeconfig).await?;
        let client = ApiServer::new(client, Bounds::TENANT, apply::AT_ONCE);
        self.clients.insert(key, client.clone());
        Ok(Some(client))
    }

    /// Remembers whether a tenant answers.
    fn heard(&self, target: &TenantTarget, answers: bool) {
        match answers {
            true => drop(self.silent.remove(&target.name)),
            false => self.silent.insert(target.name.clone(), Instant::now()),
        }
    }

    /// Whether a tenant did not answer a moment ago.
    fn is_silent(&self, target: &TenantTarget) -> bool {
        self.silent.get(&target.name).is_some_and(|since| since.elapsed() < SILENCE)
    }
}

impl fmt::Debug for VClusterProvisioner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("VClusterProvisioner").field("connector", &self.connector).finish_non_exhaustive()
    }
}

/// What is in the place of a tenant's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Namespace {
    Absent,
    Ours,
    Foreign,
    Terminating,
}

fn is_ours(body: &Value, target: &TenantTarget) -> bool {
    let label = body.pointer("/metadata/labels").and_then(|labels| labels.get(labels::WORKSPACE));
    label.and_then(Value::as_str) == Some(target.workspace_id.kubernetes_name().as_str())
}

fn text<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A key of a Secret, decoded.
fn decoded(secret: &Value, key: &str) -> Option<String> {
    let encoded = secret.pointer("/data").and_then(|data| data.get(key))?.as_str()?;
    String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
}

fn not_ours(target: &TenantTarget) -> Error {
    let message = format!("a namespace {} is there already and was not made for this workspace", target.name);
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
        drop(self.settled.remove(&target.name));
        match self.namespace(target).await? {
            Namespace::Terminating => Ok(()),
            // Nothing runs on its nodes any more.
            Namespace::Absent => self.free_nodes(target).await,
            Namespace::Foreign => Err(not_ours(target)),
            // Everything else of the tenant lies in its namespace: no cluster-scoped object is rendered.
            Namespace::Ours => self.host.delete(Kind::NAMESPACE, "", &target.name, None).await,
        }
        .map_err(|error| error.during("cluster.delete"))
    }

    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess> {
        let ours = self.namespace(target).await? == Namespace::Ours;
        let secret = if ours { self.admin_secret(target).await? } else { None };
        let (_, kubeconfig) = secret.ok_or_else(|| Error::not_found("admin access"))?;
        Ok(AdminAccess { kubeconfig })
    }

    async fn ping(&self) -> Result<()> {
        self.host.ping("/readyz").await
    }

    async fn watch(&self, moved: &Moved<'_>) {
        let following = self.reflection.kinds().map(|kind| self.reflection.follow(kind, &self.client, moved));
        join3(self.mention_setup(), join_all(following), self.reflection.tell_late(moved)).await;
    }
}
