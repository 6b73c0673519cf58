//! Who is calling.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use hexabase_auth::CookiePrincipal;
use hexabase_core::access::Principal;
use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::id::SessionId;
use hexabase_core::model::Origin;
use hexabase_core::platform::{Caller, IdempotencyKey};

use crate::api::problem::Refusal;
use crate::app::App;

/// The cookie with the session of a browser; no script can read it.
pub(crate) const SESSION_COOKIE: &str = "hexabase_session";
/// The cookie with what scripts send as `X-CSRF-Token`.
pub(crate) const CSRF_COOKIE: &str = "hexabase_csrf";
/// The cookie that binds a sign-in under way to its browser.
pub(crate) const LOGIN_COOKIE: &str = "hexabase_login";

/// The name that a cookie goes by: where browsers come with https it is bound to this very host
/// (<https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis>, section 4.1.3.2).
pub(crate) fn cookie_name(app: &App, name: &str) -> String {
    if app.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
}

/// What became of a request's credentials.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// There were none.
    Nobody,
    /// They are good.
    Somebody(Principal),
    /// They are not. Calls that need none go on all the same.
    Refused(Refusal),
}

/// Checks the credentials of a request: a bearer token, or else the session cookie.
pub(super) async fn identify(app: &App, parts: &Parts) -> Identity {
    if let Some(value) = parts.headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            let message = "the header Authorization must be: Bearer, a space, and a token";
            return Identity::Refused(Error::unauthenticated(message).into());
        };
        return match app.auth.authenticate(token.trim()).await {
            Ok(principal) => Identity::Somebody(principal),
            Err(error) => Identity::Refused(error.into()),
        };
    }
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(cookie) = jar.get(&cookie_name(app, SESSION_COOKIE)) else { return Identity::Nobody };
    match app.auth.authenticate_cookie(cookie.value()).await {
        Err(error) => Identity::Refused(error.into()),
        Ok(known) if parts.method.is_safe() || proves_intent(parts, &known) => {
            Identity::Somebody(known.principal)
        }
        Ok(_) => Identity::Refused(Refusal::csrf()),
    }
}

/// Whether a script that can read our cookies sent the request: browsers add cookies to anybody's.
fn proves_intent(parts: &Parts, known: &CookiePrincipal) -> bool {
    let sent = parts.headers.get("x-csrf-token").and_then(|token| token.to_str().ok());
    known.has_sent(sent.unwrap_or_default())
}

/// Somebody whose credentials are good.
pub(crate) struct SignedIn(pub(crate) Caller);

impl SignedIn {
    /// The session that the caller is signed in with; tokens have none.
    pub(crate) fn session(&self) -> Result<SessionId, Refusal> {
        let message = "this is done by somebody who is signed in, not with a token";
        self.0.principal.credential.session().ok_or_else(|| Error::forbidden(message).into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let principal = match parts.extensions.get::<Identity>() {
            Some(Identity::Somebody(principal)) => principal.clone(),
            Some(Identity::Refused(problem)) => return Err(problem.clone()),
            Some(Identity::Nobody) | None => {
                let message = "this needs credentials: send Authorization: Bearer and a token";
                return Err(Error::unauthenticated(message).into());
            }
        };
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        let idempotency = parts.extensions.get::<IdempotencyKey>().cloned();
        Ok(Self(Caller { principal, origin, idempotency }))
    }
}

/// A browser, and who is signed in with it. Forms from it count only with what its pages have in them: see
/// [`CookiePrincipal::has_sent`].
pub(crate) struct Browser(pub(crate) Option<CookiePrincipal>);

impl FromRequestParts<App> for Browser {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let jar = CookieJar::from_headers(&parts.headers);
        let Some(cookie) = jar.get(&cookie_name(app, SESSION_COOKIE)) else { return Ok(Self(None)) };
        match app.auth.authenticate_cookie(cookie.value()).await {
            Ok(known) => Ok(Self(Some(known))),
            Err(error) if error.kind() == ErrorKind::Unauthenticated => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Where a request comes from, for calls that anybody may make.
pub(crate) struct Visitor(pub(crate) Origin);

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Origin>().cloned().unwrap_or_default()))
    }
}
