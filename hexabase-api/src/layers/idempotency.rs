//! Idempotency keys of requests.

use axum::http::Method;
use axum::http::request::Parts;
use hexabase_core::platform::IdempotencyKey;

use crate::problem::ApiError;

/// Returns the idempotency key of a `POST` to the API; `None` if the request has none.
pub(super) fn key(parts: &Parts, body: &[u8]) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(key) = parts.headers.get("idempotency-key") else { return Ok(None) };
    if parts.method != Method::POST || !parts.uri.path().starts_with("/api/v1/") {
        return Ok(None);
    }
    let key = String::from_utf8_lossy(key.as_bytes());
    let query = parts.uri.query().unwrap_or_default();
    let request = [parts.uri.path().as_bytes(), query.as_bytes(), body];
    IdempotencyKey::new(&key, &request).map(Some).map_err(ApiError::from)
}
