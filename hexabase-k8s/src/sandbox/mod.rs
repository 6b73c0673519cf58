//! A Kubernetes API without a cluster.
//!
//! A [`Sandbox`] serves the Kubernetes API in this process: one API server for the host cluster, and one for every
//! tenant cluster that is applied to it. It is for demonstrations and tests of Kubernetes clients: behind a real
//! [`kube::Client`] the production code runs against it unchanged. Nothing is scheduled and no container runs; small
//! controllers only simulate that.
//!
//! It implements the part of the API that Hexabase uses, and rejects every other request. One table of test cases runs
//! on the sandbox and on a real API server, so that both behave alike.
//!
//! ```
//! use k8s_openapi::api::core::v1::Namespace;
//! use kube::Api;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let sandbox = hexabase_k8s::sandbox::Sandbox::start(Default::default());
//! let namespaces: Api<Namespace> = Api::all(sandbox.host_client());
//! assert!(namespaces.get("kube-system").await.is_ok());
//! # Ok(()) })
//! # }
//! ```

mod admission;
mod admission_policy;
mod authorization;
mod cluster;
mod controllers;
mod default_roles;
mod discovery;
mod fields;
mod garbage_collection;
mod impersonation;
mod kinds;
mod late_resources;
mod list_types;
mod managers;
mod openapi;
mod partial_metadata;
mod patch;
mod path;
mod pod_security;
mod protobuf;
mod request_counters;
mod response;
mod reviews;
mod scale;
mod schema;
mod selector;
mod service;
mod service_account_tokens;
mod state;
mod table;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use kube::Client;
use kube::config::Kubeconfig;
use serde_json::json;

pub use authorization::User;
pub use response::SandboxBody;
pub use service::SandboxApi;

use crate::access::TenantConnector;
use crate::object::{Kind, Object};
use cluster::Cluster;

/// Options of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// Time from the start of a StatefulSet's pods, such as a tenant's control plane, until they are ready.
    pub startup: Duration,
    /// Time from the deletion of a namespace until its contents are deleted, and from a change of a pod template until
    /// outdated pods are replaced.
    pub termination: Duration,
    /// Time from the creation of a volume claim until its volume is bound.
    pub volume_delay: Duration,
    /// Time after that until a node accepts pods.
    pub node_delay: Duration,
    /// Time after that until the images of pods are pulled.
    pub image_delay: Duration,
    /// Base URL of tenant API servers over HTTP, to which the tenant's name is appended. `None` if they are not
    /// served; kubeconfigs then name `sandbox://tenants`.
    pub tenants_url: Option<String>,
    /// Certificate authority of `tenants_url`, in PEM. `None` for a public one.
    pub certificate_authority: Option<String>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            startup: Duration::from_millis(50),
            termination: Duration::from_millis(10),
            volume_delay: Duration::ZERO,
            node_delay: Duration::ZERO,
            image_delay: Duration::ZERO,
            tenants_url: None,
            certificate_authority: None,
        }
    }
}

/// Host cluster and its tenant clusters, all in this process. Clones share them.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    host: Arc<Cluster>,
    tenants: Mutex<BTreeMap<String, Tenant>>,
    options: SandboxOptions,
}

/// Tenant cluster; keeps its objects while it is suspended.
#[derive(Clone)]
struct Tenant {
    cluster: Arc<Cluster>,
    running: bool,
}

impl Sandbox {
    /// Starts an empty host cluster. Must be called within a tokio runtime, in which the controllers run until the
    /// sandbox is dropped.
    #[must_use]
    pub fn start(options: SandboxOptions) -> Self {
        let (host, changes) = Cluster::new("host");
        let sandbox = Self(Arc::new(Inner { host: Arc::new(host), tenants: Mutex::default(), options }));
        controllers::run_host(&sandbox, changes);
        sandbox
    }

    /// Client of the host cluster with all permissions.
    #[must_use]
    pub fn host_client(&self) -> Client {
        Client::new(self.host(), "default")
    }

    /// API server of the host cluster, called with all permissions.
    #[must_use]
    pub fn host(&self) -> SandboxApi {
        SandboxApi::new(self.0.host.clone(), User::admin())
    }

    /// Creates objects on the host cluster, such as those of [`host_setup`](crate::render::host_setup), with their
    /// namespaces. A rejected object is logged and left out.
    pub fn install(&self, objects: &[Object]) {
        for object in objects {
            let Kind { group, plural, .. } = object.kind;
            if !object.namespace.is_empty() {
                let namespace = json!({ "metadata": { "name": object.namespace } });
                self.0.host.create_as_controller("", "namespaces", "", namespace);
            }
            self.0.host.create_as_controller(group, plural, &object.namespace, object.body.clone());
        }
    }

    /// API server of a tenant cluster, called with all permissions. `None` if the tenant does not exist or is
    /// suspended.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<SandboxApi> {
        let tenants = self.tenants();
        let tenant = tenants.get(name).filter(|tenant| tenant.running)?;
        Some(SandboxApi::new(tenant.cluster.clone(), User::admin()))
    }

    /// Connector from a provisioner to the tenants of this sandbox.
    #[must_use]
    pub fn connector(&self) -> Arc<dyn TenantConnector> {
        Arc::new(SandboxConnector(self.clone()))
    }

    /// URL of tenant API servers, as kubeconfigs name it; `{name}` stands for the tenant's name.
    #[must_use]
    pub fn endpoint(&self) -> String {
        let base = self.0.options.tenants_url.as_deref().unwrap_or("sandbox://tenants");
        format!("{}/{{name}}", base.trim_end_matches('/'))
    }

    fn tenants(&self) -> MutexGuard<'_, BTreeMap<String, Tenant>> {
        self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sandbox").field("tenants", &self.tenants().len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct SandboxConnector(Sandbox);

#[async_trait]
impl TenantConnector for SandboxConnector {
    async fn connect(&self, target: &TenantTarget, kubeconfig: &SecretString) -> Result<Client> {
        // The client outlives suspension: every request checks whether the tenant runs, as with a Service that has no
        // pods for a while.
        let sandbox = self.0.clone();
        let name = target.name.clone();
        let token = token_of(kubeconfig);
        let service = tower::service_fn(move |request| {
            let api = sandbox.tenant(&name);
            let api = api.map(|api| match &token {
                Some(token) => api.with_token(token.expose_secret()),
                None => api,
            });
            async move {
                let api =
                    api.ok_or_else(|| Error::unavailable("connection refused: the tenant is not running"))?;
                Ok::<_, Error>(api.respond_to_client(request).await)
            }
        });
        Ok(Client::new(service, "default"))
    }
}

/// Returns the token of a kubeconfig, if it has one. The operator's kubeconfig has none.
fn token_of(kubeconfig: &SecretString) -> Option<SecretString> {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig.expose_secret()).ok()?;
    let user = kubeconfig.auth_infos.into_iter().find_map(|named| named.auth_info)?;
    user.token
}
