//! What the HTTP API works with.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use hexabase_core::name::Email;
use hexabase_k8s::sandbox::Sandbox;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

/// Everything that handlers need. Cloning it is cheap.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: AppParts,
    /// The OpenAPI document as it is sent, written once.
    document: OnceLock<String>,
}

/// What an [`App`] is made of.
pub struct AppParts {
    /// Multi-tenancy.
    pub platform: Platform,
    /// Who is calling.
    pub auth: Auth,
    /// Sign-in without anybody who knows people; only where an operator asked for it.
    pub dev: Option<Arc<DevProvider>>,
    /// The cluster that is none, when there is no other.
    pub sandbox: Option<Sandbox>,
    /// How requests are let in.
    pub entry: Entry,
    /// The backends in use, by what they do, for whoever asks.
    pub backends: Vec<(&'static str, &'static str)>,
    /// The figures of this process, if they are kept.
    pub metrics: Option<PrometheusHandle>,
    /// Turns true when the process is to stop: what would go on for ever ends then.
    pub stopping: watch::Receiver<bool>,
}

/// How requests are let in.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The networks of proxies whose word about the client's address is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How many requests a caller has per minute; zero for no limit.
    pub requests_per_minute: u32,
    /// How many steps of signing in an address has per minute; zero for no limit.
    pub sign_ins_per_minute: u32,
    /// How long a request may take.
    pub timeout: Duration,
    /// The verified addresses of those who operate the installation.
    pub platform_admins: Vec<Email>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            requests_per_minute: 1_200,
            sign_ins_per_minute: 120,
            timeout: Duration::from_secs(30),
            platform_admins: Vec::new(),
        }
    }
}

impl App {
    /// An API over a platform, for callers whom `auth` knows. Everything else is as plain as can be; see
    /// [`Self::assemble`].
    #[must_use]
    pub fn new(platform: Platform, auth: Auth) -> Self {
        Self::assemble(AppParts::new(platform, auth))
    }

    /// An API made of these parts.
    #[must_use]
    pub fn assemble(parts: AppParts) -> Self {
        Self(Arc::new(Inner { parts, document: OnceLock::new() }))
    }

    /// The OpenAPI document, which is written when it is first asked for.
    pub(crate) fn document(&self, write: impl FnOnce() -> String) -> &str {
        self.0.document.get_or_init(write)
    }
}

impl AppParts {
    /// Parts without anything that can be left out.
    #[must_use]
    pub fn new(platform: Platform, auth: Auth) -> Self {
        // The sender is gone: it never turns true.
        let stopping = watch::channel(false).1;
        Self {
            platform,
            auth,
            dev: None,
            sandbox: None,
            entry: Entry::default(),
            backends: Vec::new(),
            metrics: None,
            stopping,
        }
    }

    /// Whether browsers reach the server with https, so that cookies can be bound to that.
    pub(crate) fn is_secure(&self) -> bool {
        self.platform.settings().public_url.starts_with("https://")
    }
}

impl Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0.parts
    }
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("App").field("platform", &self.platform).finish_non_exhaustive()
    }
}

impl fmt::Debug for AppParts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AppParts").field("platform", &self.platform).finish_non_exhaustive()
    }
}
