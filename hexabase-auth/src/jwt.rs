//! JSON Web Tokens of this server, in compact serialization (RFC 7515 section 7.1).
//!
//! The verifier of these tokens is also their issuer, so verification is stricter than for tokens of other issuers: a
//! header must equal the one that this server writes, byte by byte. No header parameter is evaluated, and no algorithm
//! other than the key's is ever tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::{IdSource, IdSourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::invalid_credentials;
use crate::keys::{KeyRing, LoadedKey, TokenType};

/// Encoding of the parts of a token (RFC 7515 section 2), vectorized on the architectures for which base64 supports
/// it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64URL: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64URL: base64::engine::GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Length that the claims of most tokens do not exceed, in bytes.
const TYPICAL_PAYLOAD_LENGTH: usize = 768;

/// Signs claims as a token of this type.
pub(crate) fn sign(key: &LoadedKey, kind: TokenType, claims: &impl Serialize) -> Result<String> {
    let encoding_failed =
        |error| Error::unexpected("serializing token claims as JSON failed").caused_by(error);
    let mut payload = Vec::with_capacity(TYPICAL_PAYLOAD_LENGTH);
    serde_json::to_writer(&mut payload, claims).map_err(encoding_failed)?;
    let mut token = Vec::with_capacity(2 * TYPICAL_PAYLOAD_LENGTH + payload.len());
    token.extend_from_slice(key.header(kind).as_bytes());
    push_encoded(&mut token, &payload)?;
    let signature = key.sign(&token)?;
    push_encoded(&mut token, &signature)?;
    String::from_utf8(token)
        .map_err(|error| Error::unexpected("the token is not valid UTF-8").caused_by(error))
}

/// Appends a dot and an encoded part to a token, without an intermediate copy.
fn push_encoded(token: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    let too_long = || Error::unexpected("the token is too long to encode");
    let length = base64::encoded_len(part.len(), false).ok_or_else(too_long)?;
    token.push(b'.');
    let start = token.len();
    token.resize(start + length, 0);
    BASE64URL.encode_slice(part, &mut token[start..]).map_err(|_| too_long())?;
    Ok(())
}

/// Verifies that a key of this server signed the token as one of this type; returns the key and the claims. The caller
/// checks issuer, audience and expiry.
pub(crate) async fn verify<T: DeserializeOwned>(
    keys: &KeyRing,
    kind: TokenType,
    token: &str,
) -> Result<(Arc<LoadedKey>, T)> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(invalid_credentials)?;
    let (header, payload) = signed.split_once('.').ok_or_else(invalid_credentials)?;
    let key = keys.find_by_header(kind, header).await?.ok_or_else(invalid_credentials)?;
    let decoded = |part: &str| BASE64URL.decode(part).map_err(|_| invalid_credentials());
    if !key.is_valid_signature(signed.as_bytes(), &decoded(signature)?) {
        return Err(invalid_credentials());
    }
    let claims = serde_json::from_slice(&decoded(payload)?).map_err(|_| invalid_credentials())?;
    Ok((key, claims))
}

/// Generator of token ids (`jti`, RFC 7519 section 4.1.7): a random id of the process, and a counter. The ids are not
/// secret.
#[derive(Debug)]
pub(crate) struct TokenIds {
    process: [u8; 16],
    count: AtomicU64,
}

impl TokenIds {
    pub(crate) fn new(ids: &dyn IdSource) -> Self {
        Self { process: ids.bytes(), count: AtomicU64::new(0) }
    }

    /// Returns an id that no other token has.
    pub(crate) fn next(&self) -> TokenId {
        let mut name = [0; 24];
        let (process, number) = name.split_at_mut(self.process.len());
        process.copy_from_slice(&self.process);
        number.copy_from_slice(&self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut text = [0; 32];
        // Base64 encodes three bytes as four characters, so the buffer fits exactly.
        let written = BASE64URL.encode_slice(name, &mut text);
        debug_assert_eq!(written, Ok(text.len()), "24 bytes encode to 32 characters");
        TokenId(text)
    }
}

/// Id of a token, as inline text.
pub(crate) struct TokenId([u8; 32]);

impl TokenId {
    pub(crate) fn as_str(&self) -> &str {
        // Base64 is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
