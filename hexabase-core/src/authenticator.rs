//! Extension point for the authentication of requests: who a request comes from.
//!
//! An authenticator decides about identity only. What the caller may do, how much, and whether a request could have been
//! forged by another site is decided by the services and by the HTTP layer, for all authenticators alike.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderMap;

use crate::access::{Credential, Principal};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Origin;
use crate::secret::SecretString;

/// Authenticates requests.
///
/// # Behaviour
/// - A request without credentials of this authenticator is `None`, so that operations that need none proceed.
/// - Credentials that are not valid are `Unauthenticated`, never `None`; the error does not reveal why.
/// - The same credentials authenticate the same user.
/// - A principal is alive directly after it has authenticated.
/// - After its credentials have ended, a principal is not alive.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Authenticates a request.
    ///
    /// # Errors
    /// - `Unauthenticated` if the request has credentials that are not valid.
    /// - `Unavailable` if they cannot be checked. The request then fails, so that no revoked credential is accepted.
    async fn authenticate<'a>(&self, request: &RequestCredentials<'a>) -> Result<Option<Authentication>>;

    /// Rejects a principal whose credentials have ended since it authenticated. For responses that outlive the
    /// authentication of their request, such as event streams; called every few seconds.
    ///
    /// # Errors
    /// - `Unauthenticated` if the credentials have ended, or are not of this authenticator.
    /// - `Unavailable` if that cannot be checked.
    async fn require_alive(&self, principal: &Principal) -> Result<()>;
}

/// Parts of a request that can contain credentials.
#[derive(Debug, Clone, Copy)]
pub struct RequestCredentials<'a> {
    /// Headers of the request, as the sender wrote them. Any client can write any header.
    pub headers: &'a HeaderMap,
    /// Peer of the connection: the client, or the last proxy before this server. `None` if it is unknown. It is not
    /// taken from a header.
    pub peer: Option<IpAddr>,
    /// Client address behind trusted proxies, device and request id, for security events.
    pub origin: &'a Origin,
}

/// Authenticated caller.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// User, and the credential with its restrictions.
    pub principal: Principal,
    /// Protection of the credential against requests that other sites forge, which the HTTP layer enforces.
    pub csrf: CsrfProtection,
}

/// Protection against forged requests (CSRF): browsers attach some credentials to requests that other sites cause.
#[derive(Debug, Clone)]
pub enum CsrfProtection {
    /// No browser attaches the credential by itself, such as a bearer token.
    NotAmbient,
    /// The request must carry this token in `X-CSRF-Token`, unless it only reads.
    Token(SecretString),
    /// The request must come from a page of this server, unless it only reads: for credentials that a proxy adds after
    /// it has recognized the browser.
    SameOrigin,
}

/// Asks several authenticators, in this order; the first that finds credentials decides.
///
/// Only the authenticator that admitted a user with an external credential decides if the user is still alive: the
/// credential has its position in the list. Sessions and API tokens are known by their ids, so each authenticator is
/// asked about them.
#[derive(Debug, Clone)]
pub struct FirstOf(pub Vec<Arc<dyn Authenticator>>);

#[async_trait]
impl Authenticator for FirstOf {
    async fn authenticate<'a>(&self, request: &RequestCredentials<'a>) -> Result<Option<Authentication>> {
        for (index, authenticator) in self.0.iter().enumerate() {
            if let Some(mut authentication) = authenticator.authenticate(request).await? {
                let credential = &mut authentication.principal.credential;
                if let Credential::External(inner) = credential {
                    *inner = std::mem::take(inner).within(index);
                }
                return Ok(Some(authentication));
            }
        }
        Ok(None)
    }

    async fn require_alive(&self, principal: &Principal) -> Result<()> {
        let ended = || Error::unauthenticated("the credentials have ended; sign in again");
        if let Credential::External(position) = &principal.credential {
            let (index, inner) = position.split_first().ok_or_else(ended)?;
            let admitted = self.0.get(index).ok_or_else(ended)?;
            let credential = Credential::External(inner);
            return admitted.require_alive(&Principal { credential, ..principal.clone() }).await;
        }
        for authenticator in &self.0 {
            match authenticator.require_alive(principal).await {
                Err(error) if error.kind() == ErrorKind::Unauthenticated => {}
                decided => return decided,
            }
        }
        Err(ended())
    }
}

#[cfg(test)]
mod tests {
    use futures_executor::block_on;

    use super::*;
    use crate::fixture::id;

    /// Authenticator of a system that admits a user by a header, and whose users are alive or not.
    #[derive(Debug)]
    struct External {
        header: &'static str,
        alive: bool,
    }

    #[async_trait]
    impl Authenticator for External {
        async fn authenticate<'a>(&self, request: &RequestCredentials<'a>) -> Result<Option<Authentication>> {
            let principal = Principal { user_id: id("ann"), credential: Credential::EXTERNAL };
            let admitted = request.headers.contains_key(self.header);
            Ok(admitted.then_some(Authentication { principal, csrf: CsrfProtection::SameOrigin }))
        }

        async fn require_alive(&self, principal: &Principal) -> Result<()> {
            match self.alive && principal.credential == Credential::EXTERNAL {
                true => Ok(()),
                false => Err(Error::unauthenticated("not alive")),
            }
        }
    }

    fn external(header: &'static str, alive: bool) -> Arc<dyn Authenticator> {
        Arc::new(External { header, alive })
    }

    #[test]
    fn only_the_authenticator_that_admitted_a_user_vouches_for_it_later() {
        block_on(async {
            let inner = FirstOf(vec![external("x-second", true), external("x-third", false)]);
            let all = FirstOf(vec![external("x-first", false), Arc::new(inner), external("x-fourth", true)]);
            let mut seen = Vec::new();
            for (header, is_alive) in
                [("x-first", false), ("x-second", true), ("x-third", false), ("x-fourth", true)]
            {
                let mut headers = HeaderMap::new();
                headers.insert(header, "ann".parse().unwrap());
                let request =
                    RequestCredentials { headers: &headers, peer: None, origin: &Origin::default() };
                let principal = all.authenticate(&request).await.unwrap().unwrap().principal;
                let alive = all.require_alive(&principal).await;
                assert_eq!(alive.map_err(|error| error.kind()).is_ok(), is_alive, "{header}");
                assert!(!seen.contains(&principal.credential), "{header}");
                seen.push(principal.credential);
            }
            // A user whom no member of the list admitted.
            let principal = Principal { user_id: id("ann"), credential: Credential::EXTERNAL };
            assert_eq!(all.require_alive(&principal).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
        });
    }
}
