//! A Kubernetes API without a cluster.
//!
//! A [`Sandbox`] speaks the Kubernetes API in this process: one API server for the host, and one for every
//! tenant cluster that is applied to it. It is for demonstrations and tests of what speaks to Kubernetes:
//! behind a real [`kube::Client`] the production code runs against it unchanged. Nothing is scheduled, and no
//! container ever runs; small controllers only pretend that they do.
//!
//! It implements what Hexabase uses, and refuses what it does not know. What it does is held to a real API
//! server by one table of cases that runs on both.
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
mod authorization;
mod cluster;
mod controllers;
mod discovery;
mod fields;
mod garbage;
mod guard;
mod kinds;
mod list_types;
mod managers;
mod metadata;
mod patch;
mod path;
mod reply;
mod reviews;
mod schema;
mod selector;
mod service;
mod state;
mod watch;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::SecretString;
use kube::Client;

pub use authorization::User;
pub use reply::SandboxBody;
pub use service::SandboxApi;

use crate::access::TenantConnector;
use cluster::Cluster;

/// How a sandbox behaves.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// How long a tenant's control plane takes to come up.
    pub startup: Duration,
    /// How long a namespace takes to go.
    pub termination: Duration,
    /// Where tenants' API servers answer over HTTP, if they do; the tenant's name is appended.
    pub tenants_url: Option<String>,
    /// The certificate authority of that URL in PEM, where it is not a public one.
    pub certificate_authority: Option<String>,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            startup: Duration::from_millis(50),
            termination: Duration::from_millis(10),
            tenants_url: None,
            certificate_authority: None,
        }
    }
}

/// A host cluster and its tenant clusters, all in this process. Cloning it shares them.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    host: Arc<Cluster>,
    tenants: Mutex<BTreeMap<String, Tenant>>,
    options: SandboxOptions,
}

/// A tenant cluster, which keeps what is in it while it sleeps.
#[derive(Clone)]
struct Tenant {
    cluster: Arc<Cluster>,
    awake: bool,
}

impl Sandbox {
    /// Starts an empty host cluster. Must be called within a tokio runtime, in which the controllers run
    /// until the sandbox is dropped.
    #[must_use]
    pub fn start(options: SandboxOptions) -> Self {
        let (host, changes) = Cluster::new("host");
        let sandbox = Self(Arc::new(Inner { host: Arc::new(host), tenants: Mutex::default(), options }));
        controllers::run_host(&sandbox, changes);
        sandbox
    }

    /// A client of the host cluster with all rights.
    #[must_use]
    pub fn host_client(&self) -> Client {
        Client::new(self.host(), "default")
    }

    /// The host's API server, spoken to with all rights.
    #[must_use]
    pub fn host(&self) -> SandboxApi {
        SandboxApi::new(self.0.host.clone(), User::admin())
    }

    /// A tenant's API server, spoken to with all rights; none while there is no such tenant, or it sleeps.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<SandboxApi> {
        let tenants = self.tenants();
        let tenant = tenants.get(name).filter(|tenant| tenant.awake)?;
        Some(SandboxApi::new(tenant.cluster.clone(), User::admin()))
    }

    /// What connects a provisioner to the tenants of this sandbox.
    #[must_use]
    pub fn connector(&self) -> Arc<dyn TenantConnector> {
        Arc::new(SandboxConnector(self.clone()))
    }

    /// Where a tenant's API server answers, as its kubeconfig says.
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
    async fn connect(&self, target: &TenantTarget, _: &SecretString) -> Result<Client> {
        // The client outlives sleep: whether the tenant answers is decided at every request, as with a
        // Service that has no pods for a while.
        let sandbox = self.0.clone();
        let name = target.name.clone();
        let service = tower::service_fn(move |request| {
            let api = sandbox.tenant(&name);
            async move {
                let api =
                    api.ok_or_else(|| Error::unavailable("connection refused: the tenant is not running"))?;
                Ok::<_, Error>(api.answer_client(request).await)
            }
        });
        Ok(Client::new(service, "default"))
    }
}
