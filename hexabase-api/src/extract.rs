//! Extractors of handlers: each one validates its part of a request and rejects it with the documented error.

use axum::body::{Bytes, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Path as AxumPath, Request};
use axum::http::header::{CONTENT_TYPE, IF_MATCH};
use axum::http::request::Parts;
use hexabase_core::error::Error;
use hexabase_core::version::Version;
use serde::de::DeserializeOwned;

use super::problem::ApiError;
use crate::requests::{from_query, invalid_field};

/// Parameters of the path. A malformed id is rejected with `not_found`, like an unknown one.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(_)) => Err(ApiError::no_such_path()),
            Err(_) => Err(ApiError::malformed("the path cannot be read")),
        }
    }
}

/// Parameters of the query string. Unknown parameters are rejected, so a typo has no silent effect.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        Ok(Self(from_query(parts.uri.query().unwrap_or_default())?))
    }
}

/// JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let content_type =
            request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_json = content_type
            .split(';')
            .next()
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        if !is_json {
            return Err(ApiError::unsupported_media_type());
        }
        let unreadable_body = |_| ApiError::malformed("the body cannot be read");
        let bytes = Bytes::from_request(request, state).await.map_err(unreadable_body)?;
        let mut input = serde_json::Deserializer::from_slice(&bytes);
        let value =
            serde_path_to_error::deserialize(&mut input).map_err(|error| match error.inner().classify() {
                serde_json::error::Category::Data => ApiError::from(&invalid_field(&error)),
                _ => ApiError::malformed(format!("the body is not valid JSON: {}", error.inner())),
            })?;
        input.end().map_err(|error| ApiError::malformed(format!("the body is not valid JSON: {error}")))?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        // A request without content has no type of content either (RFC 9110, section 8.3).
        let is_absent = !request.headers().contains_key(CONTENT_TYPE) && request.body().is_end_stream();
        match is_absent {
            true => Ok(None),
            false => <Self as FromRequest<S>>::from_request(request, state).await.map(Some),
        }
    }
}

/// Expected version of the resource, from `If-Match`.
pub(crate) struct IfMatch(Option<Expected>);

enum Expected {
    Version(Version),
    /// Entity tag that no version of a resource can have.
    Unmatchable,
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let Some(value) = values.next() else { return Ok(Self(None)) };
        let text = value.to_str().map_err(|_| ApiError::malformed("If-Match cannot be read"))?.trim();
        if values.next().is_some() || text.contains(',') {
            return Err(ApiError::malformed("If-Match must name one version, as ETag gave it"));
        }
        if text == "*" {
            return Ok(Self(None));
        }
        // A weak tag never matches (RFC 9110, section 13.1.1).
        let number =
            text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|n| n.parse().ok());
        Ok(Self(Some(number.map_or(Expected::Unmatchable, |number| Expected::Version(Version::new(number))))))
    }
}

impl IfMatch {
    /// Returns the expected version; `None` if any version is accepted.
    pub(crate) const fn version(&self) -> Option<Version> {
        match &self.0 {
            None => None,
            Some(Expected::Version(version)) => Some(*version),
            // Versions begin at 1, so 0 never matches.
            Some(Expected::Unmatchable) => Some(Version::new(0)),
        }
    }

    /// Accepts only `*`, for resources without a version.
    pub(crate) fn require_any(&self) -> Result<(), ApiError> {
        match self.0 {
            None => Ok(()),
            Some(_) => {
                let message = "this resource has no version; omit If-Match";
                Err(ApiError::from(&Error::conflict("precondition_failed", message)))
            }
        }
    }
}
