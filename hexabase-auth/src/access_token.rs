//! Access tokens: JWTs (RFC 9068) that authenticate requests to the API and to the userinfo endpoint.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::model::SignatureAlgorithm;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::config::AuthConfig;
use crate::digest::sha256;
use crate::error::invalid_credentials;
use crate::jwt::{self, TokenId};
use crate::keys::{KeyRing, LoadedKey, TokenType};

/// Number of verified tokens in the cache.
const VERIFIED_CACHE_CAPACITY: usize = 4_096;
/// Maximum length of a token, in bytes. A longer one is rejected without parsing.
const MAX_ACCESS_TOKEN_LENGTH: usize = 8 * 1024;
/// Tolerated difference between the clocks of replicas, in seconds.
pub(crate) const CLOCK_SKEW_SECONDS: i64 = 60;

/// Claims of an access token (RFC 9068 section 2.2).
#[derive(Debug, Serialize, Deserialize)]
struct Claims<'a> {
    iss: Cow<'a, str>,
    aud: Cow<'a, str>,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    jti: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<Cow<'a, str>>,
    /// Id of the authorization code that the token was issued for, if its session is not for this code alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code_id: Option<Cow<'a, str>>,
}

/// Audience (`aud`) of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// API of this server, for users and their command line.
    Api,
    /// Userinfo endpoint; no other endpoint accepts the token.
    Userinfo,
}

/// Client that an access token was issued to, with the granted scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorizedClient {
    pub(crate) client_id: String,
    pub(crate) scope: String,
}

/// Claims of a verified access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessClaims {
    /// Id of the key that signed the token.
    kid: Arc<str>,
    pub(crate) audience: Audience,
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) for_client: Option<Arc<AuthorizedClient>>,
    /// Id of the authorization code that the token was issued for, if its session is not for this code alone.
    pub(crate) code_id: Option<Arc<str>>,
    pub(crate) expires_at: i64,
}

/// Content of an access token to issue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewAccessToken<'a> {
    pub(crate) audience: Audience,
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    /// Client id and granted scope; `None` for a token of the user's own session.
    pub(crate) for_client: Option<(&'a str, &'a str)>,
    /// Id of the authorization code that the token is issued for, if its session is not for this code alone.
    pub(crate) code_id: Option<&'a str>,
}

/// Issues and verifies access tokens. A signature is verified once per token: the claims are cached by the hash of the
/// token, and later calls check only the expiry and that the signing key still exists.
pub(crate) struct AccessTokens {
    issuer: String,
    /// Audience of tokens for the userinfo endpoint.
    userinfo: String,
    lifetime: Duration,
    verified: quick_cache::sync::Cache<[u8; 32], AccessClaims>,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AccessTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl AccessTokens {
    pub(crate) fn new(platform: &Platform, config: &AuthConfig) -> Self {
        let issuer = platform.config().issuer.url.clone();
        Self {
            userinfo: format!("{issuer}/oauth2/userinfo"),
            issuer,
            lifetime: config.access_token_lifetime,
            verified: quick_cache::sync::Cache::new(VERIFIED_CACHE_CAPACITY),
        }
    }

    fn audience(&self, audience: Audience) -> &str {
        match audience {
            Audience::Api => &self.issuer,
            Audience::Userinfo => &self.userinfo,
        }
    }

    pub(crate) fn issue(
        &self,
        key: &LoadedKey,
        new_token: &NewAccessToken<'_>,
        now: Timestamp,
        jti: &TokenId,
    ) -> Result<String> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(0);
        let claims = Claims {
            iss: Cow::Borrowed(&self.issuer),
            aud: Cow::Borrowed(self.audience(new_token.audience)),
            sub: new_token.user,
            sid: new_token.session,
            iat: now.as_second(),
            exp: now.as_second() + lifetime,
            jti: Cow::Borrowed(jti.as_str()),
            client_id: new_token.for_client.map(|(client, _)| Cow::Borrowed(client)),
            scope: new_token.for_client.map(|(_, scope)| Cow::Borrowed(scope)),
            code_id: new_token.code_id.map(Cow::Borrowed),
        };
        jwt::sign(key, TokenType::Access, &claims)
    }

    pub(crate) async fn verify(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        if token.len() > MAX_ACCESS_TOKEN_LENGTH {
            return Err(invalid_credentials());
        }
        let digest = sha256(token);
        keys.reload_if_stale(now).await;
        let cached = self.verified.get(&digest).filter(|claims| keys.contains(&claims.kid));
        let claims = match cached {
            Some(claims) => claims,
            None => {
                let claims = self.verify_uncached(keys, token, now).await?;
                self.verified.insert(digest, claims.clone());
                claims
            }
        };
        if now.as_second() >= claims.expires_at { Err(invalid_credentials()) } else { Ok(claims) }
    }

    async fn verify_uncached(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        let (key, claims) = jwt::verify::<Claims<'_>>(keys, TokenType::Access, token).await?;
        let is_audience = |audience: &Audience| self.audience(*audience) == claims.aud;
        let audience = [Audience::Api, Audience::Userinfo]
            .into_iter()
            .find(is_audience)
            .ok_or_else(invalid_credentials)?;
        if claims.iss != self.issuer || claims.iat > now.as_second() + CLOCK_SKEW_SECONDS {
            return Err(invalid_credentials());
        }
        let for_client = claims.client_id.zip(claims.scope);
        Ok(AccessClaims {
            kid: key.kid.as_str().into(),
            audience,
            user_id: claims.sub,
            session_id: claims.sid,
            for_client: for_client.map(|(client_id, scope)| {
                Arc::new(AuthorizedClient { client_id: client_id.into_owned(), scope: scope.into_owned() })
            }),
            code_id: claims.code_id.as_deref().map(Arc::from),
            expires_at: claims.exp,
        })
    }
}

impl Auth {
    /// Issues an access token.
    pub(crate) async fn issue_access_token(&self, new_token: &NewAccessToken<'_>) -> Result<String> {
        let now = self.platform.clock().now();
        let key = self.key_ring.signing_key(SignatureAlgorithm::Es256, now).await?;
        self.access_tokens.issue(&key, new_token, now, &self.token_ids.next())
    }
}
