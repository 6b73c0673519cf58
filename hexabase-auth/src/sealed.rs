//! Sealed values: short-lived state, encrypted with the master key, so that it can neither be read nor forged.
//!
//! State of signed-in users (authorization codes) and device authorizations are in the ephemeral store. State of
//! anonymous callers (authorization requests before the sign-in, sign-ins in progress) travels with their browsers:
//! it costs this server no memory.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::IdSourceExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::Auth;

impl Auth {
    /// Returns a random text of 256 bits, which cannot be guessed.
    pub(crate) fn random_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.platform.ids().bytes::<32>())
    }

    /// Serializes and encrypts a value for the ephemeral store.
    pub(crate) fn seal(&self, purpose: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(value).map_err(|error| {
            Error::unexpected("serializing a value as JSON failed").with("purpose", purpose).caused_by(error)
        })?;
        self.platform.master_key().seal(&**self.platform.ids(), purpose, &plain)
    }

    /// Decrypts a value. Returns `None` if it was not encrypted here for this purpose, or a version with another
    /// format wrote it.
    pub(crate) fn unseal<T: DeserializeOwned>(&self, purpose: &str, sealed: &[u8]) -> Option<T> {
        let plain = self.platform.master_key().open(purpose, sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Serializes and encrypts a value as text, which a browser keeps in a parameter or in a cookie.
    pub(crate) fn seal_text(&self, purpose: &str, value: &impl Serialize) -> Result<String> {
        self.seal(purpose, value).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Decrypts the text of a value. Returns `None` like [`Self::unseal`].
    pub(crate) fn unseal_text<T: DeserializeOwned>(&self, purpose: &str, sealed: &str) -> Option<T> {
        self.unseal(purpose, &URL_SAFE_NO_PAD.decode(sealed).ok()?)
    }
}
