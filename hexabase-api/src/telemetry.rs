//! Metric series that this crate records: see [`hexabase_core::telemetry`].

use hexabase_core::telemetry::Series;

pub(crate) const HTTP_REQUESTS: &str = "hexabase_http_requests_total";
pub(crate) const HTTP_REQUEST_SECONDS: &str = "hexabase_http_request_seconds";
pub(crate) const EVENT_STREAMS: &str = "hexabase_event_streams";
pub(crate) const ISOLATION_CHECK_FAILURES: &str = "hexabase_isolation_check_failures_total";

/// Series of this crate.
pub const SERIES: &[Series] = &[
    Series::counter(HTTP_REQUESTS, &["method", "route", "status"], "requests of the HTTP API"),
    Series::histogram(
        HTTP_REQUEST_SECONDS,
        &["method", "route"],
        "duration of a request until its response begins",
    ),
    Series::gauge(EVENT_STREAMS, &[], "open event streams"),
    Series::counter(
        ISOLATION_CHECK_FAILURES,
        &["host", "check"],
        "isolation checks that found a barrier missing",
    ),
];
