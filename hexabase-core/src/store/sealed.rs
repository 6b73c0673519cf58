use std::fmt;

use crate::error::Result;
use crate::store::decorator::store_part;

/// Kinds of data that the store keeps sealed with the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedKind {
    /// Private keys of signing keys, by key id.
    SigningKeys,
    /// Kubeconfigs of registered hosts, by the name of the host.
    Kubeconfigs,
    /// Responses to idempotent requests, by user and key.
    Responses,
    /// Mails in the outbox, by message id.
    Mails,
}

impl SealedKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::SigningKeys, Self::Kubeconfigs, Self::Responses, Self::Mails];
}

/// Sealed data of a record.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// Key of the record, unique for its kind.
    pub key: String,
    /// Sealed data.
    pub sealed: Vec<u8>,
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SealedValue").field("key", &self.key).finish_non_exhaustive()
    }
}

store_part! {
    /// Sealed data of all records, for the rotation of the master key.
    pub trait SealedStore {
        /// Lists the sealed data of a kind in a stable order, after the record with the key `after`, at most `limit`.
        ///
        /// # Errors
        /// `Unavailable`, and `Invalid` if `after` is not a key of this kind.
        async fn list_sealed(
            &self,
            kind: SealedKind,
            after: Option<String>,
            limit: usize,
        ) -> Result<Vec<SealedValue>>;

        /// Replaces sealed data by `new`, provided that it is still as it was listed. Nothing else of the record changes,
        /// except that the version of a host is incremented.
        ///
        /// # Behaviour
        /// - Returns `false` and changes nothing if the data has changed, or the record was deleted.
        ///
        /// # Errors
        /// `Unavailable`, and `Invalid` if `listed` has a key of another kind.
        async fn replace_sealed(&self, kind: SealedKind, listed: &SealedValue, new: Vec<u8>) -> Result<bool>;
    }
}
