//! Client authentication (RFC 6749 section 2.3, OpenID Connect Core 1.0 section 9).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::OidcIssuer;
use super::client::{Client, ClientCredential};
use super::error::OAuthError;
use super::parameters::Parameters;
use crate::digest::{hash, sha256};

/// Supported type of client assertions (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Maximum remaining lifetime of an assertion, in seconds.
const MAX_ASSERTION_LIFETIME_SECONDS: i64 = 600;
/// Tolerated clock difference, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 60;

/// Claims of a client assertion.
#[derive(Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    jti: String,
}

/// Credential that a request presents.
enum PresentedCredential<'a> {
    None,
    Secret(SecretString),
    Assertion(&'a str),
}

impl OidcIssuer<'_> {
    /// Authenticates the client of a request. A client with a secret or keys must present its credential; a public
    /// client must present none.
    pub(super) async fn authenticate_client(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
    ) -> Result<Client, OAuthError> {
        let (id, presented) = presented_credential(authorization, parameters)?;
        let client = self.find_client(&id).ok_or_else(OAuthError::invalid_client)?;
        let is_authenticated = match (&client.credential, presented) {
            (ClientCredential::Public, PresentedCredential::None) => true,
            (ClientCredential::Secret(secret), PresentedCredential::Secret(presented_secret)) => {
                secrets_match(secret, &presented_secret)
            }
            (ClientCredential::Keys(keys), PresentedCredential::Assertion(assertion)) => {
                self.is_valid_assertion(&client, keys, assertion).await?
            }
            _ => false,
        };
        if is_authenticated { Ok(client) } else { Err(OAuthError::invalid_client()) }
    }

    /// `true` if the client issued the assertion for this server, it is currently valid, and it was not used before.
    async fn is_valid_assertion(
        &self,
        client: &Client,
        keys: &JwkSet,
        assertion: &str,
    ) -> Result<bool, OAuthError> {
        let issuer = &self.0.platform.config().issuer.url;
        let Some(claims) = verify_assertion(keys, assertion, &[issuer, &format!("{issuer}/oauth2/token")])
        else {
            return Ok(false);
        };
        let now = self.0.platform.clock().now().as_second();
        let is_current = claims.exp > now - CLOCK_SKEW_SECONDS
            && claims.exp <= now + MAX_ASSERTION_LIFETIME_SECONDS + CLOCK_SKEW_SECONDS
            && claims.nbf.is_none_or(|not_before| not_before <= now + CLOCK_SKEW_SECONDS);
        if claims.iss != client.id || claims.sub != client.id || !is_current {
            return Ok(false);
        }
        let fingerprint = hash(format!("{}\n{}", client.id, claims.jti));
        let ttl = Duration::from_secs(
            u64::try_from(MAX_ASSERTION_LIFETIME_SECONDS + 2 * CLOCK_SKEW_SECONDS).unwrap_or_default(),
        );
        Ok(self.0.platform.ephemeral().put_if_absent(&format!("assertion:{fingerprint}"), b"1", ttl).await?)
    }
}

/// Returns the client id and the credential that a request presents; at most one authentication method may be used.
fn presented_credential<'a>(
    authorization: Option<&str>,
    parameters: &'a Parameters,
) -> Result<(String, PresentedCredential<'a>), OAuthError> {
    let body_id = parameters.get("client_id");
    let secret = parameters.get("client_secret");
    let assertion = parameters.get("client_assertion");
    let basic = authorization.and_then(|value| value.split_once(' '));
    let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let methods = [basic.is_some(), secret.is_some(), assertion.is_some()];
    if methods.into_iter().filter(|used| *used).count() > 1 {
        return Err(OAuthError::invalid_request("a request must use only one client authentication method"));
    }
    if let Some((_, credentials)) = basic {
        let (id, secret) = basic_credentials(credentials).ok_or_else(OAuthError::invalid_client)?;
        if body_id.is_some_and(|body_id| body_id != id) {
            return Err(OAuthError::invalid_request("client_id differs from the Authorization header"));
        }
        return Ok((id, PresentedCredential::Secret(secret)));
    }
    if let Some(assertion) = assertion {
        if parameters.require("client_assertion_type")? != ASSERTION_TYPE {
            return Err(OAuthError::invalid_request("client_assertion_type is not supported"));
        }
        let subject = unverified_subject(assertion).ok_or_else(OAuthError::invalid_client)?;
        if body_id.is_some_and(|body_id| body_id != subject) {
            return Err(OAuthError::invalid_request("client_id differs from the subject of the assertion"));
        }
        return Ok((subject, PresentedCredential::Assertion(assertion)));
    }
    let id = body_id.ok_or_else(OAuthError::invalid_client)?.to_owned();
    Ok((
        id,
        secret.map_or(PresentedCredential::None, |secret| {
            PresentedCredential::Secret(secret.to_owned().into())
        }),
    ))
}

/// Decodes Basic credentials, both parts of which are form-encoded (RFC 6749 section 2.3.1).
fn basic_credentials(text: &str) -> Option<(String, SecretString)> {
    let decoded = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let decode_form = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((decode_form(id)?, decode_form(secret)?.into()))
}

fn secrets_match(one: &SecretString, other: &SecretString) -> bool {
    sha256(one.expose_secret()).ct_eq(&sha256(other.expose_secret())).into()
}

/// Returns the unverified subject of an assertion, which selects the keys to verify it with.
fn unverified_subject(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Subject>(&payload).ok().map(|claims| claims.sub)
}

/// Returns the claims of an assertion that one of these keys signed for this audience.
fn verify_assertion(keys: &JwkSet, assertion: &str, audience: &[&str]) -> Option<AssertionClaims> {
    let header = decode_header(assertion).ok()?;
    let allowed = [Algorithm::ES256, Algorithm::ES384, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA];
    if !allowed.contains(&header.alg) {
        return None;
    }
    let matches_kid = |key: &&jsonwebtoken::jwk::Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(audience);
    validation.set_required_spec_claims(&["aud", "exp"]);
    // The caller checks the times with the injected clock.
    validation.validate_exp = false;
    keys.keys.iter().filter(matches_kid).find_map(|key| {
        let key = DecodingKey::from_jwk(key).ok()?;
        decode::<AssertionClaims>(assertion, &key, &validation).ok().map(|token| token.claims)
    })
}
