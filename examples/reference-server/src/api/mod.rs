//! The HTTP API.

mod edge;
mod extract;
mod problem;
mod reply;
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
use problem::Refusal;

/// The API as a router, for whoever serves it.
pub fn router(app: App) -> Router {
    let (router, _) = documented(app.dev.is_some()).split_for_parts();
    let edge = from_fn_with_state(app.clone(), edge::edge);
    router
        .fallback(elsewhere)
        .method_not_allowed_fallback(async || Refusal::method_not_allowed())
        .layer(edge)
        .with_state(app)
}

/// What a process without an API answers: whether it lives, and its figures.
pub(crate) fn probes(app: App) -> Router {
    let edge = from_fn_with_state(app.clone(), edge::edge);
    routes::probes().fallback(elsewhere).layer(edge).with_state(app)
}

/// The OpenAPI document of the API, with or without the development provider.
#[must_use]
pub fn document(dev: bool) -> utoipa::openapi::OpenApi {
    documented(dev).into_openapi()
}

/// Older clients write a slash at the end of paths: they are sent on. Everything else is not there.
async fn elsewhere(request: Request) -> Response {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    // What begins with two slashes would lead to another host.
    let is_ours = trimmed.len() < path.len() && trimmed.starts_with('/') && !trimmed.starts_with("//");
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&format!("{trimmed}{query}")) {
        Ok(location) if is_ours => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
        _ => Refusal::no_such_path().into_response(),
    }
}

fn documented(dev: bool) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(About::openapi()).merge(routes::router(dev))
}

/// Multi-tenant Kubernetes: organizations, workspaces, projects, groups and roles.
///
/// Errors are `application/problem+json` (RFC 9457); `code` is stable. Representations have a `version` and an
/// `ETag`, which `If-Match` is compared with. A `POST` with an `Idempotency-Key` can be repeated safely for 24
/// hours. Lists are read page by page with `limit` and `cursor`. Times are RFC 3339 in UTC, amounts are Kubernetes
/// quantities, money is in the currency's smallest unit.
#[derive(OpenApi)]
#[openapi(
    info(title = "Hexabase", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    modifiers(&Credentials),
    security(("bearer" = []), ("session" = [], "csrf" = [])),
    tags(
        (name = "Organizations", description = "Who buys workspaces, and who belongs to them."),
        (name = "Workspaces", description = "Tenant clusters."),
        (name = "Projects", description = "Parts of workspaces: namespaces with a quota."),
        (name = "Groups", description = "Who is who in a workspace. Groups reach the cluster as claims."),
        (name = "Roles", description = "What groups may do in the cluster."),
        (name = "Sign-in", description = "Who is calling."),
        (name = "Billing", description = "What it costs."),
        (name = "OIDC", description = "What tenant clusters need to know to trust our tokens."),
        (name = "System", description = "What operators and their tools ask."),
    )
)]
struct About;

struct Credentials;

impl utoipa::Modify for Credentials {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token or an API token."))
            .build();
        let cookie = ApiKeyValue::with_description(
            format!("__Host-{}", edge::SESSION_COOKIE),
            "A browser's session. Without https the name has no prefix.".to_owned(),
        );
        let csrf = ApiKeyValue::with_description(
            "X-CSRF-Token",
            "What the cookie hexabase_csrf says; needed with the session cookie for anything but reading.",
        );
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("csrf", SecurityScheme::ApiKey(ApiKey::Header(csrf)));
    }
}
