//! Tokens of workloads for the API: JWTs that the token exchange issues to programs, such as CI jobs, that act as a service
//! account.
//!
//! Nothing is stored. Each request with such a token reads the service account, so that the deletion of the account ends its
//! tokens at once, and its permissions are those of the account now, within the scopes in the token.

use std::borrow::Cow;

use hexabase_core::access::{Credential, Principal};
use hexabase_core::clock::after;
use hexabase_core::error::Result;
use hexabase_core::id::UserId;
use hexabase_core::model::{Scopes, SignatureAlgorithm, UserKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access_token::CLOCK_SKEW_SECONDS;
use crate::auth::Auth;
use crate::error::invalid_credentials;
use crate::jwt;
use crate::keys::TokenType;

/// Prefix of tokens of workloads, by which secret scanners recognize them.
pub(crate) const PREFIX: &str = "hxw_";
/// Maximum length of a token, in bytes. A longer one is rejected without parsing.
const MAX_LENGTH: usize = 4 * 1024;

/// Claims of a token of a workload.
#[derive(Debug, Serialize, Deserialize)]
struct Claims<'a> {
    iss: Cow<'a, str>,
    aud: Cow<'a, str>,
    /// Service account.
    sub: UserId,
    /// Scopes that restrict the account's permissions.
    scopes: Scopes,
    iat: i64,
    exp: i64,
    jti: Cow<'a, str>,
}

impl Auth {
    /// Returns the expiry of a token of a workload that is issued now.
    pub(crate) fn workload_token_expiry(&self) -> Timestamp {
        after(self.platform.clock().now(), self.config.access_token_lifetime)
    }

    /// Issues a token for the API to a workload that acts as a service account.
    pub(crate) async fn issue_workload_token(
        &self,
        account: UserId,
        scopes: &Scopes,
        expires_at: Timestamp,
    ) -> Result<String> {
        let now = self.platform.clock().now();
        let key = self.key_ring.signing_key(SignatureAlgorithm::Es256, now).await?;
        let (issuer, jti) = (&self.platform.config().issuer.url, self.token_ids.next());
        let claims = Claims {
            iss: Cow::Borrowed(issuer),
            aud: Cow::Borrowed(issuer),
            sub: account,
            scopes: scopes.clone(),
            iat: now.as_second(),
            exp: expires_at.as_second(),
            jti: Cow::Borrowed(jti.as_str()),
        };
        Ok(format!("{PREFIX}{}", jwt::sign(&key, TokenType::Workload, &claims)?))
    }

    /// Authenticates a token of a workload, without its prefix.
    pub(crate) async fn authenticate_workload(&self, token: &str) -> Result<Principal> {
        if token.len() > MAX_LENGTH {
            return Err(invalid_credentials());
        }
        let now = self.platform.clock().now();
        self.key_ring.reload_if_stale(now).await;
        let (_, claims) = jwt::verify::<Claims<'_>>(&self.key_ring, TokenType::Workload, token).await?;
        let issuer = &self.platform.config().issuer.url;
        let is_current = now.as_second() < claims.exp && claims.iat <= now.as_second() + CLOCK_SKEW_SECONDS;
        if claims.iss != *issuer || claims.aud != *issuer || !is_current {
            return Err(invalid_credentials());
        }
        self.require_service_account(claims.sub).await?;
        let expires_at = Timestamp::from_second(claims.exp).map_err(|_| invalid_credentials())?;
        Ok(Principal {
            user_id: claims.sub,
            credential: Credential::Workload { scopes: claims.scopes, expires_at },
        })
    }

    /// Checks that a service account exists.
    pub(crate) async fn require_service_account(&self, id: UserId) -> Result<()> {
        let user = self.platform.store().find_user(id).await?;
        match user.is_some_and(|user| user.kind == UserKind::ServiceAccount) {
            true => Ok(()),
            false => Err(invalid_credentials()),
        }
    }
}
