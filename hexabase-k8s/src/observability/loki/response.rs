//! Responses of Loki's HTTP API (<https://grafana.com/docs/loki/latest/reference/loki-http-api/>).

use std::collections::HashMap;
use std::sync::Arc;

use hexabase_core::error::{Error, Result};
use hexabase_core::logs::{
    Direction, LogLine, LogQuery, check_workload_name, log_queries_rejected, malformed_expression,
};
use hexabase_core::name::ProjectName;
use jiff::Timestamp;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::logql::{CONTAINER, NAMESPACE, POD, TENANT_NAMESPACE};

/// Beginning of the message about a malformed regular expression, as Go's package `regexp` writes it.
const MALFORMED_EXPRESSION: &str = "error parsing regexp: ";

#[derive(Deserialize)]
struct Response {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Vec<Stream>,
}

/// Lines with equal labels. Without the header `X-Loki-Response-Encoding-Flags`, structured metadata is among the
/// labels.
#[derive(Deserialize)]
struct Stream {
    stream: HashMap<String, String>,
    values: Vec<Entry>,
}

/// Time in nanoseconds, text, and details that Loki adds on request.
#[derive(Deserialize)]
struct Entry(
    String,
    String,
    #[serde(default)]
    #[expect(dead_code, reason = "only its presence is accepted")]
    Option<IgnoredAny>,
);

/// Returns the lines of a response, ordered as the query asks.
///
/// # Errors
/// `Unexpected` for another form of response, and for lines that the query does not select.
pub(super) fn lines(body: &[u8], query: &LogQuery) -> Result<Vec<LogLine>> {
    let unexpected = || Error::unexpected("the response of Loki has an unknown form");
    let Response { data } = serde_json::from_slice(body).map_err(|_| unexpected())?;
    if data.result_type != "streams" {
        return Err(unexpected());
    }
    let mut lines = Vec::new();
    for Stream { stream, values } in data.result {
        let label = |name: &str| stream.get(name).map_or("", String::as_str);
        let project = label(TENANT_NAMESPACE);
        let expected = query.project.as_ref().map(ProjectName::as_str);
        if label(NAMESPACE) != query.target.name
            || expected.map_or(project.is_empty(), |name| name != project)
        {
            return Err(Error::unexpected("Loki returned lines that the query does not select"));
        }
        // Tenants choose the name of a pod by an annotation; a name of any length would be in every line.
        let name = |name: &str| {
            Some(label(name)).filter(|name| check_workload_name(name).is_ok()).unwrap_or_default()
        };
        let container: [Arc<str>; 3] = [project, name(POD), name(CONTAINER)].map(Arc::from);
        for Entry(nanoseconds, text, _) in values {
            let at = nanoseconds.parse().ok().and_then(|at| Timestamp::from_nanosecond(at).ok());
            lines.push(LogLine::new(at.ok_or_else(unexpected)?, container.clone(), text));
        }
    }
    lines.sort_unstable_by_key(|line| line.id);
    lines.dedup_by_key(|line| line.id);
    if query.direction == Direction::Backward {
        lines.reverse();
    }
    Ok(lines)
}

/// Returns the error of a response with another status than 200. Its message contains nothing of the body, which
/// repeats parts of the query.
pub(super) fn error(status: StatusCode, body: &str) -> Error {
    match status {
        StatusCode::BAD_REQUEST => rejection(body),
        StatusCode::TOO_MANY_REQUESTS => log_queries_rejected(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let message = "the log store rejects the credentials or the tenant of Hexabase; check --loki-token and \
                           --loki-tenancy";
            Error::unavailable("Loki is not available").caused_by(message)
        }
        StatusCode::NOT_FOUND => {
            let message = "Loki has no API at this URL; check --loki-url";
            Error::unavailable("Loki is not available").caused_by(message)
        }
        status => Error::unavailable("Loki is not available").with("status", status.as_u16()),
    }
}

fn rejection(body: &str) -> Error {
    if let Some((_, reason)) = body.split_once(MALFORMED_EXPRESSION) {
        // The expression follows in backticks.
        return malformed_expression(reason.split(": `").next().unwrap_or_default().trim());
    }
    if body.contains("max entries limit") {
        return Error::invalid("limit", "is larger than the log store allows; lower it");
    }
    if body.contains("time range exceeds the limit") {
        return Error::invalid("since", "is a longer time range than the log store allows; shorten it");
    }
    Error::unexpected("Loki rejected the query").with("status", 400)
}

#[cfg(test)]
mod tests {
    use hexabase_core::desired::TenantTarget;
    use hexabase_core::error::ErrorKind;
    use hexabase_core::fixture::id;
    use serde_json::{Value, json};

    use super::*;

    fn query(project: Option<&str>) -> LogQuery {
        LogQuery {
            target: TenantTarget::by_id(id("acme"), id("dev")),
            project: project.map(|name| ProjectName::parse(name).unwrap()),
            pod: None,
            container: None,
            filter: None,
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            limit: 1,
            direction: Direction::Forward,
        }
    }

    fn parse(stream: &Value, values: &Value, project: Option<&str>) -> Result<Vec<LogLine>> {
        let result = json!([{ "stream": stream, "values": values }]);
        let body = json!({ "status": "success", "data": { "resultType": "streams", "result": result, "stats": {} } });
        lines(body.to_string().as_bytes(), &query(project))
    }

    #[test]
    fn lines_that_the_query_does_not_select_fail_the_whole_result() {
        let own = query(None).target.name;
        let values = json!([["1767225600000000001", "hello", { "structuredMetadata": {} }]]);
        let stream =
            |namespace: &str, project: &str| json!({ NAMESPACE: namespace, TENANT_NAMESPACE: project });
        assert_eq!(parse(&stream(&own, "shop"), &values, None).unwrap()[0].text, "hello");
        assert_eq!(parse(&stream(&own, "shop"), &values, Some("shop")).unwrap().len(), 1);
        for (stream, project) in [
            (stream("ws-other", "shop"), None),
            (stream(&own, ""), None),
            (stream(&own, "blog"), Some("shop")),
            (json!({ TENANT_NAMESPACE: "shop" }), None),
            (json!({ NAMESPACE: own }), None),
        ] {
            assert_eq!(
                parse(&stream, &values, project).unwrap_err().kind(),
                ErrorKind::Unexpected,
                "{stream}"
            );
        }
    }

    #[test]
    fn other_forms_of_responses_are_errors() {
        let own = json!({ NAMESPACE: query(None).target.name, TENANT_NAMESPACE: "shop" });
        for values in [
            json!([["now", "hello"]]),
            json!([["1"]]),
            json!([[1, "hello"]]),
            json!([["99999999999999999999999999", ""]]),
        ] {
            assert_eq!(parse(&own, &values, None).unwrap_err().kind(), ErrorKind::Unexpected, "{values}");
        }
        for body in ["", "{}", "null", r#"{"data":{"resultType":"matrix","result":[]}}"#] {
            assert_eq!(
                lines(body.as_bytes(), &query(None)).unwrap_err().kind(),
                ErrorKind::Unexpected,
                "{body}"
            );
        }
    }

    #[test]
    fn statuses_have_errors_without_the_text_of_the_query() {
        for (status, body, kind, words) in [
            (
                400,
                "parse error at line 1, col 66: error parsing regexp: missing closing ): `s3cr3t(`",
                ErrorKind::Invalid,
                "missing closing )",
            ),
            (
                400,
                "parse error : error parsing regexp: trailing backslash at end of expression: ``s3cr3t",
                ErrorKind::Invalid,
                "trailing backslash",
            ),
            (
                400,
                "max entries limit per query exceeded, limit > max_entries_limit_per_query (5000 > 100)",
                ErrorKind::Invalid,
                "lower it",
            ),
            (
                400,
                "the query time range exceeds the limit (query length: 720h0m0s, limit: 1h)",
                ErrorKind::Invalid,
                "shorten it",
            ),
            (
                400,
                "parse error at line 1, col 3: syntax error: unexpected s3cr3t",
                ErrorKind::Unexpected,
                "rejected the query",
            ),
            (429, "too many outstanding requests", ErrorKind::RateLimited, "retry later"),
            (401, "no org id", ErrorKind::Unavailable, "--loki-tenancy"),
            (404, "404 page not found", ErrorKind::Unavailable, "--loki-url"),
            (500, "s3cr3t", ErrorKind::Unavailable, "status=500"),
            (504, "request timed out", ErrorKind::Unavailable, "status=504"),
        ] {
            let error = error(StatusCode::from_u16(status).unwrap(), body);
            assert_eq!(error.kind(), kind, "{body}");
            let text = format!("{error:?}");
            assert!(text.contains(words) && !text.contains("s3cr3t"), "{body}: {text}");
        }
    }
}
