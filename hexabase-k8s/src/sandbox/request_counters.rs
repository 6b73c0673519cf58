//! Metrics of an API server of the sandbox: the number of its requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use http::{Method, StatusCode};

/// Numbers of requests, by method and status.
#[derive(Debug, Default)]
pub(super) struct RequestCounters(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl RequestCounters {
    pub(super) fn count(&self, method: &Method, status: StatusCode) {
        let method = match *method {
            Method::GET => "GET",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            _ => "OTHER",
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((method, status.as_u16())).or_default() += 1;
    }

    /// Returns the metrics in the text format of Prometheus. One of them is not among those that Hexabase selects.
    pub(super) fn to_text(&self) -> String {
        let mut text = "# TYPE apiserver_request_total counter\n".to_owned();
        for ((method, status), count) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "apiserver_request_total{{code=\"{status}\",component=\"apiserver\",verb=\"{method}\"}} {count}"
            );
        }
        text + "# TYPE apiserver_audit_event_total counter\napiserver_audit_event_total 0\n"
    }
}
