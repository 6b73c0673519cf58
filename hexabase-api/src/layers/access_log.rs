//! Access log, trace span and metrics of requests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use hexabase_core::Platform;
use hexabase_core::trace::TraceParent;
use ipnet::IpNet;
use tracing::Instrument as _;

use super::client_address::peer;
use super::request_context::RequestContext;
use crate::state::ApiConfig;
use crate::telemetry::{HTTP_REQUEST_SECONDS, HTTP_REQUESTS};

/// Middleware that processes a request in a span with its id, method and route, logs its completion under the target
/// `hexabase::access`, and counts it in `hexabase_http_requests_total` and `hexabase_http_request_seconds`. Neither
/// contains a path or query, which can contain secrets.
///
/// The span continues the trace of the header `traceparent` if the peer is one of [`ApiConfig::trusted_proxies`]: other
/// clients could make the process record all their requests.
pub async fn access_log(
    State(platform): State<Platform>,
    State(config): State<Arc<ApiConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let context: Arc<RequestContext> = RequestContext::of(request.extensions());
    let method = request.method().clone();
    let span =
        tracing::info_span!("http", id = %context.id, method = method_label(&method), route = context.route);
    if let Some(parent) = trace_parent(&request, &config.trusted_proxies) {
        platform.trace_propagation().set_parent(&span, parent);
    }
    let response = next.run(request).instrument(span.clone()).await;
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    span.in_scope(|| tracing::info!(target: "hexabase::access", status, ?elapsed, "request completed"));
    record_metrics(&method, &context.route, status, elapsed);
    response
}

/// Returns the position in a trace that a trusted proxy sent.
fn trace_parent(request: &Request, trusted: &[IpNet]) -> Option<TraceParent> {
    let sent = request.headers().get("traceparent")?;
    let peer = peer(request)?;
    let is_trusted = trusted.iter().any(|network| network.contains(&peer));
    sent.to_str().ok().filter(|_| is_trusted)?.parse().ok()
}

/// Counts a request. Each label has a closed set of values, because every combination occupies memory until the process
/// ends: methods of the API, path templates of the router, and statuses that handlers return.
fn record_metrics(method: &Method, route: &str, status: u16, elapsed: Duration) {
    let labels = [
        ("method", method_label(method).to_owned()),
        ("route", if route.is_empty() { "none".to_owned() } else { route.to_owned() }),
        ("status", status.to_string()),
    ];
    metrics::counter!(HTTP_REQUESTS, &labels).increment(1);
    metrics::histogram!(HTTP_REQUEST_SECONDS, &labels[..2]).record(elapsed);
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
