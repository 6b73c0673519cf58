//! Sealed values: short-lived state in the ephemeral store (sign-ins in progress, authorization codes, device
//! authorizations), encrypted with the master key. Read access to the ephemeral store reveals nothing, and forged
//! values are detected.

use hexabase_core::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::Auth;

impl Auth {
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
}
