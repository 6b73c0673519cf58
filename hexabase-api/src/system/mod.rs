//! Health, readiness, metrics, information and documentation of the server.

mod api_server_metrics;
mod docs;
mod probes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::shared_reads::SharedReads;
use crate::state::{ApiConfig, RenderMetrics};
use probes::ProbeResults;
pub(crate) use probes::TEXT_FORMAT;

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "System", description = "Health, readiness, metrics and documentation of the server.")))]
struct AreaDocument;

/// Routes of the system area: `/healthz`, `/readyz`, `/metrics` and the paths below it, `/api/v1/info`, `/api/v1/openapi.json` and `/docs`.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
    Arc<ApiConfig>: FromRef<S>,
{
    let areas = [probes::router(), api_server_metrics::router(), docs::router()];
    areas.into_iter().fold(OpenApiRouter::with_openapi(AreaDocument::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}

/// Routes of a process without the API: health, readiness, metrics, also of tenant API servers, and information.
pub fn probes_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
{
    probes::router().merge(api_server_metrics::router())
}

/// Routes of a port for metrics, which serves them to all clients.
pub fn metrics_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
{
    probes::metrics_router()
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

type Document = LazyLock<String, Box<dyn FnOnce() -> String + Send>>;

/// What the system area reports. Cheap to clone; the clones share the results of recent probes.
#[derive(Clone)]
pub struct SystemState(Arc<Inner>);

struct Inner {
    platform: Platform,
    metrics_access: MetricsAccess,
    backends: Vec<(&'static str, &'static str)>,
    metrics: Option<RenderMetrics>,
    tenant_reads: Option<SharedReads>,
    probes: ProbeResults,
    document: Document,
}

impl SystemState {
    /// Creates the state: `backends` are the names of the backends in use by role, such as `("store", "sqlite")`;
    /// `metrics` renders the metrics of the process, `reads_tenants` is `true` if the process reads the metrics of tenant
    /// API servers, and `document` renders the OpenAPI document at the first request.
    #[must_use]
    pub fn new(
        platform: Platform,
        metrics_access: MetricsAccess,
        backends: Vec<(&'static str, &'static str)>,
        metrics: Option<RenderMetrics>,
        reads_tenants: bool,
        document: impl FnOnce() -> utoipa::openapi::OpenApi + Send + 'static,
    ) -> Self {
        let render: Box<dyn FnOnce() -> String + Send> =
            Box::new(|| document().to_json().unwrap_or_default());
        Self(Arc::new(Inner {
            platform,
            metrics_access,
            backends,
            metrics,
            tenant_reads: reads_tenants.then(|| SharedReads::new(api_server_metrics::CONCURRENT_READS)),
            probes: ProbeResults::default(),
            document: LazyLock::new(render),
        }))
    }

    fn platform(&self) -> &Platform {
        &self.0.platform
    }

    fn metrics_access(&self) -> MetricsAccess {
        self.0.metrics_access
    }

    /// Returns the names of the backends in use, by role.
    #[must_use]
    pub fn backends(&self) -> &[(&'static str, &'static str)] {
        &self.0.backends
    }

    /// Returns the backends that the readiness of the process depends on, each `true` if it is available: see `/readyz`.
    pub async fn available_backends(&self) -> BTreeMap<String, bool> {
        probes::readiness(self).await.available()
    }

    fn metrics(&self) -> Option<&RenderMetrics> {
        self.0.metrics.as_ref()
    }

    fn tenant_reads(&self) -> Option<&SharedReads> {
        self.0.tenant_reads.as_ref()
    }

    fn probes(&self) -> &ProbeResults {
        &self.0.probes
    }

    fn document(&self) -> &str {
        &self.0.document
    }
}

impl fmt::Debug for SystemState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SystemState").field("backends", &self.0.backends).finish_non_exhaustive()
    }
}
