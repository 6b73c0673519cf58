//! Alert rules of workspaces.

pub mod requests;
mod rules;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Alerts", description = "Alert rules of workspaces and projects.")))]
struct Document;

/// Routes of alert rules.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi()).merge(rules::router())
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}
