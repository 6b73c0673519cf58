//! What tenant clusters need to know to trust our tokens.

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(discovery)).routes(routes!(jwks))
}

/// Long enough to spare requests, short enough for a new key to be known before it signs.
const FIVE_MINUTES: &str = "public, max-age=300";

fn public(document: Value) -> Response {
    ([(CACHE_CONTROL, FIVE_MINUTES)], Json(document)).into_response()
}

/// Describe this issuer (OpenID Connect Discovery).
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "OIDC", security(()),
    responses((status = 200, body = Object)))]
async fn discovery(State(app): State<App>) -> Response {
    public(app.auth.discovery())
}

/// Show the public keys of this issuer (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "OIDC", security(()),
    responses((status = 200, body = Object)))]
async fn jwks(State(app): State<App>) -> Response {
    public(app.auth.jwks().await)
}
