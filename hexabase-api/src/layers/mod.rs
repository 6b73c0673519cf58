//! Middleware of the API, from the id of a request to the log entry of its response.
//!
//! Each function is middleware for [`axum::middleware::from_fn_with_state`] over any state that supplies its parts;
//! [`default_stack`] applies all of them in their order:
//!
//! | layer, outermost first | does | needs outside of it |
//! |---|---|---|
//! | [`request_context`] | gives the request an id, which errors and `X-Request-Id` contain | |
//! | [`security_headers`] | sets the security headers of the response | |
//! | [`access_log`] | span, log entry and metrics | `request_context` |
//! | [`error_pages`] | shows errors to browsers as pages | `request_context` |
//! | [`catch_panic`] | responds to a panic with 500 | |
//! | [`timeout`] | ends a slow request with 503 | |
//! | [`client_address`] | finds the address of the client behind trusted proxies | `request_context` |
//! | [`credentials`] | authenticates the caller | `client_address` |
//! | [`csrf`] | rejects credentials that another site may have used | `credentials` |
//! | [`limit_requests`] | counts the request against the allowance of its caller | `client_address`, `csrf` |
//! | [`limit_body`] | reads the body within its limits | `client_address`, `csrf` |
//! | [`limit_clients`] | counts the requests of OAuth clients | `limit_body` |
//! | [`idempotency`] | reads the idempotency key | `limit_body` |

mod access_log;
mod body_limit;
mod client_address;
mod credentials;
mod csrf;
mod error_pages;
mod failure;
mod idempotency;
mod rate_limit;
mod request_context;
mod security_headers;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tower::ServiceBuilder;

pub use access_log::access_log;
pub use body_limit::{BODY_TIMEOUT, BodyBudgets, limit_body};
pub use client_address::{client_address, subscriber_network};
pub(crate) use credentials::Identity;
pub use credentials::credentials;
pub use csrf::{csrf, forms_of_this_site};
pub(crate) use error_pages::AlwaysPage;
pub use error_pages::error_pages;
pub use failure::{catch_panic, timeout};
pub use idempotency::idempotency;
pub use rate_limit::{ProvenClients, limit_clients, limit_requests};
pub use request_context::{
    BrowserPreferences, PREFERENCES_COOKIE, RequestContext, request_context, server_path,
};
pub use security_headers::security_headers;

use crate::state::ApiState;

/// Applies the layers to a router of pages: as [`default_stack`], with [`forms_of_this_site`] in place of [`csrf`], and
/// without idempotency keys in headers. Errors are pages for navigations of browsers.
pub fn page_stack<S>(router: Router<S>, state: &ApiState) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let state = || state.clone();
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state(), request_context))
            .layer(from_fn_with_state(state(), security_headers))
            .layer(from_fn_with_state(state(), access_log))
            .layer(from_fn_with_state(state(), error_pages))
            .layer(from_fn(catch_panic))
            .layer(from_fn_with_state(state(), timeout))
            .layer(from_fn_with_state(state(), client_address))
            .layer(from_fn_with_state(state(), credentials))
            .layer(from_fn_with_state(state(), forms_of_this_site))
            .layer(from_fn_with_state(state(), limit_requests))
            .layer(from_fn_with_state(state(), limit_body)),
    )
}

/// Applies the layers to a router of static files: id, security headers and access log. The responses are the same for all
/// callers and cause no work, so they have no limit.
pub fn file_stack<S>(router: Router<S>, state: &ApiState) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let state = || state.clone();
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state(), request_context))
            .layer(from_fn_with_state(state(), security_headers))
            .layer(from_fn_with_state(state(), access_log)),
    )
}

/// Applies all layers to a router, in the order of the [module's](self) table.
pub fn default_stack<S>(router: Router<S>, state: &ApiState) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let state = || state.clone();
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(state(), request_context))
            .layer(from_fn_with_state(state(), security_headers))
            .layer(from_fn_with_state(state(), access_log))
            .layer(from_fn_with_state(state(), error_pages))
            .layer(from_fn(catch_panic))
            .layer(from_fn_with_state(state(), timeout))
            .layer(from_fn_with_state(state(), client_address))
            .layer(from_fn_with_state(state(), credentials))
            .layer(from_fn_with_state(state(), csrf))
            .layer(from_fn_with_state(state(), limit_requests))
            .layer(from_fn_with_state(state(), limit_body))
            .layer(from_fn_with_state(state(), limit_clients))
            .layer(from_fn(idempotency)),
    )
}
