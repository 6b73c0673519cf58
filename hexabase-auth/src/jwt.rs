//! Signed tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, UserId};
use jiff::Timestamp;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::config::AuthConfig;
use crate::keys::{Key, KeyRing};
use crate::refusal::refused;

/// The type of access tokens (RFC 9068): no token made for something else is taken for one.
const ACCESS_TYPE: &str = "at+jwt";
/// How many verified tokens are remembered.
const REMEMBERED: usize = 4_096;
/// The longest token that is looked at.
const LONGEST: usize = 8 * 1024;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    kid: &'a str,
}

/// A JSON Web Token, compact (RFC 7515 section 7.1).
pub(crate) fn sign(key: &Key, token_type: &str, claims: &impl Serialize) -> Result<String> {
    let json = |value: serde_json::Result<Vec<u8>>| {
        value.map_err(|error| Error::unexpected("claims cannot be written as JSON").caused_by(error))
    };
    let header = Header { alg: key.algorithm.as_str(), typ: token_type, kid: &key.kid };
    let mut token = URL_SAFE_NO_PAD.encode(json(serde_json::to_vec(&header))?);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(json(serde_json::to_vec(claims))?, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// What an access token says (RFC 9068 section 2.2).
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
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
    lifetime: Duration,
    verified: quick_cache::sync::Cache<[u8; 32], AccessClaims>,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AccessTokens").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl Audience {
    fn of(self, issuer: &str) -> String {
        match self {
            Self::Api => issuer.to_owned(),
            Self::Userinfo => format!("{issuer}/oauth2/userinfo"),
        }
    }
}

impl AccessTokens {
    pub(crate) fn new(platform: &Platform, config: &AuthConfig) -> Self {
        let issuer = platform.settings().issuer.url.clone();
        Self { issuer, lifetime: config.access_token, verified: quick_cache::sync::Cache::new(REMEMBERED) }
    }

    pub(crate) fn issue(
        &self,
        key: &Key,
        issued: &Issued<'_>,
        now: Timestamp,
        jti: String,
    ) -> Result<String> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(0);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: issued.audience.of(&self.issuer),
            sub: issued.user,
            sid: issued.session,
            iat: now.as_second(),
            exp: now.as_second() + lifetime,
            jti,
            client_id: issued.for_client.map(|(client, _)| client.to_owned()),
            scope: issued.for_client.map(|(_, scope)| scope.to_owned()),
        };
        sign(key, ACCESS_TYPE, &claims)
    }

    pub(crate) async fn verify(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        if token.len() > LONGEST {
            return Err(refused());
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        keys.stay_fresh().await;
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
        let header = decode_header(token).map_err(|_| refused())?;
        if header.typ.as_deref() != Some(ACCESS_TYPE) {
            return Err(refused());
        }
        let kid = header.kid.ok_or_else(refused)?;
        let key = keys.find(&kid).await?.ok_or_else(refused)?;
        let mut validation = Validation::new(key.verified_by());
        validation.set_issuer(&[&self.issuer]);
        let userinfo = Audience::Userinfo.of(&self.issuer);
        validation.set_audience(&[&self.issuer, &userinfo]);
        // Time is ours to check: it is injected.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Claims>(token, &key.verifier, &validation).map_err(|_| refused())?.claims;
        // A minute for clocks that differ.
        if claims.iat > now.as_second() + 60 {
            return Err(refused());
        }
        let for_client = claims.client_id.zip(claims.scope);
        Ok(AccessClaims {
            kid: kid.into(),
            audience: if claims.aud == self.issuer { Audience::Api } else { Audience::Userinfo },
            user_id: claims.sub,
            session_id: claims.sid,
            for_client: for_client.map(|(client_id, scope)| Arc::new(ForClient { client_id, scope })),
            expires_at: claims.exp,
        })
    }
}
