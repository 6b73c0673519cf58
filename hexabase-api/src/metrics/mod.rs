//! Metrics of workspaces: charts, health, live usage and federation.

mod chart;
mod federation;
mod health;
pub mod requests;
mod usage_hub;
mod usage_stream;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use federation::FederationReads;
pub use usage_hub::UsageStreams;

/// Tag of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    tags((name = "Metrics", description = "Metrics and health of workspaces.")),
    components(schemas(requests::Grouping, crate::schema::MetricName))
)]
struct Document;

/// Routes of metrics, health and live usage.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    UsageStreams: FromRef<S>,
{
    let areas = [chart::router(), health::router(), usage_stream::router()];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Route of the series for the Prometheus of a tenant.
pub fn federation_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    FederationReads: FromRef<S>,
{
    federation::router()
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router().merge(federation_router()))
}
