//! Authentication of requests.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hexabase_core::access::Principal;
use hexabase_core::authenticator::{Authentication, Authenticator, CsrfProtection, RequestCredentials};
use hexabase_core::model::Origin;

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
    /// The credentials are valid, but another site may have caused the request. Only the layer [`csrf`](super::csrf)
    /// makes a principal of them.
    Unchecked(Principal, CsrfProtection),
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
/// Credentials that browsers attach by themselves count in requests that do more than read only together with the layer
/// [`csrf`](super::csrf), which must be inside of this one.
pub async fn credentials(
    State(authenticator): State<Arc<dyn Authenticator>>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = &RequestContext::of(request.extensions()).route;
    // Responses without a limit are the same for all callers, so a credential causes no work.
    if Limit::of(request.method(), route, false) != Limit::Unlimited {
        let peer =
            request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
        let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
        let credentials = RequestCredentials { headers: request.headers(), peer, origin: &origin };
        let identity = match authenticator.authenticate(&credentials).await {
            Ok(None) => Identity::Anonymous,
            Ok(Some(Authentication { principal, csrf })) => match csrf {
                CsrfProtection::NotAmbient => Identity::Principal(principal),
                _ if request.method().is_safe() => Identity::Principal(principal),
                csrf => Identity::Unchecked(principal, csrf),
            },
            Err(error) => Identity::Rejected(error.into()),
        };
        request.extensions_mut().insert(identity);
    }
    next.run(request).await
}
