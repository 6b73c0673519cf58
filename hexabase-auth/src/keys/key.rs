//! One key: how it is made, opened, shown and used.

use std::fmt;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{SignatureAlgorithm, SigningKey};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The purpose under which private keys are sealed.
const SEALED: &str = "signing key";

/// One key, ready to be used.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(crate) verifier: DecodingKey,
    pub(super) public_jwk: Value,
    pub(super) created_at: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
    signer: Signer,
}

/// The private half, parsed once: to parse it takes longer than to sign.
enum Signer {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.kid)
    }
}

impl Key {
    /// Makes a key, sealed.
    pub(super) fn make(platform: &Platform, algorithm: SignatureAlgorithm) -> Result<SigningKey> {
        let failed = || Error::unexpected("a signing key could not be made");
        let private = match algorithm {
            SignatureAlgorithm::Es256 => {
                let made =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                made.map_err(|_| failed())?.as_ref().to_vec()
            }
            SignatureAlgorithm::Rs256 => {
                let made = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
                made.as_der().map_err(|_| failed())?.as_ref().to_vec()
            }
        };
        let mut public_jwk =
            Signer::parse(algorithm, &private).ok_or_else(failed)?.public().ok_or_else(failed)?;
        let kid = thumbprint(&public_jwk);
        public_jwk["alg"] = json!(algorithm.as_str());
        public_jwk["use"] = json!("sig");
        public_jwk["kid"] = json!(kid);
        Ok(SigningKey {
            kid,
            algorithm,
            public_jwk,
            sealed_private: platform.master_key().seal(&**platform.ids(), SEALED, &private)?,
            created_at: platform.clock().now(),
            retires_at: None,
        })
    }

    /// Opens a key that was sealed.
    pub(super) fn open(platform: &Platform, stored: &SigningKey) -> Result<Self> {
        let sealed_elsewhere = |error: Error| {
            let message = "does not open the signing keys in the database; use the key they were sealed with";
            Error::invalid("master_key", message).caused_by(error)
        };
        let private = platform.master_key().open(SEALED, &stored.sealed_private).map_err(sealed_elsewhere)?;
        let broken = || Error::unexpected("a signing key in the database is broken").with("kid", &stored.kid);
        let signer = Signer::parse(stored.algorithm, &private).ok_or_else(broken)?;
        let public = signer.public().ok_or_else(broken)?;
        let part = |name: &str| public[name].as_str().unwrap_or_default();
        let verifier = match stored.algorithm {
            SignatureAlgorithm::Es256 => DecodingKey::from_ec_components(part("x"), part("y")),
            SignatureAlgorithm::Rs256 => DecodingKey::from_rsa_components(part("n"), part("e")),
        };
        Ok(Self {
            kid: stored.kid.clone(),
            algorithm: stored.algorithm,
            verifier: verifier.map_err(|error| broken().caused_by(error))?,
            public_jwk: stored.public_jwk.clone(),
            created_at: stored.created_at,
            retires_at: stored.retires_at,
            signer,
        })
    }

    /// Signs a text, as RFC 7518 section 3 says for its algorithm.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::unexpected("signing failed");
        match &self.signer {
            Signer::Ec(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signed| signed.as_ref().to_vec())
                .map_err(failed),
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map(|()| signature).map_err(failed)
            }
        }
    }

    /// The one algorithm that its signatures are verified by, whatever a token says of itself.
    pub(crate) const fn verified_by(&self) -> Algorithm {
        match self.algorithm {
            SignatureAlgorithm::Es256 => Algorithm::ES256,
            SignatureAlgorithm::Rs256 => Algorithm::RS256,
        }
    }
}

impl Signer {
    fn parse(algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            SignatureAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok().map(Self::Ec)
            }
            SignatureAlgorithm::Rs256 => {
                RsaKeyPair::from_pkcs8(pkcs8).ok().map(|pair| Self::Rsa(Box::new(pair)))
            }
        }
    }

    /// What of the public half identifies it, as JSON Web Keys write it (RFC 7518 section 6), in the order of the alphabet.
    fn public(&self) -> Option<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(pair) => {
                // SEC 1 section 2.3.3: an uncompressed point is 4, x and y.
                let (tag, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(32)?;
                let fine = *tag == 4 && y.len() == 32;
                fine.then(|| json!({ "crv": "P-256", "kty": "EC", "x": text(x), "y": text(y) }))
            }
            Self::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Some(json!({ "e": text(&e), "kty": "RSA", "n": text(&n) }))
            }
        }
    }
}

/// What a key is called: the hash of what identifies it (RFC 7638).
fn thumbprint(identifying: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(identifying.to_string()))
}
