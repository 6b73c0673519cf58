//! State of the HTTP API.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use hexabase_k8s::sandbox::Sandbox;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::api::{BODY_TIMEOUT, BodyBudgets, ProbeResults, ProvenClients};
use crate::event_hub::{EventHub, EventStreamLimits};

/// Handle of the API's state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    state: AppState,
    /// OpenAPI document in its serialized form, written at the first request.
    document: OnceLock<String>,
    probes: ProbeResults,
    /// OAuth clients with an allowance of their own.
    proven_clients: ProvenClients,
    /// Budgets of the request bodies in memory.
    body_budgets: BodyBudgets,
    event_hub: Arc<EventHub>,
}

/// State of an [`App`].
pub struct AppState {
    /// Platform that the API serves.
    pub platform: Platform,
    /// Authentication of callers.
    pub auth: Auth,
    /// Development provider, with which any client can sign in as any user; `None` unless the operator enabled it.
    pub dev: Option<Arc<DevProvider>>,
    /// Sandbox that stands in for the host cluster; `None` if there is a real one.
    pub sandbox: Option<Sandbox>,
    /// Configuration of the API.
    pub config: ApiConfig,
    /// Names of the backends in use, by role, such as `("store", "sqlite")`.
    pub backends: Vec<(&'static str, &'static str)>,
    /// Handle of the process's metrics; `None` if they are not recorded.
    pub metrics: Option<PrometheusHandle>,
    /// Turns `true` when the process shuts down. Responses without an end, such as event streams, end then.
    pub stopping: watch::Receiver<bool>,
}

/// Configuration of the HTTP API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Networks of trusted reverse proxies, whose statement about the client address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Maximum number of requests per caller and minute, and per OAuth client and network at the token endpoints; zero
    /// for no limit.
    pub requests_per_minute: u32,
    /// Maximum number of sign-in requests per client address and minute; zero for no limit.
    pub sign_ins_per_minute: u32,
    /// Maximum duration of a request.
    pub timeout: Duration,
    /// Maximum duration of receiving the body of a request.
    pub body_timeout: Duration,
    /// Maximum numbers of concurrent event streams.
    pub event_streams: EventStreamLimits,
    /// Clients that may read `/metrics`.
    pub metrics_access: MetricsAccess,
}

/// Clients that may read `/metrics` on the port of the API. Their requests are limited per client address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Clients on the same machine, unless a proxy forwards their requests.
    #[default]
    SameMachine,
    /// All clients, for a port that only the operator's network reaches.
    All,
    /// No clients: another port serves the metrics.
    None,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            requests_per_minute: 1_200,
            sign_ins_per_minute: 120,
            timeout: Duration::from_secs(30),
            body_timeout: BODY_TIMEOUT,
            event_streams: EventStreamLimits::default(),
            metrics_access: MetricsAccess::default(),
        }
    }
}

impl App {
    /// Creates an API over a platform that authenticates callers with `auth`, with the default configuration; see
    /// [`Self::assemble`] for more.
    #[must_use]
    pub fn new(platform: Platform, auth: Auth) -> Self {
        Self::assemble(AppState::new(platform, auth))
    }

    /// Creates an API with this state.
    #[must_use]
    pub fn assemble(state: AppState) -> Self {
        let event_hub = EventHub::new(state.platform.clone(), state.config.event_streams);
        Self(Arc::new(Inner {
            state,
            document: OnceLock::new(),
            probes: ProbeResults::default(),
            proven_clients: ProvenClients::default(),
            body_budgets: BodyBudgets::default(),
            event_hub,
        }))
    }

    /// Returns the budgets of the request bodies in memory.
    pub(crate) fn body_budgets(&self) -> &BodyBudgets {
        &self.0.body_budgets
    }

    /// Returns the OAuth clients whose requests have succeeded.
    pub(crate) fn proven_clients(&self) -> &ProvenClients {
        &self.0.proven_clients
    }

    /// Returns the serialized OpenAPI document; `write` produces it at the first call.
    pub(crate) fn document(&self, write: impl FnOnce() -> String) -> &str {
        self.0.document.get_or_init(write)
    }

    /// Returns the recent results of probes.
    pub(crate) fn probes(&self) -> &ProbeResults {
        &self.0.probes
    }

    /// Returns the distribution of live events to event streams.
    pub(crate) fn event_hub(&self) -> &Arc<EventHub> {
        &self.0.event_hub
    }
}

impl AppState {
    /// Creates a state with all optional parts left out.
    #[must_use]
    pub fn new(platform: Platform, auth: Auth) -> Self {
        // The sender is dropped, so the value never turns true.
        let stopping = watch::channel(false).1;
        Self {
            platform,
            auth,
            dev: None,
            sandbox: None,
            config: ApiConfig::default(),
            backends: Vec::new(),
            metrics: None,
            stopping,
        }
    }

    /// `true` if browsers reach the server over https, so that cookies can require it.
    pub(crate) fn is_secure(&self) -> bool {
        self.platform.config().public_url.starts_with("https://")
    }
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0.state
    }
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("App").field("platform", &self.platform).finish_non_exhaustive()
    }
}

impl fmt::Debug for AppState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AppState").field("platform", &self.platform).finish_non_exhaustive()
    }
}
