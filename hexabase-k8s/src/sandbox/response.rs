//! Responses of an API server.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::BoxStream;
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use serde_json::{Value, json};

/// Error, as a Kubernetes `Status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusError {
    pub(super) code: u16,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl StatusError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub(super) fn not_found(resource: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found"))
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn already_exists(resource: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists"))
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self::new(409, "Conflict", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn invalid(kind: &str, name: &str, message: &str) -> Self {
        Self::new(422, "Invalid", format!("{kind} \"{name}\" is invalid: {message}"))
    }

    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub(super) fn unsupported_media_type(media_type: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!("the sandbox does not support the media type {media_type}"),
        )
    }

    pub(super) fn gone() -> Self {
        Self::new(410, "Expired", "The resourceVersion for the provided watch or list is too old.")
    }

    pub(super) fn status(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        })
    }
}

pub(super) type StatusResult<T> = Result<T, StatusError>;

/// Response to a request.
pub(super) enum ApiResponse {
    Json(StatusCode, Value),
    Text(String),
    /// Stream of JSON documents, one per line, until the client disconnects or the stream ends.
    Stream(BoxStream<'static, Value>),
}

impl ApiResponse {
    pub(super) fn ok(value: Value) -> Self {
        Self::Json(StatusCode::OK, value)
    }

    pub(super) fn from_error(error: &StatusError) -> Self {
        let code = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::Json(code, error.status())
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Json(code, _) => *code,
            Self::Text(_) | Self::Stream(_) => StatusCode::OK,
        }
    }

    pub(super) fn into_response(self) -> Response<SandboxBody> {
        let (code, kind, body) = match self {
            Self::Json(code, value) => {
                (code, "application/json", SandboxBody::Whole(Some(value.to_string().into())))
            }
            Self::Text(text) => (StatusCode::OK, "text/plain", SandboxBody::Whole(Some(text.into()))),
            Self::Stream(lines) => (StatusCode::OK, "application/json", SandboxBody::Lines(lines)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = code;
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response
    }
}

/// Body of a sandbox response.
pub enum SandboxBody {
    /// Complete body.
    Whole(Option<Bytes>),
    /// Stream of JSON documents, one per line.
    Lines(BoxStream<'static, Value>),
}

impl std::fmt::Debug for SandboxBody {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SandboxBody")
    }
}

impl Body for SandboxBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Lines(lines) => {
                let line = |value: Value| Ok(Frame::data(Bytes::from(format!("{value}\n"))));
                Pin::new(lines).poll_next(context).map(|value| value.map(line))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }
}
