//! Protection of session cookies against requests that other sites forge (CSRF).

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use hexabase_auth::CookiePrincipal;

use super::credentials::Identity;
use crate::problem::ApiError;

/// Middleware that rejects the credentials of a request with a session cookie and without `X-CSRF-Token`, unless it only
/// reads. Browsers attach cookies to requests from other sites, too; the token proves that the sender can read the
/// cookies of this server.
pub async fn csrf(mut request: Request, next: Next) -> Response {
    let is_forgeable = !request.method().is_safe()
        && request.extensions().get::<CookiePrincipal>().is_some_and(|session| !has_token(&request, session));
    if is_forgeable {
        request.extensions_mut().insert(Identity::Rejected(ApiError::csrf()));
    }
    next.run(request).await
}

fn has_token(request: &Request, session: &CookiePrincipal) -> bool {
    let sent = request.headers().get("x-csrf-token").and_then(|token| token.to_str().ok());
    session.matches_csrf_token(sent.unwrap_or_default())
}
