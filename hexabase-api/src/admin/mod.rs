//! Administration of the installation, for platform administrators.

pub(crate) mod clusters;
pub(crate) mod keys;
mod operator;
pub(crate) mod organizations;
pub(crate) mod plans;
pub(crate) mod queue;
pub mod requests;
mod scrape_targets;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use operator::is_operator;
pub use scrape_targets::{ScrapeDiscovery, TenantScrapingConfig};

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Operators", description = "Host clusters, plans, all organizations, the task queue and signing keys, for platform administrators.")))]
struct Document;

/// Routes for platform administrators.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    Arc<Auth>: FromRef<S>,
{
    let areas =
        [clusters::router(), queue::router(), keys::router(), plans::router(), organizations::router()];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Route of the scrape targets of the tenant API servers.
pub fn scrape_targets_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    ScrapeDiscovery: FromRef<S>,
{
    scrape_targets::router()
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router().merge(scrape_targets_router()))
}
