//! HTTP API of Hexabase as [`axum`] routers over a [`Platform`].
//!
//! [`router`] is the whole API with its layers. It can be nested under a path of another router:
//!
//! ```
//! use hexabase_api::{ApiState, router};
//! use hexabase_auth::{Auth, AuthConfig};
//! use hexabase_core::Platform;
//! # use hexabase_core::fixture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let platform = Platform::builder("https://shop.example/tenancy")
//!     .with_plans(vec![fixture::plan("small")])
//!     .build()?;
//! let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await?;
//! let service: axum::Router =
//!     axum::Router::new().nest("/tenancy", router(ApiState::new(platform, auth)));
//! # drop(service);
//! # Ok(()) })
//! # }
//! ```
//!
//! # Areas
//!
//! Each area has a router of its own, generic over the state: it takes the parts that it uses with
//! [`FromRef`]. [`ApiState`] supplies them all.
//!
//! | area | operations | parts |
//! |---|---|---|
//! | [`organizations`] | organizations, members, invitations, service accounts, audit log | `Platform` |
//! | [`organizations::events_router`] | live events | [`EventStreams`] |
//! | [`workspaces`] | workspaces, kubeconfigs, tasks, node pools | `Platform`, `Arc<Auth>` |
//! | [`logs`] | logs of pods, read and followed | [`LogStreams`] |
//! | [`access`] | groups, roles, assignments | `Platform` |
//! | [`projects`] | projects | `Platform` |
//! | [`metrics`](mod@metrics) | metrics, health, live usage | `Platform`, [`UsageStreams`] |
//! | [`metrics::federation_router`] | series for the Prometheus of a tenant | [`FederationReads`] |
//! | [`alerts`] | alert rules, alerts, silences | `Platform` |
//! | [`alerts::webhook_router`] | webhook of Alertmanager | `Platform`, [`AlertWebhookToken`](alerts::AlertWebhookToken) |
//! | [`billing`] | plans, subscriptions, payments, invoices, usage | `Platform` |
//! | [`webhooks`] | webhooks of the payment provider | `Platform` |
//! | [`admin`] | host clusters, queue and keys, for platform administrators | `Platform`, `Arc<Auth>` |
//! | [`admin::scrape_targets_router`] | scrape targets of the tenant API servers | `Platform`, [`ScrapeDiscovery`](admin::ScrapeDiscovery) |
//! | [`sign_in`] | sign-in, sessions, API tokens, page of invitations | `Platform`, `Arc<Auth>`, `Arc<dyn HtmlPages>` |
//! | [`oidc`] | OpenID Connect provider | `Arc<Auth>`, `Arc<dyn HtmlPages>` |
//! | [`system`] | health, metrics, documentation | [`SystemState`], `Arc<ApiConfig>` |
//!
//! # Requests
//!
//! The bodies and queries of an area's operations are public types in its module `requests`, such as
//! [`workspaces::requests`]; [`requests`] has those that areas share. Each type validates itself with `parse`, which
//! returns the command of the platform or lists all invalid fields. HTML forms of a console read the same types with
//! [`requests::from_form`], so that a form and the API accept and reject the same values.
//!
//! # Layers
//!
//! The middleware is in [`layers`]; an area that is mounted by itself needs at least
//! [`request_context`](layers::request_context), [`credentials`](layers::credentials) and [`csrf`](layers::csrf). Without
//! [`limit_body`](layers::limit_body) and [`idempotency`](layers::idempotency) it ignores `Idempotency-Key`.
//!
//! Errors write their own body (`application/problem+json`, RFC 9457). Browsers receive them as [pages](html_pages).

pub mod access;
pub mod admin;
pub mod alerts;
mod bearer_token;
pub mod billing;
pub mod budget;
mod caller;
mod cookies;
mod event_hub;
mod extract;
mod filters;
pub mod html_pages;
pub mod layers;
pub mod logs;
pub mod metrics;
pub mod oidc;
mod openapi;
pub mod organizations;
mod path_params;
mod problem;
pub mod projects;
pub mod requests;
mod response;
mod schema;
mod shared_reads;
pub mod sign_in;
mod state;
pub mod system;
pub mod telemetry;
mod tree_list;
pub mod trusted_proxy;
pub mod webhooks;
pub mod workspaces;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Request};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hexabase_auth::{Auth, DevProvider};
use hexabase_core::Platform;
use hexabase_core::billing::WebhookEndpoint;
use utoipa_axum::router::OpenApiRouter;

pub use caller::PageCaller;
pub use cookies::{cookie_for, expired_cookie, last_provider};
pub use event_hub::{EventStreamLimits, EventStreams, LogStreamLimits, UsageStreamLimits};
pub use extract::Path;
use html_pages::HtmlPages;
use layers::server_path;
pub use logs::LogStreams;
pub use metrics::{FederationReads, UsageStreams};
pub use openapi::document;
pub use problem::ApiError;
pub use response::Pager;
pub use state::{ApiConfig, ApiState, ApiStateBuilder, RenderMetrics};
pub use system::{MetricsAccess, SystemState};

/// Router of the whole API with all layers, without a listener.
pub fn router(state: ApiState) -> Router {
    let development = state.development_provider().cloned().map(Some);
    let webhooks = state.platform().billing_provider().webhook_endpoint();
    layered(areas(development, webhooks), state)
}

/// Router of a process without the API, with all layers: health, readiness, metrics and information.
pub fn probes(state: ApiState) -> Router {
    layered(system::probes_router().split_for_parts().0, state)
}

/// Router of a port for metrics, with all layers.
pub fn metrics(state: ApiState) -> Router {
    layered(system::metrics_router(), state)
}

/// Routes of all areas; those of the development provider only if `development` is set, and that of webhooks only if the
/// payment provider has an endpoint for them.
fn areas<S>(development: Option<Option<Arc<DevProvider>>>, webhooks: Option<WebhookEndpoint>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    Arc<Auth>: FromRef<S>,
    Arc<dyn HtmlPages>: FromRef<S>,
    EventStreams: FromRef<S>,
    UsageStreams: FromRef<S>,
    LogStreams: FromRef<S>,
    FederationReads: FromRef<S>,
    SystemState: FromRef<S>,
    Arc<ApiConfig>: FromRef<S>,
    alerts::AlertWebhookToken: FromRef<S>,
    admin::ScrapeDiscovery: FromRef<S>,
{
    // One area after the other, because the documents of their operations occupy megabytes until they are dropped.
    let areas: [fn() -> OpenApiRouter<S>; 16] = [
        system::router,
        oidc::router,
        sign_in::router,
        billing::router,
        organizations::router,
        organizations::events_router,
        workspaces::router,
        logs::router,
        access::router,
        projects::router,
        alerts::router,
        metrics::router,
        metrics::federation_router,
        alerts::webhook_router,
        admin::router,
        admin::scrape_targets_router,
    ];
    let router = Router::from(webhooks::router(webhooks));
    let router = areas.iter().fold(router, |router, area| router.merge(Router::from(area())));
    match development {
        Some(provider) => router.merge(Router::from(sign_in::development_router(provider))),
        None => router,
    }
}

/// Adds the fallbacks and the layers.
fn layered(router: Router<ApiState>, state: ApiState) -> Router {
    let router =
        router.fallback(not_found).method_not_allowed_fallback(async || ApiError::method_not_allowed());
    layers::default_stack(router, &state).with_state(state)
}

/// Redirects a path with a trailing slash, which older clients send, with 308; every other path is `not_found`.
async fn not_found(request: Request) -> Response {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    // A location that begins with two slashes leads to another host.
    let is_local = trimmed.len() < path.len() && trimmed.starts_with('/') && !trimmed.starts_with("//");
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    match HeaderValue::from_str(&server_path(&format!("{trimmed}{query}"))) {
        Ok(location) if is_local => (StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response(),
        _ => ApiError::no_such_path().into_response(),
    }
}
