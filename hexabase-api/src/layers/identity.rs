//! Authentication of requests.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use hexabase_auth::{Auth, CookiePrincipal};
use hexabase_core::Platform;
use hexabase_core::access::Principal;
use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::id::SessionId;
use hexabase_core::model::Origin;
use hexabase_core::platform::{Caller, IdempotencyKey};

use crate::problem::ApiError;

/// Cookie with the session of a browser; not readable by scripts.
pub(crate) const SESSION_COOKIE: &str = "hexabase_session";
/// Cookie with the CSRF token, which scripts send as `X-CSRF-Token`.
pub(crate) const CSRF_COOKIE: &str = "hexabase_csrf";
/// Prefix of the cookies that bind the sign-ins in progress to their browser, one each.
pub(crate) const LOGIN_COOKIE: &str = "hexabase_login";

/// Returns the name of a cookie. With HTTPS it has the prefix `__Host-`, which binds the cookie to this host
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis>, section 4.1.3.2).
pub(crate) fn cookie_name(platform: &Platform, name: &str) -> String {
    if is_secure(platform) { format!("__Host-{name}") } else { name.to_owned() }
}

/// `true` if browsers reach the server over https, so that cookies can require it.
pub(crate) fn is_secure(platform: &Platform) -> bool {
    platform.config().public_url.starts_with("https://")
}

/// Result of the authentication of a request.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// The request has no credentials.
    Anonymous,
    /// The credentials are valid.
    Principal(Principal),
    /// The credentials are invalid. Operations that require none still proceed.
    Rejected(ApiError),
}

/// Authenticates a request by its bearer token, or by the session cookie if it has none.
pub(super) async fn identify(auth: &Auth, parts: &Parts) -> Identity {
    if let Some(value) = parts.headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            let message = "the header Authorization must be: Bearer, a space and a token";
            return Identity::Rejected(Error::unauthenticated(message).into());
        };
        return match auth.authenticate_bearer(token.trim()).await {
            Ok(principal) => Identity::Principal(principal),
            Err(error) => Identity::Rejected(error.into()),
        };
    }
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(cookie) = jar.get(&cookie_name(auth.platform(), SESSION_COOKIE)) else {
        return Identity::Anonymous;
    };
    match auth.sessions().authenticate_cookie(cookie.value()).await {
        Err(error) => Identity::Rejected(error.into()),
        Ok(cookie_principal) if parts.method.is_safe() || has_csrf_token(parts, &cookie_principal) => {
            Identity::Principal(cookie_principal.principal)
        }
        Ok(_) => Identity::Rejected(ApiError::csrf()),
    }
}

/// `true` if the request carries the CSRF token, so its sender can read the cookies of this server. Browsers attach
/// cookies to requests from other sites, too.
fn has_csrf_token(parts: &Parts, cookie_principal: &CookiePrincipal) -> bool {
    let sent = parts.headers.get("x-csrf-token").and_then(|token| token.to_str().ok());
    cookie_principal.matches_csrf_token(sent.unwrap_or_default())
}

/// Caller with valid credentials. Rejects requests without them.
pub(crate) struct Authenticated(pub(crate) Caller);

impl Authenticated {
    /// Returns the session of the caller; `forbidden` for a caller with a token.
    pub(crate) fn session(&self) -> Result<SessionId, ApiError> {
        let message = "this operation requires a session; it cannot be performed with an API token";
        self.0.principal.credential.session().ok_or_else(|| Error::forbidden(message).into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let principal = match parts.extensions.get::<Identity>() {
            Some(Identity::Principal(principal)) => principal.clone(),
            Some(Identity::Rejected(error)) => return Err(error.clone()),
            Some(Identity::Anonymous) | None => {
                let message = "this operation requires credentials; send Authorization: Bearer and a token";
                return Err(Error::unauthenticated(message).into());
            }
        };
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        let idempotency = parts.extensions.get::<IdempotencyKey>().cloned();
        Ok(Self(Caller { principal, origin, idempotency }))
    }
}

/// Session of the browser; `None` if the user is not signed in. A form is only accepted with the CSRF token of its
/// page: see [`CookiePrincipal::matches_csrf_token`].
pub(crate) struct Browser(pub(crate) Option<CookiePrincipal>);

impl<S> FromRequestParts<S> for Browser
where
    S: Send + Sync,
    Arc<Auth>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let auth = <Arc<Auth>>::from_ref(state);
        let jar = CookieJar::from_headers(&parts.headers);
        let Some(cookie) = jar.get(&cookie_name(auth.platform(), SESSION_COOKIE)) else {
            return Ok(Self(None));
        };
        match auth.sessions().authenticate_cookie(cookie.value()).await {
            Ok(cookie_principal) => Ok(Self(Some(cookie_principal))),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Origin of a request, for operations that require no credentials.
pub(crate) struct ClientOrigin(pub(crate) Origin);

impl<S: Send + Sync> FromRequestParts<S> for ClientOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Origin>().cloned().unwrap_or_default()))
    }
}
