//! Where every request comes in and every answer goes out: its id, who is calling, what they may ask for, and
//! how it went.

mod address;
mod idempotency;
mod identity;
mod rate;

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    USER_AGENT, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hexabase_core::error::Error;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::Origin;
use tracing::Instrument as _;

pub(crate) use identity::{
    Browser, CSRF_COOKIE, LOGIN_COOKIE, SESSION_COOKIE, SignedIn, Visitor, cookie_name,
};

use super::problem::Refusal;
use crate::app::App;

/// The largest body that is read.
const LARGEST_BODY: usize = 1024 * 1024;
/// The longest text that is kept of what a client calls itself.
const LONGEST_DEVICE: usize = 256;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Lets a request in, and sees its answer off.
pub(crate) async fn edge(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(&app, request.headers());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let route = matched.unwrap_or_default();
    let span = tracing::info_span!("request", %id, %method, route);
    let answered = admit(&app, &id, &route, request, next);
    let bounded = tokio::time::timeout(app.entry.timeout, AssertUnwindSafe(answered).catch_unwind());
    let mut response = match bounded.instrument(span.clone()).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            span.in_scope(|| Refusal::from(Error::unexpected("a handler panicked")).into_response())
        }
        Err(_) => {
            let message = "the request took too long and was given up; it may be tried again";
            span.in_scope(|| Refusal::from(Error::unavailable(message)).into_response())
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Refusal>() {
        let headers = std::mem::take(response.headers_mut());
        response = problem.into_answer(&id);
        for name in [axum::http::header::ALLOW, rate::POLICY, rate::STATE] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
    }
    dress(&app, &id, response.headers_mut());
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    span.in_scope(|| tracing::info!(target: "hexabase::access", status, took = ?took, "answered"));
    count(method.as_str(), &route, status, took);
    response
}

/// Everything that can keep a request from being handled, in the order in which it is cheapest to find out.
async fn admit(app: &App, id: &str, route: &str, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = address::of_client(&parts, &app.entry.trusted_proxies);
    let identity = identity::identify(app, &parts).await;
    let allowance = match rate::take(app, route, &identity, address).await {
        Ok(allowance) => allowance,
        Err(refusal) => return refusal,
    };
    let body = match read(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    match idempotency::key(&parts, &body) {
        Ok(Some(key)) => drop(parts.extensions.insert(key)),
        Ok(None) => {}
        Err(problem) => return problem.into_response(),
    }
    let device = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    parts.extensions.insert(Origin {
        address: address.map(|address| address.to_string()),
        device: device.chars().take(LONGEST_DEVICE).collect(),
        request_id: id.to_owned(),
    });
    parts.extensions.insert(identity);
    let mut response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if let Some(allowance) = allowance {
        allowance.write(response.headers_mut());
    }
    response
}

/// The caller's id for the request, if it is a decent one, or a new one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let decent = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match given.filter(decent) {
        Some(id) => id.to_owned(),
        None => format!("{:032x}", u128::from_be_bytes(app.platform.ids().bytes())),
    }
}

async fn read(body: Body) -> Result<axum::body::Bytes, Refusal> {
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(Refusal::too_large(LARGEST_BODY));
    }
    if body.is_end_stream() {
        return Ok(axum::body::Bytes::new());
    }
    to_bytes(body, LARGEST_BODY).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        match source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
            true => Refusal::too_large(LARGEST_BODY),
            false => Refusal::malformed("the body broke off"),
        }
    })
}

/// Puts on an answer what every answer wears.
fn dress(app: &App, id: &str, headers: &mut HeaderMap) {
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if app.is_secure() {
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

fn count(method: &str, route: &str, status: u16, took: Duration) {
    let labels = [
        ("method", method.to_owned()),
        ("route", if route.is_empty() { "none".to_owned() } else { route.to_owned() }),
        ("status", status.to_string()),
    ];
    metrics::counter!("hexabase_http_requests_total", &labels).increment(1);
    metrics::histogram!("hexabase_http_request_seconds", &labels[..2]).record(took);
}
