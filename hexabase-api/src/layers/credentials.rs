//! Authentication of requests.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use axum_extra::extract::CookieJar;
use hexabase_auth::Auth;
use hexabase_core::access::Principal;
use hexabase_core::error::Error;

use super::rate_limit::Limit;
use super::request_context::RequestContext;
use crate::cookies::{SESSION_COOKIE, cookie_name};
use crate::problem::ApiError;

/// Result of the authentication of a request.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    /// The request has no credentials.
    Anonymous,
    /// The credentials are valid.
    Principal(Principal),
    /// The credentials are invalid. Operations that require none still proceed.
    Rejected(ApiError),
}

impl Identity {
    /// Returns the identity of a request; anonymous without the layer [`credentials`].
    pub(super) fn of(request: &Request) -> Self {
        request.extensions().get().cloned().unwrap_or(Self::Anonymous)
    }
}

/// Middleware that authenticates a request by its bearer token, or by the session cookie if it has none. A request
/// without credentials, or with invalid ones, proceeds; operations that require credentials reject it.
///
/// A session cookie only counts together with the layer [`csrf`](super::csrf), which must be inside of this one.
pub async fn credentials(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    let route = &RequestContext::of(request.extensions()).route;
    // Responses without a limit are the same for all callers, so a credential causes no work.
    if Limit::of(request.method(), route) != Limit::Unlimited {
        identify(&auth, &mut request).await;
    }
    next.run(request).await
}

async fn identify(auth: &Auth, request: &mut Request) {
    let identity = if let Some(value) = request.headers().get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match token.map(|(_, token)| token.trim().to_owned()) {
            Some(token) => auth.authenticate_bearer(&token).await.map(Identity::Principal),
            None => {
                Err(Error::unauthenticated("the header Authorization must be: Bearer, a space and a token"))
            }
        }
    } else {
        let Some(cookie) = session_cookie(auth, request.headers()) else { return };
        match auth.sessions().authenticate_cookie(&cookie).await {
            Ok(cookie_principal) => {
                let principal = cookie_principal.principal.clone();
                request.extensions_mut().insert(cookie_principal);
                Ok(Identity::Principal(principal))
            }
            Err(error) => Err(error),
        }
    };
    request.extensions_mut().insert(identity.unwrap_or_else(|error| Identity::Rejected(error.into())));
}

fn session_cookie(auth: &Auth, headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(&cookie_name(auth.platform(), SESSION_COOKIE)).map(|cookie| cookie.value().to_owned())
}
