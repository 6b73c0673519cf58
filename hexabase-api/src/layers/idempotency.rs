//! Idempotency keys of requests.

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::error::Error;
use hexabase_core::platform::IdempotencyKey;

use super::body_limit::BufferedBody;
use crate::problem::ApiError;

/// Middleware that adds the [`IdempotencyKey`] of a `POST` to the API to the extensions of the request. It needs the
/// body that [`limit_body`](super::limit_body) has read.
pub async fn idempotency(mut request: Request, next: Next) -> Response {
    match key(&request) {
        Ok(Some(key)) => drop(request.extensions_mut().insert(key)),
        Ok(None) => {}
        Err(error) => return error.into_response(),
    }
    next.run(request).await
}

fn key(request: &Request) -> Result<Option<IdempotencyKey>, ApiError> {
    let Some(key) = request.headers().get("idempotency-key") else { return Ok(None) };
    let path = request.uri().path();
    if request.method() != Method::POST || !path.starts_with("/api/v1/") {
        return Ok(None);
    }
    let key = String::from_utf8_lossy(key.as_bytes());
    let query = request.uri().query().unwrap_or_default();
    // With an empty body instead, a key would also match a request with another body.
    let Some(BufferedBody(body)) = request.extensions().get() else {
        let message = "the layer limit_body is missing outside of the layer idempotency";
        return Err(Error::unexpected(message).into());
    };
    IdempotencyKey::new(&key, &[path.as_bytes(), query.as_bytes(), body]).map(Some).map_err(ApiError::from)
}
