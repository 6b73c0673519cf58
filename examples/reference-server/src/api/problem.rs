//! What callers are told when something goes wrong: `application/problem+json` (RFC 9457). The one place where
//! errors get their HTTP status.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hexabase_core::error::{Error, ErrorKind, Retry, Violation};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

/// How long to wait before trying again when nothing better is known.
const SOON: Duration = Duration::from_secs(1);

/// What went wrong, as RFC 9457 writes it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Names the kind of problem: `urn:hexabase:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:hexabase:problem:not_found")]
    kind: String,
    /// The HTTP status in words.
    #[schema(example = "Not Found")]
    title: String,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What is wrong, and what to do about it.
    #[schema(example = "workspace not found")]
    detail: String,
    /// The kind of problem as a stable word.
    #[schema(example = "not_found")]
    code: &'static str,
    /// The request it happened to, as in `X-Request-Id`.
    request_id: String,
    /// Every value that is wrong, for the code `invalid`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// One value that is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Which one: a field's name, or a path such as `rules[2].verbs`.
    field: String,
    /// What is wrong, and what would be right.
    message: String,
}

/// The problems that any call can meet, for its documentation.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it documents; answers are made from errors")]
pub(crate) enum Problems {
    /// The request cannot be read at all.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No credentials, or bad ones.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// You may not do this.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// There is no such thing, or it is not yours.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The state of things does not allow it; `code` says which rule.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// `If-Match` names another version.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
    /// The body is larger than 1 MiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Some values are not valid; `errors` says which.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Too many requests; `Retry-After` says when to go on.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// A backend is down or slow; `Retry-After` says when to try again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// A problem on its way to the caller.
#[derive(Debug, Clone)]
pub(crate) struct Refusal(Box<Problem>);

impl Refusal {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            kind: format!("urn:hexabase:problem:{code}"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            request_id: String::new(),
            errors: Vec::new(),
            retry_after: None,
        }))
    }

    /// The request cannot be read at all.
    pub(crate) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// There is nothing at this path.
    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// The path exists, but not with this method.
    pub(crate) fn method_not_allowed() -> Self {
        let detail = "this path does not have this method; the header Allow lists those that it has";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// The body is larger than anything that is read.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// The body is not JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        let detail = "send a body of JSON, with Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// A cookie came without the token that proves that a script of ours sent it.
    pub(crate) fn csrf() -> Self {
        let detail = "a request with the session cookie needs the header X-CSRF-Token, unless it only reads";
        Self::new(StatusCode::FORBIDDEN, "csrf", detail)
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong, for people.
    pub(crate) fn detail(&self) -> String {
        let fields = self.0.errors.iter().map(|error| format!("{} {}", error.field, error.message));
        let fields: Vec<String> = fields.collect();
        if fields.is_empty() { self.0.detail.clone() } else { fields.join("; ") }
    }

    /// The whole answer, for this request.
    pub(crate) fn into_answer(mut self, request_id: &str) -> Response {
        request_id.clone_into(&mut self.0.request_id);
        let mut response = (self.status(), Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(wait).into());
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Rounded up: whoever waits that long does not come too early.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn status_of(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict if error.code() == "precondition_failed" => StatusCode::PRECONDITION_FAILED,
        ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::QuotaExceeded => StatusCode::CONFLICT,
        ErrorKind::Invalid | ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        let status = status_of(error);
        let detail = match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                "something went wrong on our side; the operator finds out more with the request_id"
            }
            _ => error.message(),
        };
        let waits = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let field = |violation: &Violation| FieldError {
            field: violation.field.clone(),
            message: violation.message.clone(),
        };
        let mut refusal = Self::new(status, error.code(), detail);
        refusal.0.errors = error.violations().iter().map(field).collect();
        refusal.0.retry_after = match error.retry() {
            Retry::After(wait) => Some(wait),
            _ => waits.then_some(SOON),
        };
        refusal
    }
}

impl From<Error> for Refusal {
    /// Tells operators what callers are not told.
    fn from(error: Error) -> Self {
        let refusal = Self::from(&error);
        match refusal.status() {
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(?error, "a request failed"),
            StatusCode::SERVICE_UNAVAILABLE => tracing::warn!(?error, "a request failed"),
            _ => tracing::debug!(?error, "a request was refused"),
        }
        refusal
    }
}

impl IntoResponse for Refusal {
    /// The edge writes the body, since it knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The outcome of a call.
pub(crate) type Answer<T> = Result<T, Refusal>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unexpected_error_tells_the_caller_nothing() {
        let error = Error::unexpected("table users has no column e-mail").with("row", 7);
        let problem = Refusal::from(&error);
        assert_eq!(problem.0.status, 500);
        assert!(!problem.0.detail.contains("users"), "{}", problem.0.detail);
    }

    #[test]
    fn whoever_meets_a_backend_that_is_down_learns_when_to_come_back() {
        let answer = Refusal::from(&Error::unavailable("the database is down")).into_answer("req-1");
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn a_wait_is_rounded_up() {
        let problem = Refusal::from(&Error::rate_limited(Duration::from_millis(1_200)));
        assert_eq!(problem.into_answer("").headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn a_version_that_is_not_current_any_more_is_a_failed_precondition() {
        let error = Error::conflict("precondition_failed", "it has version 3 by now");
        assert_eq!(Refusal::from(&error).status(), 412);
        assert_eq!(Refusal::from(&Error::version_conflict("group")).status(), 409);
    }
}
