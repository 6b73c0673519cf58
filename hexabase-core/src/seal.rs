//! Sealing: authenticated encryption of data that is stored or handed out, but must be neither read nor changed by
//! others.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce per operation, under the master key of the installation.
//! The purpose is bound as associated data, so data that was sealed for one purpose does not open for another. Derived
//! secrets use HMAC-SHA-256 (RFC 2104) with a separate key.
//!
//! Sealed data begins with the id of its key, so that the key can be rotated: an installation seals with one key, and
//! also opens data of additional ones.

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

const NONCE_LENGTH: usize = 12;
const KEY_ID_LENGTH: usize = 4;

/// Master key of the installation. It encrypts signing keys, stored responses and cursors, and is the only secret that
/// an operator must keep. During a rotation it includes additional keys, which open sealed data but seal none.
#[derive(Clone)]
pub struct MasterKey {
    current: SealingKey,
    additional: Vec<SealingKey>,
}

#[derive(Clone)]
struct SealingKey {
    id: [u8; KEY_ID_LENGTH],
    cipher: Box<Aes256Gcm>,
    derivation: Hmac<Sha256>,
}

impl SealingKey {
    fn new(bytes: [u8; 32]) -> Self {
        // Separate keys for derivation and for the id, so that their values reveal nothing about the encryption key.
        let derivation = hmac(bytes).chain_update(b"derivation").finalize().into_bytes();
        let digest: [u8; 32] = hmac(bytes).chain_update(b"key id").finalize().into_bytes().into();
        let [a, b, c, d, ..] = digest;
        Self {
            id: [a, b, c, d],
            cipher: Box::new(Aes256Gcm::new(&bytes.into())),
            derivation: hmac(derivation.into()),
        }
    }

    fn derive(&self, purpose: &str, from: &[u8]) -> [u8; 32] {
        let length = (purpose.len() as u64).to_be_bytes();
        let mac = self.derivation.clone().chain_update(length).chain_update(purpose).chain_update(from);
        mac.finalize().into_bytes().into()
    }
}

impl MasterKey {
    /// Creates a key from its 32 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { current: SealingKey::new(bytes), additional: Vec::new() }
    }

    /// Adds the keys of another master key, which open sealed data but seal none.
    #[must_use]
    pub fn with_additional(mut self, other: Self) -> Self {
        self.additional.push(other.current);
        self.additional.extend(other.additional);
        self
    }

    /// Parses a key from 32 bytes in base64. Surrounding white space is ignored.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) unless the text is base64 of exactly 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self> {
        let bytes = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        let message = "must be 32 bytes in base64; create a key with `head -c 32 /dev/urandom | base64`";
        bytes.map(Self::new).ok_or_else(|| Error::invalid("master_key", message))
    }

    /// Generates a new key as text for [`Self::from_base64`].
    #[must_use]
    pub fn generate(ids: &dyn IdSource) -> SecretString {
        STANDARD.encode(ids.bytes::<32>()).into()
    }

    /// Seals bytes for a purpose.
    ///
    /// # Errors
    /// [`Unexpected`](crate::ErrorKind::Unexpected) for more than 64 GiB.
    pub fn seal(&self, ids: &dyn IdSource, purpose: &str, content: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_LENGTH] = ids.bytes();
        let payload = Payload { msg: content, aad: purpose.as_bytes() };
        let sealed = self
            .current
            .cipher
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| Error::unexpected("sealing failed").with("purpose", purpose))?;
        Ok([self.current.id.as_slice(), &nonce, &sealed].concat())
    }

    /// Opens what [`Self::seal`] sealed for the same purpose, with the current key or an additional one.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the data was changed, or sealed for another purpose or with another
    /// key.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let invalid = || {
            Error::invalid("sealed", "must be unchanged data of this installation").with("purpose", purpose)
        };
        let (id, rest) = sealed.split_at_checked(KEY_ID_LENGTH).ok_or_else(invalid)?;
        let (nonce, content) = rest.split_at_checked(NONCE_LENGTH).ok_or_else(invalid)?;
        let nonce: [u8; NONCE_LENGTH] = nonce.try_into().map_err(|_| invalid())?;
        let open = |key: &SealingKey| {
            let payload = Payload { msg: content, aad: purpose.as_bytes() };
            key.cipher.decrypt(&Nonce::from(nonce), payload).ok()
        };
        self.keys().filter(|key| key.id == id).find_map(open).ok_or_else(invalid)
    }

    /// `true` if the data was sealed with the current key.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.starts_with(&self.current.id)
    }

    /// Derives 32 bytes for a purpose from the current key, deterministically. They cannot be computed without the key.
    #[must_use]
    pub fn derive(&self, purpose: &str, from: &[u8]) -> [u8; 32] {
        self.current.derive(purpose, from)
    }

    /// Derives the bytes of [`Self::derive`] from each key, the current one first.
    pub fn derive_all(&self, purpose: &str, from: &[u8]) -> impl Iterator<Item = [u8; 32]> {
        self.keys().map(move |key| key.derive(purpose, from))
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.additional)
    }

    /// Seals a text into an opaque, tamper-evident text in base64url.
    ///
    /// # Errors
    /// See [`Self::seal`].
    pub fn seal_text(&self, ids: &dyn IdSource, purpose: &str, content: &str) -> Result<String> {
        Ok(URL_SAFE_NO_PAD.encode(self.seal(ids, purpose, content.as_bytes())?))
    }

    /// Opens what [`Self::seal_text`] sealed for the same purpose.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub fn open_text(&self, purpose: &str, sealed: &str) -> Result<String> {
        let invalid = || {
            Error::invalid("sealed", "must be unchanged data of this installation").with("purpose", purpose)
        };
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| invalid())?;
        String::from_utf8(self.open(purpose, &sealed)?).map_err(|_| invalid())
    }
}

fn hmac(key: [u8; 32]) -> Hmac<Sha256> {
    // HMAC pads keys with zeros to the block length (RFC 2104 section 2).
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
    fn sealed_data_opens_only_with_the_same_key_and_purpose() {
        let ids = SeededIds::new(1);
        let key = MasterKey::from_base64(MasterKey::generate(&ids).expose_secret()).unwrap();
        let sealed = key.seal_text(&ids, "cursor", "grp_1").unwrap();
        assert_eq!(key.open_text("cursor", &sealed).unwrap(), "grp_1");
        assert!(key.open_text("reply", &sealed).is_err());
        assert!(MasterKey::new([7; 32]).open_text("cursor", &sealed).is_err());
    }

    #[test]
    fn additional_keys_open_but_do_not_seal() {
        let (ids, old) = (SeededIds::new(1), MasterKey::new([1; 32]));
        let both = MasterKey::new([2; 32]).with_additional(old.clone());
        let (of_old, of_new) = (old.seal(&ids, "p", b"old").unwrap(), both.seal(&ids, "p", b"new").unwrap());
        assert_eq!(
            (both.open("p", &of_old).unwrap(), both.open("p", &of_new).unwrap()),
            (b"old".to_vec(), b"new".to_vec())
        );
        assert_eq!((both.is_current(&of_old), both.is_current(&of_new)), (false, true));
        assert!(old.open("p", &of_new).is_err());
        assert!(MasterKey::new([2; 32]).open("p", &of_old).is_err());
        let all: Vec<_> = both.derive_all("x", b"y").collect();
        assert_eq!(all, [MasterKey::new([2; 32]).derive("x", b"y"), old.derive("x", b"y")]);
    }

    #[test]
    fn derived_bytes_depend_on_key_purpose_and_content() {
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
    fn a_key_of_another_length_is_rejected_with_a_remedy() {
        let error = MasterKey::from_base64("c2hvcnQ=").unwrap_err();
        assert!(error.to_string().contains("/dev/urandom"));
    }

    #[test]
    fn debug_output_does_not_contain_the_key() {
        assert_eq!(format!("{:?}", MasterKey::new([7; 32])), "MasterKey(…)");
    }

    proptest! {
        #[test]
        fn every_changed_bit_is_detected(content: Vec<u8>, index: usize, bit in 0..8_u8) {
            let key = MasterKey::new([1; 32]);
            let mut sealed = key.seal(&SeededIds::new(1), "p", &content).unwrap();
            let index = index % sealed.len();
            sealed[index] ^= 1 << bit;
            prop_assert!(key.open("p", &sealed).is_err());
        }
    }
}
