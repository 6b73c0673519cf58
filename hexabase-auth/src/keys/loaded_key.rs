//! Loaded key: a signing key, decrypted and ready to sign and verify.

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

use super::ecdsa_signature::der_to_fixed;
use crate::digest::hash;

/// Type of a token, as in its header (`typ`): a token of one type is not accepted as another (RFC 8725 section 3.11).
#[derive(Debug, Clone, Copy)]
pub(crate) enum TokenType {
    /// Access token (RFC 9068 section 2.1).
    Access,
    /// ID token.
    Id,
    /// Token of a workload for the API.
    Workload,
}

impl TokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Id => "JWT",
            Self::Workload => "workload+jwt",
        }
    }
}

/// Signing key, ready to use.
pub(crate) struct LoadedKey {
    pub(crate) kid: String,
    pub(crate) algorithm: SignatureAlgorithm,
    pub(super) public_jwk: Value,
    pub(super) created_at: Timestamp,
    pub(super) retires_at: Option<Timestamp>,
    /// Encoded header of its access tokens.
    access_header: String,
    /// Encoded header of its ID tokens.
    id_header: String,
    /// Encoded header of its tokens of workloads.
    workload_header: String,
    signer: Signer,
    verifier: ParsedPublicKey,
}

/// Private key, parsed once: parsing takes longer than signing.
enum Signer {
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl fmt::Debug for LoadedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LoadedKey({})", self.kid)
    }
}

impl LoadedKey {
    /// Generates a key and encrypts its private part.
    pub(super) fn generate(platform: &Platform, algorithm: SignatureAlgorithm) -> Result<SigningKey> {
        let failed = || Error::unexpected("generating a signing key failed");
        let private = match algorithm {
            SignatureAlgorithm::Es256 => {
                let generated =
                    EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
                generated.map_err(|_| failed())?.as_ref().to_vec()
            }
            SignatureAlgorithm::Rs256 => {
                let generated = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
                generated.as_der().map_err(|_| failed())?.as_ref().to_vec()
            }
        };
        let mut public_jwk =
            Signer::parse(algorithm, &private).ok_or_else(failed)?.required_members().ok_or_else(failed)?;
        let kid = thumbprint(&public_jwk);
        public_jwk["alg"] = json!(algorithm.as_str());
        public_jwk["use"] = json!("sig");
        public_jwk["kid"] = json!(kid);
        Ok(SigningKey {
            kid,
            algorithm,
            public_jwk,
            sealed_private: platform.master_key().seal(
                &**platform.ids(),
                SigningKey::SEAL_PURPOSE,
                &private,
            )?,
            created_at: platform.clock().now(),
            retires_at: None,
        })
    }

    /// Decrypts a stored key.
    pub(super) fn load(platform: &Platform, stored: &SigningKey) -> Result<Self> {
        let wrong_master_key = |error: Error| {
            let message = "does not decrypt the signing keys in the database; use the key that encrypted them, or add \
                           it with --additional-master-key-files";
            Error::invalid("master_key", message).caused_by(error)
        };
        let private = platform
            .master_key()
            .open(SigningKey::SEAL_PURPOSE, &stored.sealed_private)
            .map_err(wrong_master_key)?;
        let corrupt =
            || Error::unexpected("a signing key in the database is corrupt").with("kid", &stored.kid);
        let signer = Signer::parse(stored.algorithm, &private).ok_or_else(corrupt)?;
        let header = |kind: TokenType| {
            let (alg, typ, kid) = (stored.algorithm.as_str(), kind.as_str(), &stored.kid);
            URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"{typ}","kid":"{kid}"}}"#))
        };
        Ok(Self {
            kid: stored.kid.clone(),
            algorithm: stored.algorithm,
            access_header: header(TokenType::Access),
            id_header: header(TokenType::Id),
            workload_header: header(TokenType::Workload),
            verifier: signer.verifier().ok_or_else(corrupt)?,
            public_jwk: stored.public_jwk.clone(),
            created_at: stored.created_at,
            retires_at: stored.retires_at,
            signer,
        })
    }

    /// Signs a message with the algorithm of the key, in the format of RFC 7518 section 3.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = || Error::unexpected("signing failed");
        match &self.signer {
            Signer::Ec(pair) => {
                // Signing a digest is slightly faster than signing the message.
                let signed = pair.sign_digest(&digest(&SHA256, message)).map_err(|_| failed())?;
                der_to_fixed(signed.as_ref()).map(Vec::from).ok_or_else(failed)
            }
            Signer::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
                signed.map(|()| signature).map_err(|_| failed())
            }
        }
    }

    /// `true` if the key signed the message. Each key has one algorithm, whatever the token names.
    pub(crate) fn is_valid_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }

    /// Returns the header of its tokens of a type (RFC 7515 section 4), in base64url.
    pub(crate) fn header(&self, kind: TokenType) -> &str {
        match kind {
            TokenType::Access => &self.access_header,
            TokenType::Id => &self.id_header,
            TokenType::Workload => &self.workload_header,
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

    /// Returns the required members of the public JSON Web Key (RFC 7518 section 6), in lexicographic order.
    fn required_members(&self) -> Option<Value> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ec(pair) => {
                // SEC 1 section 2.3.3: an uncompressed point is the byte 4, then x and y.
                let (tag, point) = pair.public_key().as_ref().split_first()?;
                let (x, y) = point.split_at_checked(32)?;
                let is_valid = *tag == 4 && y.len() == 32;
                is_valid.then(|| json!({ "crv": "P-256", "kty": "EC", "x": text(x), "y": text(y) }))
            }
            Self::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Some(json!({ "e": text(&e), "kty": "RSA", "n": text(&n) }))
            }
        }
    }
}

/// Returns the id of a key: the thumbprint of its required members (RFC 7638).
fn thumbprint(required_members: &Value) -> String {
    hash(required_members.to_string())
}
