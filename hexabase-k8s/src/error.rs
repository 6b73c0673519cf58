//! Conversion of Kubernetes client and API server errors; the only place that inspects them.

use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Retry};
use http::StatusCode;
use kube::core::Status;

/// Message for credentials that an API server does not accept, or for none.
const REJECTED_CREDENTIALS: &str = "the API server rejected the credentials";

/// `true` if the API server responded, and rejected the caller.
pub(crate) fn is_rejection(error: &Error) -> bool {
    error.kind() == ErrorKind::Forbidden || error.message() == REJECTED_CREDENTIALS
}

/// Maximum length of a repeated server message in characters: it is logged and shown to users.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// Converts the error of a request without a response.
pub(crate) fn from_kube(error: kube::Error) -> Error {
    let meaning = match &error {
        kube::Error::BuildRequest(_) => Error::unexpected("the request to the API server is invalid"),
        _ => Error::unavailable("the API server does not respond"),
    };
    meaning.caused_by(error)
}

/// Converts the error of a response that is not the expected JSON.
pub(crate) fn invalid_response(error: serde_json::Error) -> Error {
    Error::unavailable("the response of the API server is invalid").caused_by(error)
}

/// Converts a response with an error status.
pub(crate) fn from_response(code: StatusCode, body: &[u8]) -> Error {
    let status = serde_json::from_slice::<Status>(body).ok();
    let retry_after = status.as_ref().and_then(|status| status.details.as_ref()?.retry_after_seconds.into());
    let message =
        status.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), |status| status.message);
    let message: String = message.chars().take(MAX_MESSAGE_CHARS).collect();
    match code.as_u16() {
        404 => Error::new(ErrorKind::NotFound, message),
        // Another client changed or created the object at the same time: the next reconcile resolves it.
        409 => Error::new(ErrorKind::Conflict, message).with_retry(Retry::Soon),
        429 => Error::rate_limited(Duration::from_secs(
            retry_after.map_or(1, |seconds: u32| seconds.max(1).into()),
        )),
        403 if message.contains("exceeded quota") => Error::quota_exceeded(message),
        // Resolves by itself once the namespace is deleted.
        403 if message.contains("being terminated") => Error::unavailable(message),
        403 => Error::new(ErrorKind::Forbidden, message),
        401 => Error::unavailable(REJECTED_CREDENTIALS).with("message", message),
        300..400 => Error::unavailable("the API server redirects the request; redirects are not followed"),
        400..500 => Error::new(ErrorKind::Invalid, message),
        _ => Error::unavailable("the API server failed").with("message", message),
    }
}
