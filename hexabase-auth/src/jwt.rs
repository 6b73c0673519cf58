//! Signed tokens.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, UserId};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
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
    let header = Header { alg: "ES256", typ: token_type, kid: &key.kid };
    let mut token = URL_SAFE_NO_PAD.encode(json(serde_json::to_vec(&header))?);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(json(serde_json::to_vec(claims))?, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Whoever an access token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccessClaims {
    pub(crate) user_id: UserId,
    pub(crate) session_id: SessionId,
    expires_at: i64,
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

impl AccessTokens {
    pub(crate) fn new(platform: &Platform, config: &AuthConfig) -> Self {
        let issuer = platform.settings().issuer.url.clone();
        Self { issuer, lifetime: config.access_token, verified: quick_cache::sync::Cache::new(REMEMBERED) }
    }

    pub(crate) fn issue(
        &self,
        key: &Key,
        user: UserId,
        session: SessionId,
        now: Timestamp,
        jti: String,
    ) -> Result<String> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(0);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: user,
            sid: session,
            iat: now.as_second(),
            exp: now.as_second() + lifetime,
            jti,
        };
        sign(key, ACCESS_TYPE, &claims)
    }

    pub(crate) async fn verify(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        if token.len() > LONGEST {
            return Err(refused());
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        let claims = match self.verified.get(&digest) {
            Some(claims) => claims,
            None => {
                let claims = self.check(keys, token, now).await?;
                self.verified.insert(digest, claims);
                claims
            }
        };
        if now.as_second() >= claims.expires_at { Err(refused()) } else { Ok(claims) }
    }

    async fn check(&self, keys: &KeyRing, token: &str, now: Timestamp) -> Result<AccessClaims> {
        let header = decode_header(token).map_err(|_| refused())?;
        if header.alg != Algorithm::ES256 || header.typ.as_deref() != Some(ACCESS_TYPE) {
            return Err(refused());
        }
        let kid = header.kid.ok_or_else(refused)?;
        let key = keys.find(&kid).await?.ok_or_else(refused)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.issuer]);
        // Time is ours to check: it is injected.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims = decode::<Claims>(token, &key.verifier, &validation).map_err(|_| refused())?.claims;
        // A minute for clocks that differ.
        if claims.iat > now.as_second() + 60 {
            return Err(refused());
        }
        Ok(AccessClaims { user_id: claims.sub, session_id: claims.sid, expires_at: claims.exp })
    }
}
