//! Metrics of workspaces: charts, health and live usage.

mod chart;
mod health;
pub mod requests;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Tag of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Metrics", description = "Metrics and health of workspaces.")))]
struct Document;

/// Routes of metrics and health.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi()).merge(chart::router()).merge(health::router())
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}
