//! The HTTP API.

mod edge;
mod extract;
mod problem;
mod response;
mod routes;

use axum::Router;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use problem::ApiError;

/// Returns the router of the API, without a listener.
pub fn router(app: App) -> Router {
    let (router, _) = openapi_router(app.dev.is_some()).split_for_parts();
    let edge = from_fn_with_state(app.clone(), edge::process_request);
    router
        .fallback(not_found)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(edge)
        .with_state(app)
}

/// Returns the router of a process without the API: health, readiness and metrics.
pub(crate) fn probes(app: App) -> Router {
    let edge = from_fn_with_state(app.clone(), edge::process_request);
    routes::probes().fallback(not_found).layer(edge).with_state(app)
}

/// Returns the OpenAPI document of the API, with or without the development provider.
#[must_use]
pub fn document(dev: bool) -> utoipa::openapi::OpenApi {
    openapi_router(dev).into_openapi()
}

/// Redirects a path with a trailing slash, which older clients send, with 308; every other path is `not_found`.
async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    // A location that begins with two slashes leads to another host.
    let is_local = trimmed.len() < path.len() && trimmed.starts_with('/') && !trimmed.starts_with("//");
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{trimmed}{query}")) {
        Ok(location) if is_local => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
        _ => ApiError::no_such_path().into_response(),
    }
}

fn openapi_router(dev: bool) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(ApiDocument::openapi()).merge(routes::router(dev))
}

/// Multi-tenant Kubernetes: organizations, workspaces, projects, groups and roles.
///
/// Errors are `application/problem+json` (RFC 9457); their `code` is stable. Representations carry a `version` and an
/// `ETag`; `If-Match` makes a change conditional on it. A `POST` with an `Idempotency-Key` can be repeated safely for
/// 24 hours. Lists are paginated with `limit` and `cursor`. Times are RFC 3339 in UTC, resource amounts are Kubernetes
/// quantities, money is in minor units of the currency.
#[derive(OpenApi)]
#[openapi(
    info(title = "Hexabase", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&SecuritySchemes),
    security(("bearer" = []), ("session" = [], "csrf" = [])),
    tags(
        (name = "Organizations", description = "Organizations, their members, invitations, service accounts and audit log."),
        (name = "Workspaces", description = "Tenant clusters."),
        (name = "Projects", description = "Projects of workspaces: namespaces with a quota."),
        (name = "Groups", description = "Groups of workspaces and their members. Groups reach the cluster as claims."),
        (name = "Roles", description = "Roles and their assignments to groups: permissions in the cluster."),
        (name = "Sign-in", description = "Sign-in, sessions and API tokens."),
        (name = "Billing", description = "Plans, subscriptions, payment methods, invoices and usage."),
        (name = "OIDC", description = "OpenID Connect provider of the tenant clusters."),
        (name = "System", description = "Health, readiness, metrics and documentation of the server."),
    )
)]
struct ApiDocument;

struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("Access token or API token."))
            .build();
        let cookie = ApiKeyValue::with_description(
            format!("__Host-{}", edge::SESSION_COOKIE),
            "Session of a browser. Without HTTPS the name has no prefix.".to_owned(),
        );
        let csrf = ApiKeyValue::with_description(
            "X-CSRF-Token",
            "Value of the cookie hexabase_csrf; required with the session cookie for every method that is not safe.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
    }
}
