//! HTTP API of Hexabase as [`axum`] routers over a [`Platform`](hexabase_core::Platform).
//!
//! [`router`] is the whole API. Each area has a router of its own, which needs only the parts of the state that it
//! uses.

pub mod access;
pub mod admin;
pub mod billing;
pub mod budget;
mod event_hub;
mod extract;
pub mod layers;
pub mod oidc;
mod openapi;
mod optional_field;
pub mod organizations;
mod pages;
mod path_params;
mod problem;
pub mod projects;
mod response;
pub mod sign_in;
mod state;
pub mod system;
mod tree_list;
pub mod webhooks;
pub mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use utoipa_axum::router::OpenApiRouter;

pub use event_hub::{EventStreamLimits, EventStreams};
pub use openapi::document;
use problem::ApiError;
pub use state::{ApiConfig, ApiState, ApiStateBuilder, RenderMetrics};
pub use system::{MetricsAccess, SystemState};

/// Router of the whole API with all layers, without a listener.
pub fn router(state: ApiState) -> Router {
    let development = state.development_provider().cloned().map(Some);
    let (router, _) = areas(development).split_for_parts();
    layered(router, state)
}

/// Router of a process without the API, with all layers: health, readiness, metrics and information.
pub fn probes(state: ApiState) -> Router {
    layered(system::probes_router().split_for_parts().0, state)
}

/// Router of a port for metrics, with all layers.
pub fn metrics(state: ApiState) -> Router {
    layered(system::metrics_router(), state)
}

/// Routes of all areas; those of the development provider only if `development` is set.
fn areas<S>(development: Option<Option<Arc<DevProvider>>>) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    Arc<Auth>: FromRef<S>,
    EventStreams: FromRef<S>,
    SystemState: FromRef<S>,
{
    let areas = [
        system::router(),
        oidc::router(),
        sign_in::router(),
        billing::router(),
        webhooks::router(),
        organizations::router(),
        organizations::events_router(),
        workspaces::router(),
        access::router(),
        projects::router(),
        admin::router(),
    ];
    let router = areas.into_iter().fold(OpenApiRouter::new(), OpenApiRouter::merge);
    match development {
        Some(provider) => router.merge(sign_in::development_router(provider)),
        None => router,
    }
}

/// Adds the fallbacks and the layers.
fn layered(router: Router<ApiState>, state: ApiState) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(async || ApiError::method_not_allowed())
        .layer(from_fn_with_state(state.clone(), layers::process_request))
        .with_state(state)
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
