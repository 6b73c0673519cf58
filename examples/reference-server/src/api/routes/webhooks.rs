//! What others tell the platform.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::problem::{Answer, Problems};
use crate::app::App;

/// The header in which Stripe signs what it tells (<https://docs.stripe.com/webhooks/signature>).
const SIGNATURE: &str = "stripe-signature";

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(stripe))
}

/// Take in what Stripe tells. It is kept once and answered at once; somebody looks at the account afterwards.
#[utoipa::path(post, path = "/webhooks/stripe", tag = "Billing", security(()),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses((status = 200, description = "It is taken in."), Problems))]
async fn stripe(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Answer<StatusCode> {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    app.platform.billing().receive_webhook(&body, signature).await?;
    Ok(StatusCode::OK)
}
