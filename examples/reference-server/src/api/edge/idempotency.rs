//! What marks repetitions of a request.

use axum::http::Method;
use axum::http::request::Parts;
use hexabase_core::platform::IdempotencyKey;

use crate::api::problem::Refusal;

/// The key of a request that may be a repetition: of every `POST` to the API that carries one.
pub(super) fn key(parts: &Parts, body: &[u8]) -> Result<Option<IdempotencyKey>, Refusal> {
    let Some(key) = parts.headers.get("idempotency-key") else { return Ok(None) };
    if parts.method != Method::POST || !parts.uri.path().starts_with("/api/v1/") {
        return Ok(None);
    }
    let key = String::from_utf8_lossy(key.as_bytes());
    let query = parts.uri.query().unwrap_or_default();
    let request = [parts.uri.path().as_bytes(), query.as_bytes(), body];
    IdempotencyKey::new(&key, &request).map(Some).map_err(Refusal::from)
}
