//! State of the API and the parts of it that areas use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use hexabase_core::authenticator::Authenticator;
use hexabase_core::secret::SecretString;
use ipnet::IpNet;
use tokio::sync::watch;

use crate::admin::{ScrapeDiscovery, TenantScrapingConfig};
use crate::alerts::AlertWebhookToken;
use crate::event_hub::{EventStreamLimits, EventStreams, LogStreamLimits, UsageStreamLimits};
use crate::html_pages::{HtmlPages, PlainPages};
use crate::layers::{BODY_TIMEOUT, BodyBudgets, ProvenClients};
use crate::logs::LogStreams;
use crate::metrics::{FederationReads, UsageStreams};
use crate::system::{MetricsAccess, SystemState};

/// State of the whole API. Cheap to clone.
///
/// Each area takes the parts that it uses with [`FromRef`], so an embedder's own state can supply them instead.
#[derive(Clone)]
pub struct ApiState(Arc<Inner>);

struct Inner {
    platform: Platform,
    auth: Arc<Auth>,
    authenticator: Arc<dyn Authenticator>,
    development: Option<Arc<DevProvider>>,
    config: Arc<ApiConfig>,
    pages: Arc<dyn HtmlPages>,
    events: EventStreams,
    usage: UsageStreams,
    logs: LogStreams,
    federation: FederationReads,
    system: SystemState,
    alert_webhook_token: AlertWebhookToken,
    scrape_discovery: ScrapeDiscovery,
    /// OAuth clients with an allowance of their own.
    proven_clients: Arc<ProvenClients>,
    /// Budgets of the request bodies in memory.
    body_budgets: Arc<BodyBudgets>,
}

/// Default of the name of the product.
pub(crate) const PRODUCT: &str = "Hexabase";

/// Configuration of the HTTP API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Name of the product, in the titles of the plain pages, of the documentation and of the OpenAPI document.
    pub product: String,
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
    /// Maximum numbers of concurrent streams of usage.
    pub usage_streams: UsageStreamLimits,
    /// Maximum numbers of concurrent log streams.
    pub log_streams: LogStreamLimits,
    /// Clients that may read `/metrics`.
    pub metrics_access: MetricsAccess,
    /// Bearer token of the webhooks of Alertmanager, which are not accepted without one.
    pub alertmanager_webhook_token: Option<SecretString>,
    /// Metrics of tenant API servers for a Prometheus without an operator.
    pub tenant_scraping: TenantScrapingConfig,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            product: PRODUCT.to_owned(),
            trusted_proxies: Vec::new(),
            requests_per_minute: 1_200,
            sign_ins_per_minute: 120,
            timeout: Duration::from_secs(30),
            body_timeout: BODY_TIMEOUT,
            event_streams: EventStreamLimits::default(),
            usage_streams: UsageStreamLimits::default(),
            log_streams: LogStreamLimits::default(),
            metrics_access: MetricsAccess::default(),
            alertmanager_webhook_token: None,
            tenant_scraping: TenantScrapingConfig::default(),
        }
    }
}

/// Renders the metrics of the process in the text format of Prometheus.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Builder of an [`ApiState`].
pub struct ApiStateBuilder {
    platform: Platform,
    auth: Arc<Auth>,
    authenticator: Arc<dyn Authenticator>,
    development: Option<Arc<DevProvider>>,
    config: ApiConfig,
    pages: Option<Arc<dyn HtmlPages>>,
    backends: Vec<(&'static str, &'static str)>,
    metrics: Option<RenderMetrics>,
    stopping: watch::Receiver<bool>,
}

impl ApiStateBuilder {
    /// Sets the configuration.
    #[must_use]
    pub fn with_config(self, config: ApiConfig) -> Self {
        Self { config, ..self }
    }

    /// Sets the authentication of requests, which is that of `auth` otherwise.
    #[must_use]
    pub fn with_authenticator(self, authenticator: Arc<dyn Authenticator>) -> Self {
        Self { authenticator, ..self }
    }

    /// Sets the pages, which are plain ones with [`ApiConfig::product`] otherwise.
    #[must_use]
    pub fn with_pages(self, pages: Arc<dyn HtmlPages>) -> Self {
        Self { pages: Some(pages), ..self }
    }

    /// Adds the routes of the development provider, with which any client can sign in as any user.
    #[must_use]
    pub fn with_development_provider(self, provider: Arc<DevProvider>) -> Self {
        Self { development: Some(provider), ..self }
    }

    /// Sets the names of the backends in use, by role, such as `("store", "sqlite")`, for `GET /api/v1/info`.
    #[must_use]
    pub fn with_backends(self, backends: Vec<(&'static str, &'static str)>) -> Self {
        Self { backends, ..self }
    }

    /// Sets the source of `GET /metrics`, which has no content otherwise.
    #[must_use]
    pub fn with_metrics(self, metrics: RenderMetrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// Sets the signal that turns `true` when the process shuts down. Responses without an end, such as event streams,
    /// end then.
    #[must_use]
    pub fn with_shutdown(self, stopping: watch::Receiver<bool>) -> Self {
        Self { stopping, ..self }
    }

    /// Returns the state.
    #[must_use]
    pub fn build(self) -> ApiState {
        let events = EventStreams::new(
            self.platform.clone(),
            self.authenticator.clone(),
            self.config.event_streams,
            self.stopping.clone(),
        );
        let usage = UsageStreams::new(
            self.platform.clone(),
            self.authenticator.clone(),
            self.config.usage_streams,
            self.stopping.clone(),
        );
        let logs = LogStreams::new(
            self.platform.clone(),
            self.authenticator.clone(),
            self.config.log_streams,
            self.stopping,
        );
        let dev = self.development.is_some();
        let product = self.config.product.clone();
        let pages = self.pages.unwrap_or_else(|| Arc::new(PlainPages::new(product.clone())));
        let webhooks = self.platform.billing_provider().webhook_endpoint();
        let (access, document) =
            (self.config.metrics_access, move || crate::document(&product, dev, webhooks));
        let reads_tenants = self.config.tenant_scraping.is_served;
        let system = SystemState::new(
            self.platform.clone(),
            access,
            self.backends,
            self.metrics,
            reads_tenants,
            document,
        );
        let federation = FederationReads::new(self.platform.clone());
        let alert_webhook_token = AlertWebhookToken::new(self.config.alertmanager_webhook_token.clone());
        ApiState(Arc::new(Inner {
            alert_webhook_token,
            scrape_discovery: ScrapeDiscovery::new(&self.config.tenant_scraping),
            platform: self.platform,
            auth: self.auth,
            authenticator: self.authenticator,
            development: self.development,
            config: Arc::new(self.config),
            pages,
            events,
            usage,
            logs,
            federation,
            system,
            proven_clients: Arc::default(),
            body_budgets: Arc::default(),
        }))
    }
}

impl ApiState {
    /// Creates a state over a platform that authenticates callers with `auth`, with the default configuration.
    #[must_use]
    pub fn new(platform: Platform, auth: impl Into<Arc<Auth>>) -> Self {
        Self::builder(platform, auth).build()
    }

    /// Begins a state over a platform that authenticates callers with `auth`.
    #[must_use]
    pub fn builder(platform: Platform, auth: impl Into<Arc<Auth>>) -> ApiStateBuilder {
        let auth = auth.into();
        ApiStateBuilder {
            platform,
            authenticator: auth.clone(),
            auth,
            development: None,
            config: ApiConfig::default(),
            pages: None,
            backends: Vec::new(),
            metrics: None,
            // The sender is dropped, so the value never turns true.
            stopping: watch::channel(false).1,
        }
    }

    /// Returns the platform.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// Returns the authentication of callers.
    #[must_use]
    pub fn auth(&self) -> &Arc<Auth> {
        &self.0.auth
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    /// Returns the development provider; `None` unless the operator enabled it.
    #[must_use]
    pub fn development_provider(&self) -> Option<&Arc<DevProvider>> {
        self.0.development.as_ref()
    }
}

impl FromRef<ApiState> for Platform {
    fn from_ref(state: &ApiState) -> Self {
        state.0.platform.clone()
    }
}

impl FromRef<ApiState> for Arc<Auth> {
    fn from_ref(state: &ApiState) -> Self {
        state.0.auth.clone()
    }
}

impl FromRef<ApiState> for Arc<dyn Authenticator> {
    fn from_ref(state: &ApiState) -> Self {
        state.0.authenticator.clone()
    }
}

impl FromRef<ApiState> for Arc<ApiConfig> {
    fn from_ref(state: &ApiState) -> Self {
        state.0.config.clone()
    }
}

impl FromRef<ApiState> for Arc<dyn HtmlPages> {
    fn from_ref(state: &ApiState) -> Self {
        state.0.pages.clone()
    }
}

impl FromRef<ApiState> for Arc<ProvenClients> {
    fn from_ref(state: &ApiState) -> Self {
        state.0.proven_clients.clone()
    }
}

impl FromRef<ApiState> for Arc<BodyBudgets> {
    fn from_ref(state: &ApiState) -> Self {
        state.0.body_budgets.clone()
    }
}

impl FromRef<ApiState> for EventStreams {
    fn from_ref(state: &ApiState) -> Self {
        state.0.events.clone()
    }
}

impl FromRef<ApiState> for UsageStreams {
    fn from_ref(state: &ApiState) -> Self {
        state.0.usage.clone()
    }
}

impl FromRef<ApiState> for AlertWebhookToken {
    fn from_ref(state: &ApiState) -> Self {
        state.0.alert_webhook_token.clone()
    }
}

impl FromRef<ApiState> for ScrapeDiscovery {
    fn from_ref(state: &ApiState) -> Self {
        state.0.scrape_discovery.clone()
    }
}

impl FromRef<ApiState> for LogStreams {
    fn from_ref(state: &ApiState) -> Self {
        state.0.logs.clone()
    }
}

impl FromRef<ApiState> for FederationReads {
    fn from_ref(state: &ApiState) -> Self {
        state.0.federation.clone()
    }
}

impl FromRef<ApiState> for SystemState {
    fn from_ref(state: &ApiState) -> Self {
        state.0.system.clone()
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiState").field("platform", &self.0.platform).finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiStateBuilder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ApiStateBuilder").field("platform", &self.platform).finish_non_exhaustive()
    }
}
