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

/// What hardly ever changes.
const FIVE_MINUTES: &str = "public, max-age=300";
/// API servers ask again for a key that they do not know, but not while what they have is said to be fresh for longer than
/// this: tokens that are signed with a key that had to come at once would be refused.
const HALF_A_MINUTE: &str = "public, max-age=30";

fn public(lifetime: &'static str, document: Value) -> Response {
    ([(CACHE_CONTROL, lifetime)], Json(document)).into_response()
}

/// Describe this issuer (OpenID Connect Discovery).
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "OIDC", security(()),
    responses((status = 200, body = Object)))]
async fn discovery(State(app): State<App>) -> Response {
    public(FIVE_MINUTES, app.auth.discovery())
}

/// Show the public keys of this issuer (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "OIDC", security(()),
    responses((status = 200, body = Object)))]
async fn jwks(State(app): State<App>) -> Response {
    public(HALF_A_MINUTE, app.auth.jwks().await)
}
