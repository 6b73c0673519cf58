//! Authentication of requests: access tokens, API tokens and session cookies.

use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::Result;
use hexabase_core::platform::API_TOKEN_PREFIX;

use crate::access_token::Audience;
use crate::auth::Auth;
use crate::error::invalid_credentials;

impl Auth {
    /// Authenticates a bearer token: an access token or an API token.
    ///
    /// # Errors
    /// - `Unauthenticated` if it is not a valid token of this server; the error does not reveal why.
    /// - `Unavailable` if the token cannot be checked.
    pub async fn authenticate_bearer(&self, bearer: &str) -> Result<Principal> {
        if bearer.starts_with(API_TOKEN_PREFIX) {
            return self.api_tokens().authenticate(bearer).await;
        }
        let claims = self.access_tokens.verify(&self.key_ring, bearer, self.platform.clock().now()).await?;
        if claims.audience != Audience::Api {
            return Err(invalid_credentials());
        }
        self.issuer().require_token_not_revoked(&claims).await?;
        Ok(Principal { user_id: claims.user_id, credential: Credential::Session(claims.session_id) })
    }

    /// Rejects a principal whose session or API token has ended since it authenticated. For responses that outlive the
    /// authentication of their request.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session or token has ended.
    /// - `Unavailable` if that cannot be checked.
    pub async fn require_alive(&self, principal: &Principal) -> Result<()> {
        let (store, now) = (self.platform.store(), self.platform.clock().now());
        let alive = match &principal.credential {
            Credential::Session(id) => {
                self.sessions().require_not_revoked(*id).await?;
                store.find_session(*id).await?.is_some_and(|session| session.is_alive(now))
            }
            Credential::Token(id, _) => {
                store.find_api_token(*id).await?.is_some_and(|token| token.is_alive(now))
            }
            // A workload token authenticates the request that carries it, and nothing after it.
            Credential::Workload => false,
            // Another system vouched for the user; this one cannot tell whether it still does.
            Credential::External => false,
        };
        if alive { Ok(()) } else { Err(invalid_credentials()) }
    }
}
