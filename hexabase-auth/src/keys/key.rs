//! One key: how it is made, opened, shown and used.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{SignatureAlgorithm, SigningKey};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fixed::fixed;
use crate::digest::hash;

/// The purpose under which private keys are sealed.
const SEALED: &str = "signing key";

/// What a token is, as its header says: none that was made for one thing is taken for another (RFC 8725 section 3.11).
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenType {
    /// What is asked with (RFC 9068 section 2.1).
    Access,
    /// What says who somebody is.
    Id,
}

impl TokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Id => "JWT",
        }
    }
}

/// One key, ready to be used.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(super) public_jwk: Value,
    pub(super) created_at: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
    /// What its tokens begin with, as they write it.
    access_header: String,
    id_header: String,
    signer: Signer,
    verifier: ParsedPublicKey,
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
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
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
        let header = |kind: TokenType| {
            let (alg, typ, kid) = (stored.algorithm.as_str(), kind.as_str(), &stored.kid);
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#))
        };
        Ok(Self {
            kid: stored.kid.clone(),
            algorithm: stored.algorithm,
            access_header: header(TokenType::Access),
            id_header: header(TokenType::Id),
            verifier: signer.verifier().ok_or_else(broken)?,
            public_jwk: stored.public_jwk.clone(),
            created_at: stored.created_at,
            retires_at: stored.retires_at,
            signer,
        })
    }

    /// Signs a text, as RFC 7518 section 3 says for its algorithm.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = || Error::unexpected("signing failed");
        match &self.signer {
            Signer::Ec(pair) => {
                // Hashed here, as the signature is made a little faster of a hash than of a text.
                let signed = pair.sign_digest(&digest(&SHA256, message)).map_err(|_| failed())?;
                fixed(signed.as_ref()).map(Vec::from).ok_or_else(failed)
            }
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map(|()| signature).map_err(|_| failed())
            }
        }
    }

    /// Whether it has signed a text. There is one algorithm for each key, whatever anybody says of it.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }

    /// The header of its tokens of a type (RFC 7515 section 4), in base64.
    pub(crate) fn header(&self, kind: TokenType) -> &str {
        match kind {
            TokenType::Access => &self.access_header,
            TokenType::Id => &self.id_header,
        }
    }
}

impl Signer {
    fn parse(algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Option<Self> {
        match algorithm {
            SignatureAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).ok().map(Self::Ec)
            }
            SignatureAlgorithm::Rs256 => {
                RsaKeyPair::from_pkcs8(pkcs8).ok().map(|pair| Self::Rsa(Box::new(pair)))
            }
        }
    }

    fn verifier(&self) -> Option<ParsedPublicKey> {
        let parsed = match self {
            Self::Ec(pair) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()),
            Self::Rsa(pair) => ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()),
        };
        parsed.ok()
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
    hash(identifying.to_string())
}
