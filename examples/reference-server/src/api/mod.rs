//! The HTTP API.

mod edge;
mod extract;
mod openapi;
mod problem;
mod response;
mod routes;

use axum::Router;
use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
pub(crate) use edge::{BODY_TIMEOUT, BodyBudgets, ProvenClients, subscriber_network};
pub use openapi::document;
use problem::ApiError;
pub(crate) use routes::ProbeResults;

/// Returns the router of the API, without a listener.
pub fn router(app: App) -> Router {
    let (router, _) = routes::router(app.dev.is_some()).split_for_parts();
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

/// Returns the router of a port for metrics.
pub(crate) fn metrics(app: App) -> Router {
    let edge = from_fn_with_state(app.clone(), edge::process_request);
    routes::metrics().fallback(not_found).layer(edge).with_state(app)
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
