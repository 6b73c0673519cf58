//! Error responses: `application/problem+json` (RFC 9457). This is the only place that maps errors to HTTP statuses.

use std::time::Duration;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hexabase_core::error::{Error, ErrorKind, Retry, Violation};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::layers::RequestContext;

/// Value of `Retry-After` if the error does not name one.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Error in the format of RFC 9457.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// URN of the kind of error: `urn:hexabase:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:hexabase:problem:not_found")]
    kind: String,
    /// Reason phrase of the HTTP status.
    #[schema(example = "Not Found")]
    title: String,
    /// HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// Description of the error with its remedy.
    #[schema(example = "workspace not found")]
    detail: String,
    /// Stable code of the error, in `snake_case`.
    #[schema(example = "not_found")]
    code: &'static str,
    /// Id of the request, as in `X-Request-Id`.
    request_id: String,
    /// All invalid values, for the code `invalid`; absent otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

/// Invalid value in a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Name of the field, or a path such as `rules[2].verbs`.
    field: String,
    /// Rule that the value violates.
    message: String,
}

/// Errors that every operation can return, for the OpenAPI document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "used for the OpenAPI document only; responses are created from errors")]
pub(crate) enum Problems {
    /// The request is malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// Credentials are missing or invalid.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The caller is not permitted to perform the operation.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The resource does not exist, or is not visible to the caller.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    BodyTimeout(Problem),
    /// The state of the resource does not permit the operation; `code` names the rule.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The version in `If-Match` is not the current one.
    #[response(status = 412, content_type = "application/problem+json")]
    PreconditionFailed(Problem),
    /// The body is larger than 1 MiB, or, without credentials, than 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// Values in the request are invalid; `errors` lists them.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Too many requests; `Retry-After` is the time to wait.
    #[response(status = 429, content_type = "application/problem+json")]
    RateLimited(Problem),
    /// A backend is unavailable; `Retry-After` is the time to wait.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// Error of an HTTP request, with its status.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Problem>);

impl ApiError {
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

    /// The request is malformed.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// No route matches the path.
    #[must_use]
    pub fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "no resource at this path")
    }

    /// The path does not support the method.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        let detail = "the path does not support this method; the header Allow lists the supported ones";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
    }

    /// The body is larger than the limit.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// The body took too long to arrive.
    pub(crate) fn body_timeout() -> Self {
        let detail = "the body did not arrive in time; repeat the request over a faster connection";
        Self::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
    }

    /// The body is not JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        let detail = "the body must be JSON; send it with Content-Type: application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    }

    /// The form was sent by a page of another session.
    #[must_use]
    pub fn foreign_form() -> Self {
        let detail = "the form belongs to another session; open its page again and repeat the entry";
        Self::new(StatusCode::FORBIDDEN, "csrf", detail)
    }

    /// The CSRF token is missing or wrong, so the request may have been forged by another site.
    pub(crate) fn csrf() -> Self {
        let detail =
            "a request with the session cookie requires the header X-CSRF-Token, unless it only reads";
        Self::new(StatusCode::FORBIDDEN, "csrf", detail)
    }

    /// The request is from a page of another site.
    pub(crate) fn foreign_site() -> Self {
        let detail = "the request comes from a page of another site; send it from a page of this server";
        Self::new(StatusCode::FORBIDDEN, "csrf", detail)
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Returns the stable code, in `snake_case`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Returns the names of the invalid fields, each with the rule that its value violates.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.errors.iter().map(|error| (error.field.as_str(), error.message.as_str()))
    }

    /// Returns the description for users, with all invalid values.
    #[must_use]
    pub fn detail(&self) -> String {
        let fields = self.0.errors.iter().map(|error| format!("{} {}", error.field, error.message));
        let fields: Vec<String> = fields.collect();
        if fields.is_empty() { self.0.detail.clone() } else { fields.join("; ") }
    }

    /// Sets `Retry-After` if the error is temporary.
    pub(crate) fn set_retry_after(&self, headers: &mut HeaderMap) {
        if let Some(wait) = self.0.retry_after {
            headers.insert(RETRY_AFTER, whole_seconds(wait).into());
        }
    }
}

/// Rounds up to whole seconds, so a client that waits that long never retries too early.
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

impl From<&Error> for ApiError {
    fn from(error: &Error) -> Self {
        let status = status_of(error);
        let detail = match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                "internal error; the operator finds its cause in the log by the request_id"
            }
            _ => error.message(),
        };
        let is_temporary = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let field = |violation: &Violation| FieldError {
            field: violation.field.clone(),
            message: violation.message.clone(),
        };
        let mut api_error = Self::new(status, error.code(), detail);
        api_error.0.errors = error.violations().iter().map(field).collect();
        api_error.0.retry_after = match error.retry() {
            Retry::After(wait) => Some(wait),
            _ => is_temporary.then_some(DEFAULT_RETRY_AFTER),
        };
        api_error
    }
}

impl From<Error> for ApiError {
    /// Logs the error with its cause, which the response to an internal error omits.
    fn from(error: Error) -> Self {
        let api_error = Self::from(&error);
        match api_error.status() {
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(?error, "request failed"),
            StatusCode::SERVICE_UNAVAILABLE => tracing::warn!(?error, "request failed; backend unavailable"),
            _ => tracing::debug!(?error, "request rejected"),
        }
        api_error
    }
}

impl IntoResponse for ApiError {
    /// Writes the problem document, with the id of the request if the layer
    /// [`request_context`](crate::layers::request_context) gave it one. The layer
    /// [`error_pages`](crate::layers::error_pages) replaces it by a page for browsers.
    fn into_response(mut self) -> Response {
        self.0.request_id.clone_from(&RequestContext::current().id);
        let mut response = (self.status(), Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        self.set_retry_after(headers);
        if self.status() == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Result of a handler.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_error_does_not_reveal_its_cause() {
        let error = Error::unexpected("table users has no column e-mail").with("row", 7);
        let api_error = ApiError::from(&error);
        assert_eq!(api_error.0.status, 500);
        assert!(!api_error.0.detail.contains("users"), "{}", api_error.0.detail);
    }

    #[test]
    fn an_unavailable_backend_sets_retry_after() {
        let response = ApiError::from(&Error::unavailable("the database is down")).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let api_error = ApiError::from(&Error::rate_limited(Duration::from_millis(1_200)));
        assert_eq!(api_error.into_response().headers()[RETRY_AFTER], "2");
    }

    #[test]
    fn an_outdated_if_match_is_a_failed_precondition() {
        let error = Error::conflict("precondition_failed", "it has version 3 by now");
        assert_eq!(ApiError::from(&error).status(), 412);
        assert_eq!(ApiError::from(&Error::version_conflict("group")).status(), 409);
    }
}
