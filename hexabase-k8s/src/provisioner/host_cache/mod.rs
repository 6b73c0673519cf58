//! Host cache: everything that the provisioner of one host knows of it between two passes. It is the only state of a
//! provisioner, belongs to one host, and starts empty: a host with another kubeconfig has another provisioner.
//!
//! Every entry can be lost at any time: the next pass then reads what it needs. A tenant has two independent states. That
//! of the connection to its API server, which starts as `usable`:
//!
//! ```text
//!              up without a kubeconfig Secret
//!  ┌────────┐ ───────────────────────────────▶ ┌───────────────┐ ──┐ after 2 min, doubled to at most 6 h:
//!  │ usable │                                  │ no kubeconfig │   │ pods deleted
//!  └────────┘ ◀─────────────────────────────── └───────────────┘ ◀─┘
//!    │    ▲              Secret found                  ▲
//!    │    │                                            │
//!    │    │ response, or 5 s                           │ up without a kubeconfig Secret
//!    ▼    │                                            │
//!  ┌──────────────┐                                    │
//!  │ unresponsive │ ───────────────────────────────────┘
//!  └──────────────┘
//! ```
//!
//! And that of its comparison with the desired state, which starts as `unknown`:
//!
//! ```text
//!              applied to the host
//!  ┌─────────┐ ─────────────────────────────────────────────────▶ ┌─────────┐
//!  │         │                                                    │ applied │
//!  │         │ ◀───────────────────────────────────────────────── └─────────┘
//!  │         │    60 s, another desired state, or an object deleted
//!  │ unknown │
//!  │         │ compared without a difference
//!  │         │ ─────────────────────────────────────────────────▶ ┌─────────┐
//!  │         │                                                    │  clean  │
//!  └─────────┘ ◀───────────────────────────────────────────────── └─────────┘
//!                 30 min, another desired state, or an object or a Secret changed
//! ```
//!
//! [`HostCache::forget`] leads from every state to the first ones: if the tenant is deleted, and if a pass finds its
//! namespace absent, terminating or another client's. `clean` is stored with the metadata of the host watch, which ends
//! it. Clients are bounded on their own, because each takes tens of kilobytes: an evicted one is created again, and
//! one for an earlier version of the kubeconfig Secret is not used.

pub(super) mod metadata;
mod tenant;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::{sync, unsync};
use tokio::time::Instant;

use super::host_network::DetectedConfig;
use super::host_setup_check::LastCheck;
use crate::api_server::ApiServer;
use crate::labels::Labels;
use crate::object::Kind;
use metadata::{Digest, MetadataCache, Revision};
use tenant::{AppliedState, Event, TenantState};

/// Maximum number of tenants with a state.
const MAX_TENANTS: usize = 4_096;
/// Maximum number of clients of tenant clusters; each takes about 60 KiB.
const MAX_TENANT_CLIENTS: usize = 64;
/// Maximum number of clients for the metrics of tenant API servers. Others are created for each read, with three
/// requests to the host.
const MAX_METRICS_CLIENTS: usize = 512;

/// Client of a tenant cluster, created from one version of its kubeconfig Secret.
#[derive(Debug, Clone)]
pub(super) struct TenantClient {
    /// Uid and version of the Secret: a new certificate requires a new client.
    pub(super) version: String,
    pub(super) api: ApiServer,
    /// Certificate authority of the tenant API server, in PEM.
    pub(super) certificate_authority: Option<String>,
}

/// Knowledge of one host and its tenants.
#[derive(Debug)]
pub(super) struct HostCache {
    /// Metadata of tenants' objects, as the host watch reports them.
    pub(super) metadata: MetadataCache,
    /// Last successful check of the host setup.
    pub(super) setup_check: LastCheck,
    /// Configuration with the detected addresses of the host.
    pub(super) detected_config: DetectedConfig,
    tenants: Mutex<unsync::Cache<String, TenantState>>,
    clients: sync::Cache<String, TenantClient>,
    metrics_clients: sync::Cache<String, ApiServer>,
}

impl HostCache {
    /// Creates an empty cache for a host on which these kinds are watched.
    pub(super) fn new(watched_kinds: Vec<Kind>, labels: Labels) -> Self {
        Self {
            metadata: MetadataCache::new(watched_kinds, labels),
            setup_check: LastCheck::default(),
            detected_config: DetectedConfig::default(),
            tenants: Mutex::new(unsync::Cache::new(MAX_TENANTS)),
            clients: sync::Cache::new(MAX_TENANT_CLIENTS),
            metrics_clients: sync::Cache::new(MAX_METRICS_CLIENTS),
        }
    }

    /// Removes everything that is known of a tenant, except the metadata of its objects, which follow the host.
    pub(super) fn forget(&self, tenant: &str) {
        drop(self.lock().remove(tenant));
        drop(self.clients.remove(tenant));
        drop(self.metrics_clients.remove(tenant));
        self.metadata.forget_comparison(tenant);
    }

    fn lock(&self) -> MutexGuard<'_, unsync::Cache<String, TenantState>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, tenant: &str) -> TenantState {
        self.lock().get(tenant).cloned().unwrap_or_default()
    }

    fn record(&self, tenant: &str, event: Event) {
        let mut tenants = self.lock();
        let before = tenants.get(tenant).cloned().unwrap_or_default();
        let after = before.after(event, Instant::now());
        match after.is_initial() {
            true => drop(tenants.remove(tenant)),
            false => tenants.insert(tenant.to_owned(), after),
        }
    }

    /// Records that a desired state was applied to the host in a pass that began at `revision`.
    pub(super) fn record_applied(&self, tenant: &str, desired: Digest, revision: Revision) {
        self.record(tenant, Event::Applied(AppliedState { desired, revision, at: Instant::now() }));
    }

    /// `true` if this desired state was applied to the host recently, and none of the tenant's objects was deleted
    /// since. Without the host watch, deleted objects would remain unnoticed.
    pub(super) fn is_applied(&self, tenant: &str, desired: &Digest) -> bool {
        let applied = self.state(tenant).revision_of_applied(desired, Instant::now());
        applied.is_some_and(|revision| self.metadata.is_intact_since(tenant, revision))
    }

    /// Records whether a tenant API server responded.
    pub(super) fn record_response(&self, tenant: &str, responded: bool) {
        self.record(tenant, if responded { Event::Responded } else { Event::NotResponding });
    }

    /// `true` if a tenant API server did not respond recently.
    pub(super) fn is_unresponsive(&self, tenant: &str) -> bool {
        self.state(tenant).is_unresponsive(Instant::now())
    }

    /// Records that the kubeconfig Secret of a tenant exists.
    pub(super) fn record_kubeconfig(&self, tenant: &str) {
        self.record(tenant, Event::KubeconfigFound);
    }

    /// Records that the kubeconfig Secret of a tenant is missing, while its control plane is up with these pods. Returns
    /// the time for which it has been missing if the control plane is due for a restart.
    pub(super) fn record_missing_kubeconfig(&self, tenant: &str, pods: Vec<String>) -> Option<Duration> {
        self.record(tenant, Event::KubeconfigMissing(pods));
        self.state(tenant).due_restart(Instant::now())
    }

    /// Records a restart because of a missing kubeconfig Secret.
    pub(super) fn record_restart(&self, tenant: &str) {
        self.record(tenant, Event::Restarted);
    }

    /// Returns the client that was created from this version of a tenant's kubeconfig Secret.
    pub(super) fn client(&self, tenant: &str, version: &str) -> Option<TenantClient> {
        self.clients.get(tenant).filter(|client| client.version == version)
    }

    /// Stores the client of a tenant, instead of one for another version of its Secret.
    pub(super) fn insert_client(&self, tenant: &str, client: &TenantClient) {
        self.clients.insert(tenant.to_owned(), client.clone());
    }

    /// Returns the client for the metrics of a tenant API server.
    pub(super) fn metrics_client(&self, tenant: &str) -> Option<ApiServer> {
        self.metrics_clients.get(tenant)
    }

    /// Stores the client for the metrics of a tenant API server.
    pub(super) fn insert_metrics_client(&self, tenant: &str, client: &ApiServer) {
        self.metrics_clients.insert(tenant.to_owned(), client.clone());
    }

    /// Removes the client for the metrics of a tenant API server.
    pub(super) fn remove_metrics_client(&self, tenant: &str) {
        drop(self.metrics_clients.remove(tenant));
    }
}
