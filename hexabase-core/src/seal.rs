//! Sealing: what must be stored or handed out but not read or changed by anyone else.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce per sealing, under the installation's master
//! key. The purpose is bound as associated data: what was sealed for one purpose does not open for another.
//! What follows from other secrets is derived with HMAC-SHA-256 (RFC 2104) under a key of its own.

use std::fmt;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use secrecy::SecretString;
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::id_source::{IdSource, IdSourceExt as _};

const NONCE: usize = 12;

/// The installation's master key. It encrypts signing keys, idempotent replies and cursors; it is the one
/// secret an operator must keep.
#[derive(Clone)]
pub struct MasterKey {
    cipher: Box<Aes256Gcm>,
    derivation: Hmac<Sha256>,
}

impl MasterKey {
    /// A key from its 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        // Not the key itself: what is derived says nothing of what encrypts.
        let derivation = hmac(bytes).chain_update(b"derivation").finalize().into_bytes();
        Self { cipher: Box::new(Aes256Gcm::new(&bytes.into())), derivation: hmac(derivation.into()) }
    }

    /// A key from 32 bytes in base64, as operators keep it. White space around it is ignored.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when it is not base64 of exactly 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        let message = "must be 32 bytes in base64; make one with `head -c 32 /dev/urandom | base64`";
        bytes.map(Self::new).ok_or_else(|| Error::invalid("master_key", message))
    }

    /// A new key as text for [`Self::from_base64`].
    #[must_use]
    pub fn generate(ids: &dyn IdSource) -> SecretString {
        STANDARD.encode(ids.bytes::<32>()).into()
    }

    /// Seals bytes for a purpose.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) for more than 64 GiB.
    pub fn seal(&self, ids: &dyn IdSource, purpose: &str, content: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE] = ids.bytes();
        let payload = Payload { msg: content, aad: purpose.as_bytes() };
        let sealed = self
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::unexpected("sealing failed").with("purpose", purpose))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] sealed for the same purpose.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when it was changed, sealed for another purpose or with
    /// another key.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let refused =
            || Error::invalid("sealed", "was not made here, or was changed").with("purpose", purpose);
        let (nonce, content) = sealed.split_at_checked(NONCE).ok_or_else(refused)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| refused())?;
        let payload = Payload { msg: content, aad: purpose.as_bytes() };
        self.cipher.decrypt(&Nonce::from(nonce), payload).map_err(|_| refused())
    }

    /// What follows from some bytes for a purpose: always the same, and nobody without the key can tell what.
    #[must_use]
    pub fn derive(&self, purpose: &str, from: &[u8]) -> [u8; 32] {
        let length = (purpose.len() as u64).to_be_bytes();
        let mac = self.derivation.clone().chain_update(length).chain_update(purpose).chain_update(from);
        mac.finalize().into_bytes().into()
    }

    /// Seals a text into an opaque, tamper-evident text in base64url.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_text(&self, ids: &dyn IdSource, purpose: &str, content: &str) -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(self.seal(ids, purpose, content.as_bytes())?))
    }

    /// Opens what [`Self::seal_text`] sealed for the same purpose.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_text(&self, purpose: &str, sealed: &str) -> Result<String> {
        let refused =
            || Error::invalid("sealed", "was not made here, or was changed").with("purpose", purpose);
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| refused())?;
        String::from_utf8(self.open(purpose, &sealed)?).map_err(|_| refused())
    }
}

fn hmac(key: [u8; 32]) -> Hmac<Sha256> {
    // Keys are filled up with zeros to the length of a block (RFC 2104 section 2).
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(&key);
    Hmac::new(&block.into())
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id_source::SeededIds;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn what_was_sealed_opens_with_the_same_key_and_purpose_only() {
        let ids = SeededIds::new(1);
        let key = MasterKey::from_base64(MasterKey::generate(&ids).expose_secret()).unwrap();
        let sealed = key.seal_text(&ids, "cursor", "grp_1").unwrap();
        assert_eq!(key.open_text("cursor", &sealed).unwrap(), "grp_1");
        assert!(key.open_text("reply", &sealed).is_err());
        assert!(MasterKey::new([7; 32]).open_text("cursor", &sealed).is_err());
    }

    #[test]
    fn what_is_derived_depends_on_key_purpose_and_content_and_on_nothing_else() {
        let key = MasterKey::new([7; 32]);
        let derived = key.derive("refresh", b"abc");
        assert_eq!(MasterKey::new([7; 32]).derive("refresh", b"abc"), derived);
        for other in [
            MasterKey::new([8; 32]).derive("refresh", b"abc"),
            key.derive("refres", b"habc"),
            key.derive("refresh", b"abd"),
        ] {
            assert_ne!(other, derived);
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused_with_advice() {
        let error = MasterKey::from_base64("c2hvcnQ=").unwrap_err();
        assert!(error.to_string().contains("/dev/urandom"));
    }

    #[test]
    fn the_key_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", MasterKey::new([7; 32])), "MasterKey(…)");
    }

    proptest! {
        #[test]
        fn one_changed_bit_anywhere_is_noticed(content: Vec<u8>, place: usize, bit in 0..8_u8) {
            let key = MasterKey::new([1; 32]);
            let mut sealed = key.seal(&SeededIds::new(1), "p", &content).unwrap();
            let place = place % sealed.len();
            sealed[place] ^= 1 << bit;
            prop_assert!(key.open("p", &sealed).is_err());
        }
    }
}
