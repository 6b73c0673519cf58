use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::string_enum;

/// Key that signs tokens. Its private key is sealed with the master key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Key id, which tokens carry as `kid`.
    pub kid: String,
    /// Signature algorithm.
    pub algorithm: SignatureAlgorithm,
    /// Public key as a JSON Web Key (RFC 7517).
    pub public_jwk: serde_json::Value,
    /// Private key (PKCS#8), sealed.
    pub sealed_private: Vec<u8>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time from which the key no longer signs; `None` if it is not retired. Tokens that it signed stay valid until
    /// they
    /// expire.
    pub retires_at: Option<Timestamp>,
}

impl SigningKey {
    /// Purpose under which private keys are sealed.
    pub const SEAL_PURPOSE: &str = "signing key";
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .field("retires_at", &self.retires_at)
            .finish_non_exhaustive()
    }
}

/// Signature algorithm, by its name in RFC 7518 section 3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for clients without ECDSA support.
    Rs256,
}

string_enum!(SignatureAlgorithm { Es256 = "ES256", Rs256 = "RS256" } else UnknownAlgorithm = "must be ES256 or RS256");
