//! What is remembered for a short while: sign-ins under way, codes, devices that wait. It is sealed, so that whoever can
//! read where it is kept learns nothing and can make up nothing.

use hexabase_core::error::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::auth::Auth;

impl Auth {
    /// A value as it is remembered.
    pub(crate) fn sealed(&self, purpose: &str, value: &impl Serialize) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(value).map_err(|error| {
            Error::unexpected("it cannot be written as JSON").with("purpose", purpose).caused_by(error)
        })?;
        self.platform.master_key().seal(&**self.platform.ids(), purpose, &plain)
    }

    /// What was remembered. What was not sealed here, or by a program that wrote it otherwise, is as good as forgotten.
    pub(crate) fn opened<T: DeserializeOwned>(&self, purpose: &str, sealed: &[u8]) -> Option<T> {
        let plain = self.platform.master_key().open(purpose, sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}
