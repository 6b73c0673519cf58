//! JSON Web Tokens of our own, in their compact form (RFC 7515 section 7.1).
//!
//! Whoever verifies them is who signed them, so that less is needed than for others' tokens: a header must be what we write,
//! to the letter. Nothing in it is followed, and no algorithm but the key's own is ever tried.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::{IdSource, IdSourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::keys::{Key, KeyRing, TokenType};
use crate::refusal::refused;

/// How the parts of a token are written (RFC 7515 section 2): many bytes at a time, where base64 knows how.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64URL: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64URL: base64::engine::GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// How many bytes most tokens say no more than.
const USUAL: usize = 768;

/// Signs what a token says.
pub(crate) fn sign(key: &Key, kind: TokenType, claims: &impl Serialize) -> Result<String> {
    let unwritable = |error| Error::unexpected("claims cannot be written as JSON").caused_by(error);
    let mut payload = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut payload, claims).map_err(unwritable)?;
    let mut token = Vec::with_capacity(2 * USUAL + payload.len());
    token.extend_from_slice(key.header(kind).as_bytes());
    push_encoded(&mut token, &payload)?;
    let signature = key.sign(&token)?;
    push_encoded(&mut token, &signature)?;
    String::from_utf8(token).map_err(|error| Error::unexpected("a token is no text").caused_by(error))
}

/// Adds a dot and another part to a token, with no copy in between.
fn push_encoded(token: &mut Vec<u8>, part: &[u8]) -> Result<()> {
    let too_long = || Error::unexpected("a token is too long to be written");
    let length = base64::encoded_len(part.len(), false).ok_or_else(too_long)?;
    token.push(b'.');
    let begin = token.len();
    token.resize(begin + length, 0);
    BASE64URL.encode_slice(part, &mut token[begin..]).map_err(|_| too_long())?;
    Ok(())
}

/// What a token says, if a key of ours has signed it, and as one of this type. For whom it is and until when is for the
/// caller to look at.
pub(crate) async fn verified<T: DeserializeOwned>(
    keys: &KeyRing,
    kind: TokenType,
    token: &str,
) -> Result<(Arc<Key>, T)> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(refused)?;
    let (header, payload) = signed.split_once('.').ok_or_else(refused)?;
    let key = keys.find(kind, header).await?.ok_or_else(refused)?;
    let decoded = |part: &str| BASE64URL.decode(part).map_err(|_| refused());
    if !key.has_signed(signed.as_bytes(), &decoded(signature)?) {
        return Err(refused());
    }
    let claims = serde_json::from_slice(&decoded(payload)?).map_err(|_| refused())?;
    Ok((key, claims))
}

/// Names for tokens (`jti`, RFC 7519 section 4.1.7): of this process, and counted in it. They keep no secret.
#[derive(Debug)]
pub(crate) struct TokenIds {
    process: [u8; 16],
    made: AtomicU64,
}

impl TokenIds {
    pub(crate) fn new(ids: &dyn IdSource) -> Self {
        Self { process: ids.bytes(), made: AtomicU64::new(0) }
    }

    /// A name that no other token has.
    pub(crate) fn next(&self) -> TokenId {
        let mut name = [0; 24];
        let (process, number) = name.split_at_mut(self.process.len());
        process.copy_from_slice(&self.process);
        number.copy_from_slice(&self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut text = [0; 32];
        // Three bytes are four letters: there is room for just all of them.
        let written = BASE64URL.encode_slice(name, &mut text);
        debug_assert_eq!(written, Ok(text.len()), "24 bytes are 32 letters");
        TokenId(text)
    }
}

/// The name of a token, as text in one piece.
pub(crate) struct TokenId([u8; 32]);

impl TokenId {
    pub(crate) fn as_str(&self) -> &str {
        // Letters of base64 are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
