//! What a Kubernetes API server's errors mean: the one place that looks into them.

use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Retry};

/// The error of a call to an API server.
pub(crate) fn from_kube(error: kube::Error) -> Error {
    let meaning = match &error {
        kube::Error::Api(status) => of_status(status),
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
            Error::unavailable("the API server answered something that cannot be read")
        }
        kube::Error::BuildRequest(_) => Error::unexpected("a request to an API server cannot be built"),
        _ => Error::unavailable("the API server does not answer"),
    };
    meaning.caused_by(error)
}

fn of_status(status: &kube::core::Status) -> Error {
    let message = status.message.clone();
    let retry_after = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    match status.code {
        404 => Error::new(ErrorKind::NotFound, message),
        // Somebody else changed the object meanwhile, or made one of that name: looking again settles it.
        409 => Error::new(ErrorKind::Conflict, message).with_retry(Retry::Soon),
        429 => Error::rate_limited(Duration::from_secs(u64::from(retry_after.max(1)))),
        403 if message.contains("exceeded quota") => Error::quota_exceeded(message),
        // Passes by itself once the namespace is gone.
        403 if message.contains("being terminated") => Error::unavailable(message),
        403 => Error::new(ErrorKind::Forbidden, message),
        401 => Error::unavailable("the API server does not accept the credentials").with("message", message),
        400..500 => Error::new(ErrorKind::Invalid, message),
        _ => Error::unavailable("the API server is in trouble").with("message", message),
    }
}
