//! Discovery documents of the OpenID Connect provider, which tenant clusters read to verify its tokens.

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

/// `Cache-Control` of the discovery document, which changes only with the configuration.
const DISCOVERY_CACHE_CONTROL: &str = "public, max-age=300";
/// `Cache-Control` of the signing keys. API servers fetch them again for an unknown key id, but not while their copy
/// is fresh, so a longer lifetime would reject tokens signed by a new key that skipped the publication period.
const JWKS_CACHE_CONTROL: &str = "public, max-age=30";

fn cacheable(cache_control: &'static str, document: Value) -> Response {
    ([(CACHE_CONTROL, cache_control)], Json(document)).into_response()
}

/// Get the OpenID Connect discovery document
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "OIDC", security(()),
    responses((status = 200, body = Object)))]
async fn discovery(State(app): State<App>) -> Response {
    cacheable(DISCOVERY_CACHE_CONTROL, app.auth.discovery())
}

/// Get the public signing keys (RFC 7517)
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "OIDC", security(()),
    responses((status = 200, body = Object)))]
async fn jwks(State(app): State<App>) -> Response {
    cacheable(JWKS_CACHE_CONTROL, app.auth.jwks().await)
}
