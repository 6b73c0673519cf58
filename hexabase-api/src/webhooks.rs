//! Webhooks of providers.

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::{HeaderMap, StatusCode};
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::problem::{ApiResult, Problems};

/// Header with the signature of a Stripe webhook (<https://docs.stripe.com/webhooks/signature>).
const SIGNATURE: &str = "stripe-signature";

/// Tags of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Billing", description = crate::billing::TAG)))]
struct Document;

/// Routes of the webhooks of providers.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi()).routes(routes!(stripe))
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}

/// Receive a webhook of Stripe
///
/// Verifies the event and stores it once; a worker then reconciles the billing account.
#[utoipa::path(post, path = "/webhooks/stripe", tag = "Billing", security(()),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses((status = 200, description = "The event is accepted."), Problems))]
async fn stripe(State(platform): State<Platform>, headers: HeaderMap, body: Bytes) -> ApiResult<StatusCode> {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    platform.billing().receive_webhook(&body, signature).await?;
    Ok(StatusCode::OK)
}
