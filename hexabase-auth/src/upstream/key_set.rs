//! Key sets of remote issuers (RFC 7517). A key that cannot verify a signature of an accepted algorithm is skipped:
//! a set may contain keys of any type, use and algorithm (RFC 7517 section 5).

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Key that verifies signatures of a remote issuer.
#[derive(Clone)]
pub(super) struct PublishedKey {
    /// `kid`; `None` if the key has none.
    pub(super) id: Option<String>,
    /// Algorithms that the key may be used with. Symmetric ones, with which the verifier could sign as well, and
    /// `none` are never among them.
    pub(super) algorithms: Vec<Algorithm>,
    /// Public key.
    pub(super) key: DecodingKey,
}

impl fmt::Debug for PublishedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PublishedKey({:?}, {:?})", self.id, self.algorithms)
    }
}

/// Keys of a remote issuer.
#[derive(Debug, Clone)]
pub(super) struct KeySet(pub(super) Vec<PublishedKey>);

impl KeySet {
    /// Parses a key set.
    pub(super) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(body)?;
        Ok(Self(document.keys.iter().filter_map(|key| PublishedKey::parse(key.as_object()?)).collect()))
    }
}

impl PublishedKey {
    /// Parses a key; `None` if it is not for verifying signatures of an accepted algorithm.
    fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let (algorithms, key) = match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
                let key = DecodingKey::from_rsa_components(text("n")?, text("e")?);
                (vec![RS256, RS384, RS512, PS256, PS384, PS512], key.ok()?)
            }
            ("EC", Some("P-256")) => {
                (vec![Algorithm::ES256], DecodingKey::from_ec_components(text("x")?, text("y")?).ok()?)
            }
            ("EC", Some("P-384")) => {
                (vec![Algorithm::ES384], DecodingKey::from_ec_components(text("x")?, text("y")?).ok()?)
            }
            ("OKP", Some("Ed25519")) => {
                (vec![Algorithm::EdDSA], DecodingKey::from_ed_components(text("x")?).ok()?)
            }
            _ => return None,
        };
        let algorithms = match present(jwk, "alg") {
            None => algorithms,
            Some(only) => {
                let only: Algorithm = only.as_str()?.parse().ok()?;
                algorithms.into_iter().filter(|algorithm| *algorithm == only).collect()
            }
        };
        let is_for_signatures = present(jwk, "use").is_none_or(|purpose| purpose == "sig");
        let operations = jwk.get("key_ops").and_then(Value::as_array);
        let verifies = operations.is_none_or(|all| all.iter().any(|operation| operation == "verify"));
        let id = match present(jwk, "kid") {
            None => None,
            Some(id) => Some(id.as_str()?.to_owned()),
        };
        let usable = is_for_signatures && verifies && !algorithms.is_empty();
        usable.then_some(Self { id, algorithms, key })
    }
}

/// Returns a member of an object; `None` also for `null`.
pub(super) fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}
