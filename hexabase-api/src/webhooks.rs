//! Webhooks of the payment provider.

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use hexabase_core::Platform;
use hexabase_core::billing::WebhookEndpoint;
use utoipa::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use crate::problem::{ApiError, ApiResult, Problems};

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Billing", description = crate::billing::TAG)))]
struct Document;

/// Route of the webhooks of the payment provider at its
/// [endpoint](hexabase_core::billing::BillingProvider::webhook_endpoint); no route without one.
pub fn router<S>(endpoint: Option<WebhookEndpoint>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    let area = OpenApiRouter::with_openapi(Document::openapi());
    let Some(endpoint) = endpoint else { return area };
    let (schemas, mut paths, methods): UtoipaMethodRouter<S> = routes!(receive_billing_webhook);
    let operations = std::mem::take(&mut paths.paths).into_values();
    paths.paths = operations.map(|item| (endpoint.path().to_owned(), item)).collect();
    area.routes((schemas, paths, methods))
}

/// Returns the OpenAPI document of the area for an endpoint.
#[must_use]
pub fn openapi(endpoint: Option<WebhookEndpoint>) -> utoipa::openapi::OpenApi {
    crate::openapi::area(router(endpoint))
}

/// `true` if a route is that of the webhooks of the platform's payment provider or of Alertmanager.
pub(crate) fn is_route(platform: &Platform, route: &str) -> bool {
    route == crate::alerts::WEBHOOK_PATH
        || platform.billing_provider().webhook_endpoint().is_some_and(|endpoint| endpoint.path() == route)
}

/// Receive a webhook of the payment provider
///
/// Verifies the event and stores it once; a worker then reconciles the billing account.
// The path is replaced by that of the provider.
#[utoipa::path(post, path = "/webhooks", tag = "Billing", security(()),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses((status = 200, description = "The event is accepted."), Problems))]
async fn receive_billing_webhook(
    State(platform): State<Platform>,
    headers: HeaderMap,
    body: Bytes,
) -> ApiResult<StatusCode> {
    let endpoint = platform.billing_provider().webhook_endpoint().ok_or_else(ApiError::no_such_path)?;
    let signature = headers.get(endpoint.signature_header()).and_then(|value| value.to_str().ok());
    platform.billing().receive_webhook(&body, signature.unwrap_or_default()).await?;
    Ok(StatusCode::OK)
}
