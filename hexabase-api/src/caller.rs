//! Callers of operations, as extractors.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use hexabase_auth::{Auth, CookiePrincipal};
use hexabase_core::error::{Error, ErrorKind};
use hexabase_core::id::SessionId;
use hexabase_core::model::Origin;
use hexabase_core::platform::{Caller, CountedOrganizations, IdempotencyKey, RateAccounting, SharedReads};

use crate::html_pages::PageError;
use crate::layers::Identity;
use crate::problem::ApiError;

/// Caller with valid credentials. Rejects requests without them.
pub(crate) struct Authenticated(pub(crate) Caller);

impl Authenticated {
    /// Returns the session of the caller; `forbidden` for a caller with a token.
    pub(crate) fn session(&self) -> Result<SessionId, ApiError> {
        let message =
            "this operation requires a session of this server; it cannot be performed with other credentials";
        self.0.principal.credential.session().ok_or_else(|| Error::forbidden(message).into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let principal = match parts.extensions.get::<Identity>() {
            Some(Identity::Principal(principal)) => principal.clone(),
            Some(Identity::Rejected(error)) => return Err(error.clone()),
            Some(Identity::Unchecked(..)) => {
                let message = "the layer csrf is missing inside of the layer credentials";
                return Err(Error::unexpected(message).into());
            }
            Some(Identity::Anonymous) | None => {
                let message = "this operation requires credentials; send Authorization: Bearer and a token";
                return Err(Error::unauthenticated(message).into());
            }
        };
        let origin = parts.extensions.get::<Origin>().cloned().unwrap_or_default();
        let idempotency = parts.extensions.get::<IdempotencyKey>().cloned();
        // Callers that are extracted from one request share the set, so the request counts once.
        let counted = parts.extensions.get_or_insert_with(CountedOrganizations::default).clone();
        let accounting = RateAccounting::PerRequest(counted);
        let reads = SharedReads::default();
        Ok(Self(Caller { principal, origin, idempotency, accounting, reads }))
    }
}

/// Caller of a page, as an extractor; `None` if the user is not signed in, or the session has ended. Rejects a request
/// that another site may have caused.
#[derive(Debug)]
pub struct PageCaller(pub Option<Caller>);

impl<S: Send + Sync> FromRequestParts<S> for PageCaller {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, PageError> {
        match Authenticated::from_request_parts(parts, state).await {
            Ok(Authenticated(caller)) => Ok(Self(Some(caller))),
            Err(error) if error.status() == StatusCode::UNAUTHORIZED => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
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
        let Some(cookie) = auth.session_cookie(&parts.headers) else { return Ok(Self(None)) };
        match auth.sessions().authenticate_cookie(&cookie).await {
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
