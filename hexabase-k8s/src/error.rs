//! What a Kubernetes API server's errors mean: the one place that looks into them.

use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Retry};
use http::StatusCode;
use kube::core::Status;

/// How much of what a server says is repeated: it ends up in logs and in what users see.
const LONGEST: usize = 1_000;

/// The error of a call that got no answer.
pub(crate) fn from_kube(error: kube::Error) -> Error {
    let meaning = match &error {
        kube::Error::BuildRequest(_) => Error::unexpected("a request to an API server cannot be built"),
        _ => Error::unavailable("the API server does not answer"),
    };
    meaning.caused_by(error)
}

/// The error of an answer that is no JSON, or not the JSON that was asked for.
pub(crate) fn unreadable(error: serde_json::Error) -> Error {
    Error::unavailable("the API server answered something that cannot be read").caused_by(error)
}

/// The error that an answer stands for which is no success.
pub(crate) fn of_answer(code: StatusCode, body: &[u8]) -> Error {
    let said = serde_json::from_slice::<Status>(body).ok();
    let retry_after = said.as_ref().and_then(|said| said.details.as_ref()?.retry_after_seconds.into());
    let message = said.map_or_else(|| String::from_utf8_lossy(body).trim().to_owned(), |said| said.message);
    let message: String = message.chars().take(LONGEST).collect();
    match code.as_u16() {
        404 => Error::new(ErrorKind::NotFound, message),
        // Somebody else changed the object meanwhile, or made one of that name: looking again settles it.
        409 => Error::new(ErrorKind::Conflict, message).with_retry(Retry::Soon),
        429 => Error::rate_limited(Duration::from_secs(
            retry_after.map_or(1, |seconds: u32| seconds.max(1).into()),
        )),
        403 if message.contains("exceeded quota") => Error::quota_exceeded(message),
        // Passes by itself once the namespace is gone.
        403 if message.contains("being terminated") => Error::unavailable(message),
        403 => Error::new(ErrorKind::Forbidden, message),
        401 => Error::unavailable("the API server does not accept the credentials").with("message", message),
        300..400 => Error::unavailable("the API server sends elsewhere, where nobody follows"),
        400..500 => Error::new(ErrorKind::Invalid, message),
        _ => Error::unavailable("the API server is in trouble").with("message", message),
    }
}
