//! Responses of Prometheus (<https://prometheus.io/docs/prometheus/latest/querying/api/>), which are bounded.

use hexabase_core::error::{Error, Result};
use prometheus_http_query::Error as QueryError;
use prometheus_http_query::error::PrometheusError;
use prometheus_http_query::response::Data;
use reqwest::Response;
use serde::Deserialize;

use crate::observability::http;

/// Maximum size of a response, in MiB. The largest have 50 series with 1,000 points, of about 40 bytes.
const MAX_RESPONSE_MIB: usize = 16;

/// Response without the fields of an error. An enum with the status as its tag would be read into a tree of values first,
/// which takes longer than everything else.
#[derive(Deserialize)]
struct QueryResponse {
    status: Status,
    data: Option<Data>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

/// Reads the response to a query.
///
/// # Errors
/// `Unexpected` if Prometheus rejected the expression, and `Unavailable`.
pub(super) async fn read(sent: std::result::Result<Response, QueryError>) -> Result<Data> {
    let response = sent.map_err(|error| unavailable().caused_by(error))?;
    let status = response.status();
    let body = http::read_body(response, MAX_RESPONSE_MIB << 20).await;
    let body = body.map_err(|error| unavailable().caused_by(error.without_url()))?;
    let body = body.ok_or_else(|| {
        let message = format!("the response of Prometheus has more than {MAX_RESPONSE_MIB} MiB");
        Error::unavailable(message)
    })?;
    parse(&body).map_err(|error| error.with("status", status.as_u16()))
}

fn parse(body: &[u8]) -> Result<Data> {
    // A proxy in front of Prometheus responds in other formats.
    let invalid = |error: serde_json::Error| unavailable().caused_by(error);
    let response: QueryResponse = serde_json::from_slice(body).map_err(invalid)?;
    match response.status {
        Status::Success => response.data.ok_or_else(unavailable),
        Status::Error => {
            let error: PrometheusError = serde_json::from_slice(body).map_err(invalid)?;
            let rejected = || Error::unexpected("Prometheus rejected the query");
            let failed = if error.is_bad_data() { rejected() } else { unavailable() };
            Err(failed.caused_by(error))
        }
    }
}

fn unavailable() -> Error {
    Error::unavailable("the query of Prometheus failed")
}

#[cfg(test)]
mod tests {
    use hexabase_core::ErrorKind;

    use super::*;

    #[test]
    fn responses_are_results_or_errors() {
        let empty = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert!(parse(empty).unwrap().into_matrix().unwrap().is_empty());
        for (body, kind) in [
            (r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, ErrorKind::Unexpected),
            (r#"{"status":"error","errorType":"timeout","error":"too slow"}"#, ErrorKind::Unavailable),
            ("<html>", ErrorKind::Unavailable),
            ("", ErrorKind::Unavailable),
            (r#"{"status":"success"}"#, ErrorKind::Unavailable),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().kind(), kind, "{body}");
        }
    }
}
