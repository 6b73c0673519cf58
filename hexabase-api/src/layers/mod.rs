//! Outer layer of all requests: request id, authentication, rate limit, body limit, security headers, access log and
//! metrics.

mod body;
mod client_address;
mod idempotency;
mod identity;
mod rate_limit;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    USER_AGENT, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hexabase_core::error::Error;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::Origin;
use tracing::Instrument as _;

pub use body::BODY_TIMEOUT;
pub(crate) use body::BodyBudgets;
pub use client_address::subscriber_network;
pub(crate) use identity::{
    Authenticated, Browser, CSRF_COOKIE, ClientOrigin, LOGIN_COOKIE, SESSION_COOKIE, cookie_name, is_secure,
};

pub(crate) use rate_limit::ProvenClients;

use self::body::BodyLimits;
use self::identity::Identity;
use self::rate_limit::Limit;
use crate::pages::ErrorPage;
use crate::problem::ApiError;
use crate::state::ApiState;

/// Maximum length of the recorded `User-Agent`, in characters.
const MAX_DEVICE_CHARS: usize = 256;

/// Routes that browsers open. They receive errors as pages.
const PAGE_ROUTES: [&str; 5] = [
    "/auth/login/{provider}",
    "/auth/callback/{provider}",
    "/oauth2/authorize",
    "/oauth2/device",
    "/oauth2/logout",
];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Processes a request, from its id to the log entry and metrics of its response.
pub(crate) async fn process_request(State(app): State<ApiState>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&app, request.headers());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = matched.unwrap_or_default();
    let span = tracing::info_span!("request", %id, %method, route);
    let is_page = PAGE_ROUTES.contains(&route.as_str()) && accepts_html(request.headers());
    let handled = authorize_request(&app, &id, &route, request, next);
    let timed = tokio::time::timeout(app.config().timeout, AssertUnwindSafe(handled).catch_unwind());
    let mut response = match timed.instrument(span.clone()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => span.in_scope(|| ApiError::from(Error::unexpected("handler panicked")).into_response()),
        Err(_) => {
            let message = "the request timed out; repeat it";
            span.in_scope(|| ApiError::from(Error::unavailable(message)).into_response())
        }
    };
    let page = response.extensions_mut().remove::<ErrorPage>();
    let error = response.extensions_mut().remove::<ApiError>();
    let rendered = match (page, error) {
        (Some(page), _) => Some(page.into_page_response(&id)),
        (None, Some(error)) if is_page => Some(ErrorPage::from(error).into_page_response(&id)),
        (None, error) => error.map(|error| error.into_problem_response(&id)),
    };
    if let Some(rendered) = rendered {
        let headers = std::mem::replace(&mut response, rendered).into_parts().0.headers;
        for name in [axum::http::header::ALLOW, rate_limit::RATELIMIT_POLICY, rate_limit::RATELIMIT] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    set_security_headers(&app, &id, response.headers_mut());
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    span.in_scope(|| tracing::info!(target: "hexabase::access", status, ?elapsed, "request completed"));
    record_metrics(&method, &route, status, elapsed);
    response
}

/// Runs the checks that can reject a request, cheapest first, and then its handler.
async fn authorize_request(app: &ApiState, id: &str, route: &str, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = client_address::client_address(&parts, &app.config().trusted_proxies);
    let limit = Limit::of(&parts.method, route);
    let identity = match limit {
        // The responses are the same for all callers, so a credential causes no work.
        Limit::Unlimited => Identity::Anonymous,
        _ => identity::identify(app.auth(), &parts).await,
    };
    let mut allowance = match rate_limit::take_token(app, limit, &identity, address).await {
        Ok(allowance) => allowance,
        Err(response) => return response,
    };
    let limits = BodyLimits::of(route, &identity, address);
    // The body is counted until its request is processed.
    let (body, _reservation) = match body::read(app, body, limits).await {
        Ok(read) => read,
        // A caller with expired credentials has to learn that first, to renew them.
        Err(error) => match identity {
            Identity::Rejected(rejection) => return rejection.into_response(),
            _ => return error.into_response(),
        },
    };
    let mut client = None;
    if limit == Limit::Client {
        (allowance, client) = match rate_limit::take_client_token(app, &parts.headers, &body, address).await {
            Ok(taken) => taken,
            Err(response) => return response,
        };
    }
    match idempotency::key(&parts, &body) {
        Ok(Some(key)) => drop(parts.extensions.insert(key)),
        Ok(None) => {}
        Err(error) => return error.into_response(),
    }
    let device = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    parts.extensions.insert(Origin {
        address: address.map(|address| address.to_string()),
        device: device.chars().take(MAX_DEVICE_CHARS).collect(),
        request_id: id.to_owned(),
    });
    parts.extensions.insert(identity);
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Some(client) = client.filter(|_| response.status().is_success()) {
        app.proven_clients().insert(client);
    }
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

/// `true` if the request is from a browser that shows the response.
fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().any(|value| value.to_str().is_ok_and(|value| value.contains("text/html")))
}

/// Returns the request id from the caller if it is valid (1 to 64 letters, digits, `-`, `_` or `.`), or a new one.
fn request_id(app: &ApiState, headers: &HeaderMap) -> String {
    let sent = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let is_valid = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match sent.filter(is_valid) {
        Some(id) => id.to_owned(),
        None => format!("{:032x}", u128::from_be_bytes(app.platform().ids().bytes())),
    }
}

/// Sets the headers that every response carries.
fn set_security_headers(app: &ApiState, id: &str, headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if is_secure(app.platform()) {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    let defaults = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Counts a request. Each label has a closed set of values, because every combination occupies memory until the process
/// ends: methods of the API, path templates of the router, and statuses that handlers return.
fn record_metrics(method: &Method, route: &str, status: u16, elapsed: Duration) {
    let labels = [
        ("method", method_label(method).to_owned()),
        ("route", if route.is_empty() { "none".to_owned() } else { route.to_owned() }),
        ("status", status.to_string()),
    ];
    metrics::counter!("hexabase_http_requests_total", &labels).increment(1);
    metrics::histogram!("hexabase_http_request_seconds", &labels[..2]).record(elapsed);
}

/// Returns the metric label of a method. Callers can invent methods, which share one label.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
