//! Discovery documents of the OpenID Connect provider, which tenant clusters read to verify its tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use hexabase_auth::Auth;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::oidc::schemas::{JsonWebKeySet, ProviderMetadata};

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Auth>: FromRef<S>,
{
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
    responses((status = 200, body = ProviderMetadata)))]
async fn discovery(State(auth): State<Arc<Auth>>) -> Response {
    cacheable(DISCOVERY_CACHE_CONTROL, auth.issuer().discovery())
}

/// Get the public signing keys (RFC 7517)
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "OIDC", security(()),
    responses((status = 200, body = JsonWebKeySet)))]
async fn jwks(State(auth): State<Arc<Auth>>) -> Response {
    cacheable(JWKS_CACHE_CONTROL, auth.keys().jwks().await)
}
