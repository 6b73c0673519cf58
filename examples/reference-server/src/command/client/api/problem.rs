//! Error responses of the API (RFC 9457) as errors.

use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Retry, Violation};
use reqwest::StatusCode;
use serde::Deserialize;

/// Body of an error response.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    title: String,
    detail: String,
    code: String,
    request_id: String,
    errors: Vec<FieldError>,
}

#[derive(Debug, Deserialize)]
struct FieldError {
    field: String,
    message: String,
}

/// Returns the error of a response, with the code of the server as context. `remedy` is what to do about a rejected
/// credential.
pub(super) fn into_error(
    status: StatusCode,
    text: &str,
    retry_after: Option<Duration>,
    remedy: &str,
) -> Error {
    let problem: Problem = serde_json::from_str(text).unwrap_or_default();
    let reason = [problem.detail, problem.title].into_iter().find(|text| !text.is_empty());
    let reason = reason.unwrap_or_else(|| format!("the server responded with {status}"));
    let violations: Vec<Violation> = problem.errors.into_iter().map(FieldError::into_violation).collect();
    let kind = kind(status, &problem.code);
    let error = match kind {
        ErrorKind::Conflict if status == StatusCode::PRECONDITION_FAILED => Error::version_conflict("object"),
        ErrorKind::Invalid if !violations.is_empty() => Error::invalid_fields(violations),
        ErrorKind::Unauthenticated => Error::unauthenticated(format!("{reason}; {remedy}")),
        kind => Error::new(kind, reason),
    };
    let error = match retry_after {
        Some(delay) if matches!(kind, ErrorKind::RateLimited | ErrorKind::Unavailable) => {
            error.with_retry(Retry::After(delay)).with("retry_after", format!("{}s", delay.as_secs()))
        }
        _ => error,
    };
    let error = if problem.code.is_empty() { error } else { error.with("code", problem.code) };
    // Operators find the cause of their error in the log by this id.
    match status.is_server_error() && !problem.request_id.is_empty() {
        true => error.with("request_id", problem.request_id),
        false => error,
    }
}

impl FieldError {
    fn into_violation(self) -> Violation {
        Violation::new(self.field, self.message)
    }
}

fn kind(status: StatusCode, code: &str) -> ErrorKind {
    match (status, code) {
        (_, "already_exists") => ErrorKind::AlreadyExists,
        (_, "quota_exceeded") => ErrorKind::QuotaExceeded,
        (StatusCode::UNAUTHORIZED, _) => ErrorKind::Unauthenticated,
        (StatusCode::FORBIDDEN, _) => ErrorKind::Forbidden,
        (StatusCode::NOT_FOUND, _) => ErrorKind::NotFound,
        (StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED, _) => ErrorKind::Conflict,
        (StatusCode::TOO_MANY_REQUESTS, _) => ErrorKind::RateLimited,
        (StatusCode::INTERNAL_SERVER_ERROR, _) => ErrorKind::Unexpected,
        (StatusCode::NOT_IMPLEMENTED, _) => ErrorKind::Unsupported,
        (status, _) if status.is_client_error() => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_status_has_a_kind_and_keeps_the_detail_and_the_code() {
        for (status, code, expected) in [
            (400, "malformed", ErrorKind::Invalid),
            (401, "unauthenticated", ErrorKind::Unauthenticated),
            (403, "forbidden", ErrorKind::Forbidden),
            (404, "not_found", ErrorKind::NotFound),
            (409, "already_exists", ErrorKind::AlreadyExists),
            (409, "last_owner", ErrorKind::Conflict),
            (403, "quota_exceeded", ErrorKind::QuotaExceeded),
            (413, "too_large", ErrorKind::Invalid),
            (422, "invalid", ErrorKind::Invalid),
            (429, "rate_limited", ErrorKind::RateLimited),
            (500, "unexpected", ErrorKind::Unexpected),
            (501, "unsupported", ErrorKind::Unsupported),
            (502, "", ErrorKind::Unavailable),
            (503, "unavailable", ErrorKind::Unavailable),
        ] {
            let body = json!({ "title": "T", "detail": "the detail", "code": code, "request_id": "r1" });
            let status = StatusCode::from_u16(status).unwrap();
            let error = into_error(status, &body.to_string(), None, "sign in again");
            assert_eq!(error.kind(), expected, "{status}");
            let text = error.to_string();
            assert!(text.contains("the detail") && text.contains(code), "{text}");
            assert_eq!(text.contains("sign in again"), status == 401, "{text}");
            assert_eq!(text.contains("request_id=r1"), status.is_server_error(), "{text}");
        }
    }

    #[test]
    fn a_failed_precondition_and_invalid_fields_are_recognizable() {
        let body = json!({ "detail": "d", "code": "version_conflict" }).to_string();
        assert!(into_error(StatusCode::PRECONDITION_FAILED, &body, None, "").is_version_conflict());
        let body = json!({ "code": "invalid", "errors": [{ "field": "name", "message": "is too long" }] });
        let error = into_error(StatusCode::UNPROCESSABLE_ENTITY, &body.to_string(), None, "");
        assert_eq!(error.violations()[0].field, "name");
        let error = into_error(StatusCode::BAD_GATEWAY, "<html>", Some(Duration::from_secs(7)), "");
        assert!(error.to_string().contains("502 Bad Gateway"), "{error}");
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(7)));
    }
}
