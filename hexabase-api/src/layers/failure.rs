//! Responses to requests whose handler panics or takes too long.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use hexabase_core::error::Error;

use crate::problem::ApiError;
use crate::state::ApiConfig;

/// Middleware that responds with 500 if a handler panics, and logs it.
pub async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => ApiError::from(Error::unexpected("handler panicked")).into_response(),
    }
}

/// Middleware that ends a request after [`ApiConfig::timeout`], with 503.
pub async fn timeout(State(config): State<Arc<ApiConfig>>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(config.timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::from(Error::unavailable("the request timed out; repeat it")).into_response(),
    }
}
