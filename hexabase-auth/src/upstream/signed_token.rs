//! Verification of signed tokens of remote issuers: ID tokens (OpenID Connect Core 1.0 section 3.1.3.7), workload tokens
//! and signed userinfo responses. Only what is verified or used is required to be valid.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::crypto;
use serde_json::{Map, Value};

use super::key_set::{KeySet, PublishedKey, present};

/// Tolerated clock difference, in seconds.
const CLOCK_SKEW_SECONDS: f64 = 60.0;
/// Maximum length of a subject, in bytes (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT_LENGTH: usize = 255;

/// Claims of a token.
pub(super) type Claims = Map<String, Value>;

/// Reason for which a token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token is not a signed JWT in compact form")]
    Malformed,
    #[error("the token has critical header parameters")]
    CriticalHeader,
    #[error("no published key has the id and the algorithm of the token")]
    UnknownKey,
    #[error("the token has no key id, and the issuer has several keys")]
    AmbiguousKey,
    #[error("the signature is wrong")]
    WrongSignature,
    #[error("the issuer (iss) is another one")]
    WrongIssuer,
    #[error("the audience (aud) does not include this client, or includes one that is not trusted")]
    WrongAudience,
    #[error("the authorized party (azp) is another client")]
    WrongAuthorizedParty,
    #[error("the nonce is missing or another one")]
    WrongNonce,
    #[error("the subject (sub) is missing or not valid")]
    InvalidSubject,
    #[error("the token has no valid time of expiry (exp)")]
    NoExpiry,
    #[error("the token has expired")]
    Expired,
    #[error("the token has no valid time of issue (iat)")]
    NoIssueTime,
    #[error("the token was issued in the future")]
    IssuedInFuture,
    #[error("the token is not valid yet, or nbf is not a time")]
    NotYetValid,
}

/// Use of a token.
#[derive(Debug, Clone, Copy)]
pub(super) enum TokenUse<'a> {
    /// ID token for a sign-in that was requested with this nonce.
    SignIn { nonce: &'a str },
    /// Token of a workload.
    Workload,
}

/// Values that the claims of a token must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    /// Required audience: the client id, or the audience of a trust.
    pub(super) audience: &'a str,
    /// Audiences that the token may have in addition.
    pub(super) trusted_audiences: &'a [String],
    pub(super) token_use: TokenUse<'a>,
    /// Current time, in seconds since the epoch.
    pub(super) now: i64,
}

/// Verifies the signature of a token, and returns its claims.
pub(super) fn verify_signature(token: &str, keys: &KeySet) -> Result<Claims, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header = decode(header)?;
    if header.contains_key("crit") {
        return Err(TokenError::CriticalHeader);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).ok_or(TokenError::Malformed)?;
    let algorithm: Algorithm = algorithm.parse().map_err(|_| TokenError::UnknownKey)?;
    let key_id = match present(&header, "kid") {
        None => None,
        Some(id) => Some(id.as_str().ok_or(TokenError::Malformed)?),
    };
    let candidates = candidates(keys, algorithm, key_id)?;
    let is_signed_with = |key: &&PublishedKey| {
        crypto::verify(signature, signed.as_bytes(), &key.key, algorithm).unwrap_or(false)
    };
    if !candidates.iter().any(is_signed_with) {
        return Err(TokenError::WrongSignature);
    }
    decode(payload)
}

/// Returns the keys that may have signed a token.
fn candidates<'a>(
    keys: &'a KeySet,
    algorithm: Algorithm,
    key_id: Option<&str>,
) -> Result<Vec<&'a PublishedKey>, TokenError> {
    let compatible: Vec<_> = keys.0.iter().filter(|key| key.algorithms.contains(&algorithm)).collect();
    let found = match key_id {
        // Core 1.0 section 10.1: with several keys, the token must name one.
        None if compatible.len() > 1 => return Err(TokenError::AmbiguousKey),
        None => compatible,
        Some(id) => {
            let named: Vec<_> =
                compatible.iter().copied().filter(|key| key.id.as_deref() == Some(id)).collect();
            // A key may be published without an id (RFC 7517 section 4.5).
            match named.is_empty() {
                true => compatible.into_iter().filter(|key| key.id.is_none()).collect(),
                false => named,
            }
        }
    };
    if found.is_empty() { Err(TokenError::UnknownKey) } else { Ok(found) }
}

fn decode(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

/// Verifies the claims of a token whose signature is verified.
pub(super) fn verify_claims(claims: &Claims, expected: &Expected<'_>) -> Result<(), TokenError> {
    if claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
        return Err(TokenError::WrongIssuer);
    }
    verify_audience(claims, expected.audience, expected.trusted_audiences)?;
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
    if let TokenUse::SignIn { nonce } = expected.token_use {
        if present(claims, "azp").is_some_and(|party| party != expected.audience) {
            return Err(TokenError::WrongAuthorizedParty);
        }
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(TokenError::WrongNonce);
        }
        if subject.len() > MAX_SUBJECT_LENGTH {
            return Err(TokenError::InvalidSubject);
        }
    }
    if subject.is_empty() {
        return Err(TokenError::InvalidSubject);
    }
    verify_times(claims, expected.now)
}

/// Verifies that an audience is named, and no other one that is not trusted.
pub(super) fn verify_audience(claims: &Claims, audience: &str, trusted: &[String]) -> Result<(), TokenError> {
    let named: Option<Vec<&str>> = match claims.get("aud") {
        Some(Value::String(one)) => Some(vec![one]),
        Some(Value::Array(all)) => all.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let named = named.ok_or(TokenError::WrongAudience)?;
    let is_trusted = |one: &&str| *one == audience || trusted.iter().any(|other| other == one);
    match named.contains(&audience) && named.iter().all(is_trusted) {
        true => Ok(()),
        false => Err(TokenError::WrongAudience),
    }
}

fn verify_times(claims: &Claims, now: i64) -> Result<(), TokenError> {
    let now = now as f64;
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    if time("exp").ok_or(TokenError::NoExpiry)? <= now - CLOCK_SKEW_SECONDS {
        return Err(TokenError::Expired);
    }
    if time("iat").ok_or(TokenError::NoIssueTime)? > now + CLOCK_SKEW_SECONDS {
        return Err(TokenError::IssuedInFuture);
    }
    let is_early = |start: &Value| start.as_f64().is_none_or(|start| start > now + CLOCK_SKEW_SECONDS);
    if present(claims, "nbf").is_some_and(is_early) {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}
