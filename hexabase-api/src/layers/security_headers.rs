//! Security headers of responses.

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use hexabase_core::Platform;

use crate::cookies::is_secure;

/// Middleware that sets the security headers of all responses, and `Content-Security-Policy`, `Cache-Control` and
/// `Referrer-Policy` of those that have none: no content, no storage, and no referrer.
pub async fn security_headers(State(platform): State<Platform>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    set_headers(response.headers_mut(), is_secure(&platform));
    response
}

fn set_headers(headers: &mut HeaderMap, is_secure: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    if is_secure {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    let defaults = [
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
