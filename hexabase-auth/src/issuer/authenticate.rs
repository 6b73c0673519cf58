//! How a client proves that it is the one (RFC 6749 section 2.3, OpenID Connect Core 1.0 section 9).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;

use super::client::{Client, ClientCredential};
use super::parameters::Parameters;
use super::refusal::OAuthError;
use crate::auth::Auth;
use crate::digest::{hash, sha256};

/// The one kind of assertion (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// For how long, at most, an assertion may be valid.
const LONGEST: i64 = 600;
/// By how much clocks may differ, in seconds.
const SKEW: i64 = 60;

/// What an assertion says.
#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    jti: String,
}

/// What was sent in proof.
enum Proof<'a> {
    Nothing,
    Secret(SecretString),
    Assertion(&'a str),
}

impl Auth {
    /// The client that sent a request. A client with a secret or keys must prove itself; one without must not pretend.
    pub(super) async fn authenticate_client(
        &self,
        authorization: Option<&str>,
        parameters: &Parameters,
    ) -> Result<Client, OAuthError> {
        let (id, proof) = claimed(authorization, parameters)?;
        let client = self.find_client(&id).await?.ok_or_else(OAuthError::invalid_client)?;
        let proved = match (&client.credential, proof) {
            (ClientCredential::Public, Proof::Nothing) => true,
            (ClientCredential::Secret(secret), Proof::Secret(sent)) => is_equal(secret, &sent),
            (ClientCredential::Keys(keys), Proof::Assertion(assertion)) => {
                self.is_proved_by(&client, keys, assertion).await?
            }
            _ => false,
        };
        if proved { Ok(client) } else { Err(OAuthError::invalid_client()) }
    }

    /// Whether an assertion is the client's, for us, of now, and new.
    async fn is_proved_by(
        &self,
        client: &Client,
        keys: &JwkSet,
        assertion: &str,
    ) -> Result<bool, OAuthError> {
        let issuer = &self.platform.settings().issuer.url;
        let Some(claims) = verified(keys, assertion, &[issuer, &format!("{issuer}/oauth2/token")]) else {
            return Ok(false);
        };
        let now = self.platform.clock().now().as_second();
        let is_of_now = claims.exp > now - SKEW
            && claims.exp <= now + LONGEST + SKEW
            && claims.nbf.is_none_or(|begin| begin <= now + SKEW);
        if claims.iss != client.id || claims.sub != client.id || !is_of_now {
            return Ok(false);
        }
        let mark = hash(format!("{}\n{}", client.id, claims.jti));
        let kept = Duration::from_secs(u64::try_from(LONGEST + 2 * SKEW).unwrap_or_default());
        Ok(self.platform.ephemeral().put_if_absent(&format!("assertion:{mark}"), b"1", kept).await?)
    }
}

/// Who a client says that it is, and what it shows for that. One way at a time.
fn claimed<'a>(
    authorization: Option<&str>,
    parameters: &'a Parameters,
) -> Result<(String, Proof<'a>), OAuthError> {
    let in_body = parameters.get("client_id");
    let secret = parameters.get("client_secret");
    let assertion = parameters.get("client_assertion");
    let basic = authorization.and_then(|value| value.split_once(' '));
    let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let ways = [basic.is_some(), secret.is_some(), assertion.is_some()];
    if ways.into_iter().filter(|used| *used).count() > 1 {
        return Err(OAuthError::invalid_request("a client proves itself in one way at a time"));
    }
    if let Some((_, credentials)) = basic {
        let (id, secret) = basic_credentials(credentials).ok_or_else(OAuthError::invalid_client)?;
        if in_body.is_some_and(|named| named != id) {
            return Err(OAuthError::invalid_request("client_id is not the one in the header"));
        }
        return Ok((id, Proof::Secret(secret)));
    }
    if let Some(assertion) = assertion {
        if parameters.need("client_assertion_type")? != ASSERTION_TYPE {
            return Err(OAuthError::invalid_request("this client_assertion_type is not known"));
        }
        let subject = unverified_subject(assertion).ok_or_else(OAuthError::invalid_client)?;
        if in_body.is_some_and(|named| named != subject) {
            return Err(OAuthError::invalid_request("client_id is not the one in the assertion"));
        }
        return Ok((subject, Proof::Assertion(assertion)));
    }
    let id = in_body.ok_or_else(OAuthError::invalid_client)?.to_owned();
    Ok((id, secret.map_or(Proof::Nothing, |secret| Proof::Secret(secret.to_owned().into()))))
}

/// Both halves are written as in forms (RFC 6749 section 2.3.1).
fn basic_credentials(text: &str) -> Option<(String, SecretString)> {
    let decoded = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    Some((plain(id)?, plain(secret)?.into()))
}

fn is_equal(one: &SecretString, other: &SecretString) -> bool {
    sha256(one.expose_secret()).ct_eq(&sha256(other.expose_secret())).into()
}

/// Whom an assertion is about, only to know with whose keys to verify it.
fn unverified_subject(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Subject>(&payload).ok().map(|claims| claims.sub)
}

/// What an assertion says, if one of these keys has signed it for this audience.
fn verified(keys: &JwkSet, assertion: &str, audience: &[&str]) -> Option<Assertion> {
    let header = decode_header(assertion).ok()?;
    let allowed = [Algorithm::ES256, Algorithm::ES384, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA];
    if !allowed.contains(&header.alg) {
        return None;
    }
    let named = |key: &&jsonwebtoken::jwk::Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let mut validation = Validation::new(header.alg);
    validation.set_audience(audience);
    validation.set_required_spec_claims(&["aud", "exp"]);
    // Time is ours to check: it is injected.
    validation.validate_exp = false;
    keys.keys.iter().filter(named).find_map(|key| {
        let key = DecodingKey::from_jwk(key).ok()?;
        decode::<Assertion>(assertion, &key, &validation).ok().map(|token| token.claims)
    })
}
