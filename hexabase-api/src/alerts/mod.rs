//! Alert rules of workspaces, their alerts and silences, and the webhook of Alertmanager.

mod active;
pub mod requests;
mod rules;
mod webhook;

use axum::extract::FromRef;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use webhook::AlertWebhookToken;
pub(crate) use webhook::PATH as WEBHOOK_PATH;

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Alerts", description = "Alert rules of workspaces and projects, their alerts and silences.")))]
struct Document;

/// Routes of alert rules, alerts and silences.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi()).merge(rules::router()).merge(active::router())
}

/// Route of the webhook of Alertmanager.
pub fn webhook_router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    AlertWebhookToken: FromRef<S>,
{
    webhook::router()
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router().merge(webhook_router()))
}
