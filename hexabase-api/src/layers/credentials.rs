//! Authentication of requests.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hexabase_core::access::Principal;
use hexabase_core::authenticator::{Authenticator, RequestCredentials};

use super::rate_limit::Limit;
use super::request_context::RequestContext;
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

/// Middleware that authenticates a request with the [`Authenticator`] of the state. A request without credentials, or
/// with invalid ones, proceeds; operations that require credentials reject it.
///
/// Credentials that browsers attach by themselves only count together with the layer [`csrf`](super::csrf), which must be
/// inside of this one.
pub async fn credentials(
    State(authenticator): State<Arc<dyn Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = &RequestContext::of(request.extensions()).route;
    // Responses without a limit are the same for all callers, so a credential causes no work.
    if Limit::of(request.method(), route) != Limit::Unlimited {
        let peer =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        let credentials = RequestCredentials { headers: request.headers(), peer };
        match authenticator.authenticate(&credentials).await {
            Ok(None) => {}
            Ok(Some(authentication)) => {
                request.extensions_mut().insert(Identity::Principal(authentication.principal));
                request.extensions_mut().insert(authentication.csrf);
            }
            Err(error) => drop(request.extensions_mut().insert(Identity::Rejected(error.into()))),
        }
    }
    next.run(request).await
}
