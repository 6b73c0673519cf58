//! Access log, trace span and metrics of requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use hexabase_core::Platform;
use hexabase_core::trace::TraceParent;
use ipnet::IpNet;
use metrics::{Counter, Histogram};
use tracing::field::Empty;

use super::client_address::peer;
use super::request_context::RequestContext;
use crate::state::ApiConfig;
use crate::telemetry::{HTTP_REQUEST_SECONDS, HTTP_REQUESTS};

/// Middleware that processes a request in a span with its id, method, route and status, logs its completion under the
/// target `hexabase::access`, and counts it in `hexabase_http_requests_total` and `hexabase_http_request_seconds`. None
/// of these contains a path or query, which can contain secrets.
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
    let (method, route) = (method_label(request.method()), &*context.route);
    let span = tracing::info_span!("http", id = context.id, method, route, status = Empty);
    if let Some(parent) = trace_parent(&request, &config.trusted_proxies) {
        platform.trace_propagation().set_parent(&span, parent);
    }
    // `Instrument` would enter the span once more, to drop the future.
    let mut processing = pin!(next.run(request));
    let response = poll_fn(|context| span.in_scope(|| processing.as_mut().poll(context))).await;
    let (status, elapsed) = (response.status().as_u16(), started.elapsed());
    // Exported as a number, unlike unsigned ones.
    span.record("status", i64::from(status));
    // Outside of the span, which would contain a copy of the line when it is exported.
    tracing::info!(
        target: "hexabase::access", parent: None, id = context.id, method, route, status, ?elapsed, "request completed",
    );
    record_metrics(method, &context.route, response.status(), elapsed);
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
fn record_metrics(method: &'static str, route: &Arc<str>, status: StatusCode, elapsed: Duration) {
    let recorder = metrics::with_recorder(|recorder| std::ptr::from_ref(recorder).addr());
    let key = SeriesKey { recorder, method, route: route.clone(), status };
    SERIES.with_borrow_mut(|series| {
        let (count, seconds) = series.entry(key).or_insert_with_key(SeriesKey::register);
        count.increment(1);
        seconds.record(elapsed);
    });
}

thread_local! {
    /// Series of the requests that this thread completed: finding them by their labels takes longer than recording.
    static SERIES: RefCell<HashMap<SeriesKey, (Counter, Histogram)>> = RefCell::default();
}

#[derive(PartialEq, Eq, Hash)]
struct SeriesKey {
    /// Address of the recorder of the series: an embedder can install one after the first requests.
    recorder: usize,
    method: &'static str,
    route: Arc<str>,
    status: StatusCode,
}

impl SeriesKey {
    fn register(&self) -> (Counter, Histogram) {
        let route = if self.route.is_empty() { "none".to_owned() } else { self.route.to_string() };
        let labels = [
            ("method", self.method.to_owned()),
            ("route", route),
            ("status", self.status.as_str().to_owned()),
        ];
        (metrics::counter!(HTTP_REQUESTS, &labels), metrics::histogram!(HTTP_REQUEST_SECONDS, &labels[..2]))
    }
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
