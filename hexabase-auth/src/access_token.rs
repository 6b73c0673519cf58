//! Access tokens (RFC 9068): what the API and its clients are asked with.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::id::{SessionId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::AuthConfig;
use crate::digest::sha256;
use crate::jwt::{self, TokenId};
use crate::keys::{Key, KeyRing, TokenType};
use crate::refusal::refused;

/// How many verified tokens are remembered.
const REMEMBERED: usize = 4_096;
/// The longest token that is looked at.
const LONGEST: usize = 8 * 1024;
/// By how much clocks of replicas may differ, in seconds.
const SKEW: i64 = 60;

/// What an access token says (RFC 9068 section 2.2).
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
}

/// Whom an access token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The API, for people and their own command line.
    Api,
    /// Whoever asks who somebody is: nothing else can be done with it.
    Userinfo,
}

/// The client that an access token was given to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForClient {
    pub(crate) client_id: String,
    pub(crate) scope: String,
}

/// Whoever an access token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessClaims {
    /// The key that has signed it.
    kid: Arc<str>,
    pub(crate) audience: Audience,
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    pub(crate) for_client: Option<Arc<ForClient>>,
    pub(crate) expires_at: i64,
}

/// What an access token is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued<'a> {
    pub(crate) audience: Audience,
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    /// The client with the scope, if it is not the person's own.
    pub(crate) for_client: Option<(&'a str, &'a str)>,
}

/// Makes and verifies access tokens. A signature is verified once per token: what was found is remembered
/// under the token's hash, and only its expiry is looked at again.
pub(crate) struct AccessTokens {
    issuer: String,
    /// Whom tokens are for that only ask who somebody is.
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
        let issuer = platform.settings().issuer.url.clone();
        Self {
            userinfo: format!("{issuer}/oauth2/userinfo"),
            issuer,
            lifetime: config.access_token,
            verified: quick_cache::sync::Cache::new(REMEMBERED),
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
        key: &Key,
        issued: &Issued<'_>,
        now: Timestamp,
        jti: &TokenId,
    ) -> Result<String> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(0);
        let claims = Claims {
            iss: Cow::Borrowed(&self.issuer),
            aud: Cow::Borrowed(self.audience(issued.audience)),
            sub: issued.user,
            sid: issued.session,
            iat: now.as_second(),
            exp: now.as_second() + lifetime,
            jti: Cow::Borrowed(jti.as_str()),
            client_id: issued.for_client.map(|(client, _)| Cow::Borrowed(client)),
            scope: issued.for_client.map(|(_, scope)| Cow::Borrowed(scope)),
        };
        jwt::sign(key, TokenType::Access, &claims)
    }

    pub(crate) async fn verify(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        if token.len() > LONGEST {
            return Err(refused());
        }
        let digest = sha256(token);
        keys.stay_fresh(now).await;
        let remembered = self.verified.get(&digest).filter(|claims| keys.knows(&claims.kid));
        let claims = match remembered {
            Some(claims) => claims,
            None => {
                let claims = self.check(keys, token, now).await?;
                self.verified.insert(digest, claims.clone());
                claims
            }
        };
        if now.as_second() >= claims.expires_at { Err(refused()) } else { Ok(claims) }
    }

    async fn check(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        let (key, claims) = jwt::verified::<Claims<'_>>(keys, TokenType::Access, token).await?;
        let is_audience = |audience: &Audience| self.audience(*audience) == claims.aud;
        let audience =
            [Audience::Api, Audience::Userinfo].into_iter().find(is_audience).ok_or_else(refused)?;
        if claims.iss != self.issuer || claims.iat > now.as_second() + SKEW {
            return Err(refused());
        }
        let for_client = claims.client_id.zip(claims.scope);
        Ok(AccessClaims {
            kid: key.kid.as_str().into(),
            audience,
            user_id: claims.sub,
            session_id: claims.sid,
            for_client: for_client.map(|(client_id, scope)| {
                Arc::new(ForClient { client_id: client_id.into_owned(), scope: scope.into_owned() })
            }),
            expires_at: claims.exp,
        })
    }
}
