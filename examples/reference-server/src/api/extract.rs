//! What handlers take from a request: each part checked, with the documented problem when it is no good.

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path as AxumPath, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use hexabase_core::error::Error;
use hexabase_core::version::Version;
use serde::de::DeserializeOwned;

use super::problem::Refusal;

/// The parameters of the path. An id that is none is as missing as one that nobody has.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(Refusal::no_such_path()),
            Err(_) => Err(Refusal::malformed("the path cannot be read")),
        }
    }
}

/// The parameters of the query. Unknown ones are refused, so that a typo does not go unnoticed.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let pairs = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let input = serde_urlencoded::Deserializer::new(pairs);
        serde_path_to_error::deserialize(input).map(Self).map_err(|error| located(&error))
    }
}

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_json =
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(Refusal::unsupported_media_type());
        }
        let unreadable = |_| Refusal::malformed("the body cannot be read");
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable)?;
        let mut input = serde_json::Deserializer::from_slice(&bytes);
        let value =
            serde_path_to_error::deserialize(&mut input).map_err(|error| match error.inner().classify() {
                serde_json::error::Category::Data => located(&error),
                _ => Refusal::malformed(format!("the body is no JSON: {}", error.inner())),
            })?;
        input.end().map_err(|error| Refusal::malformed(format!("the body is no JSON: {error}")))?;
        Ok(Self(value))
    }
}

/// A value of the wrong shape, as a problem that names the field.
fn located<E: std::error::Error>(error: &serde_path_to_error::Error<E>) -> Refusal {
    let message = error.inner().to_string();
    // Where in the text it was helps nobody who did not write the text by hand.
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
    let field = match error.path().to_string() {
        path if path == "." => named(message).unwrap_or_default().to_owned(),
        path => path,
    };
    Refusal::from(&Error::invalid(field, message))
}

/// The field that a message such as ``missing field `name` `` is about.
fn named(message: &str) -> Option<&str> {
    let about = message.starts_with("missing field") || message.starts_with("unknown field");
    message.split('`').nth(1).filter(|_| about)
}

/// The version that a caller expects, from `If-Match`.
pub(crate) struct IfMatch(Option<Expected>);

enum Expected {
    Version(Version),
    /// Something that no version of ours looks like.
    Nothing,
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let text = value.to_str().map_err(|_| Refusal::malformed("If-Match cannot be read"))?.trim();
        if values.next().is_some() || text.contains(',') {
            return Err(Refusal::malformed("If-Match must name one version, as ETag gave it"));
        }
        if text == "*" {
            return Ok(Self(None));
        }
        // A weak tag never matches (RFC 9110, section 13.1.1).
        let number =
            text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|n| n.parse().ok());
        Ok(Self(Some(number.map_or(Expected::Nothing, |number| Expected::Version(Version::new(number))))))
    }
}

impl IfMatch {
    /// The version to insist on; none when any will do.
    pub(crate) const fn version(&self) -> Option<Version> {
        match &self.0 {
            None => None,
            Some(Expected::Version(version)) => Some(*version),
            // Versions begin at 1.
            Some(Expected::Nothing) => Some(Version::new(0)),
        }
    }

    /// For what has no version: nothing but `*` can match it.
    pub(crate) fn require_any(&self) -> Result<(), Refusal> {
        match self.0 {
            None => Ok(()),
            Some(_) => {
                let message = "this has no version that If-Match could name";
                Err(Refusal::from(&Error::conflict("precondition_failed", message)))
            }
        }
    }
}
