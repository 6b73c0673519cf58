//! The system of record over an ordered key-value store.
//!
//! [`KvTenantStore`] implements [`TenantStore`](crate::store::TenantStore) with all its rules over any
//! [`KeyValueStore`]: an embedded or distributed store with ordered keys, snapshots and conditional batches. An
//! implementation knows nothing of tenants; keys and values are bytes.
//!
//! - A read of the domain reads from one [`KeyValueSnapshot`].
//! - A changeset is decided on one snapshot and becomes one [`KeyValueBatch`]. The batch has a check for each key on
//!   which the decision depends, so it is rejected if another process has intervened, and the changeset is decided
//!   again. A record counts the changes of what it owns, and a decision about everything that a record owns checks that
//!   number.
//!   A changeset is one batch, however large: deleting an organization removes everything in it at once.
//! - Values are JSON. Keys begin with a number for the kind of the item, which is stable, and sort like the values from
//!   which they are made. Fields that a process does not know are ignored, and lost when it writes the record.
//!
//! [`MemoryStore`](crate::store::MemoryStore) is the same store over records that are not encoded.

mod access;
mod alerts;
mod billing;
mod commit;
mod credentials;
mod encoded;
mod events;
mod hosts;
mod item;
mod key;
mod leases;
mod members;
pub(crate) mod memory;
mod organizations;
mod outbox;
mod plans;
mod prune;
mod sealed;
mod search;
mod transaction;
mod usage;
mod users;
mod view;
mod work;
mod workspaces;

use std::fmt;

use async_lock::Mutex;
use async_trait::async_trait;

use crate::error::{Error, Result, Retry};

pub(crate) use item::{Item, LeaseRow};
pub(crate) use key::{Index, Key, KeyPart, Section, name};

/// Number of times that a change is decided again after other processes intervened.
const MAX_ATTEMPTS: usize = 32;

/// An ordered key-value store with snapshots and conditional batches.
///
/// The store orders keys as unsigned bytes, which is the order of `Vec<u8>`. Keys have at most a few kilobytes; values
/// have typically 1 KiB, and for responses and mails up to a few hundred.
#[async_trait]
pub trait KeyValueStore: fmt::Debug + Send + Sync + 'static {
    /// Opens a snapshot.
    ///
    /// # Behaviour
    /// - The snapshot contains every batch that was acknowledged before the call, and each batch as a whole or not at
    ///   all. Later batches do not change it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn snapshot(&self) -> Result<Box<dyn KeyValueSnapshot>>;

    /// Writes a batch, provided that all its checks hold. Returns `false` and writes nothing if a check does not hold.
    ///
    /// # Behaviour
    /// - The batch takes effect as a whole or not at all, also after a crash.
    /// - No other batch takes effect between the checks and the writes.
    /// - An acknowledged batch survives a crash of the process.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn commit(&self, batch: KeyValueBatch) -> Result<bool>;
}

/// State of a [`KeyValueStore`] at one time. It is dropped at the end of an operation.
#[async_trait]
pub trait KeyValueSnapshot: Send + Sync {
    /// Returns the value of a key.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Returns the keys of a range with their values: the first, or with [`KeyRange::descending`] the last
    /// [`KeyRange::limit`] ones in descending order. A result with fewer entries than that is complete.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn scan(&self, range: &KeyRange) -> Result<Vec<(Vec<u8>, Vec<u8>)>>;
}

/// Changes that take effect as one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyValueBatch {
    /// Keys with the values that they must still have; `None` for a key that must not exist.
    pub checks: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Keys with their new values; `None` removes a key, which need not exist. No key occurs twice.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl fmt::Debug for KeyValueBatch {
    /// Formats the sizes: values contain hashes of secrets and personal data.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeyValueBatch")
            .field("checks", &self.checks.len())
            .field("writes", &self.writes.len())
            .finish()
    }
}

/// Range of keys, of which a scan returns a limited number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// First key of the range.
    pub from: Vec<u8>,
    /// Key before which the range ends.
    pub until: Vec<u8>,
    /// `true` if the scan begins at the end of the range.
    pub descending: bool,
    /// Maximum number of entries, at least 1.
    pub limit: usize,
}

/// A [`TenantStore`](crate::store::TenantStore) over a key-value store. Commits of one process run one after another;
/// several processes may share the key-value store.
#[derive(Debug)]
pub struct KvTenantStore<S> {
    space: S,
    /// Serializes the changes of this process, which therefore do not make each other repeat their decisions.
    commits: Mutex<()>,
}

impl<S: KeyValueStore> KvTenantStore<S> {
    /// Returns the tenant store in a key-value store, which is empty or was filled by a tenant store.
    #[must_use]
    pub fn over(store: S) -> Self {
        Self::in_space(store)
    }
}

impl<S> KvTenantStore<S> {
    const fn in_space(space: S) -> Self {
        Self { space, commits: Mutex::new(()) }
    }
}

/// Decides a change in a transaction and applies it, again and again until no other process intervenes in between.
macro_rules! transact {
    ($store:expr, |$transaction:ident| $decision:expr) => {{
        let _commit_permit = $store.commits.lock().await;
        let mut attempts = 1..=$crate::store::kv::MAX_ATTEMPTS;
        loop {
            if attempts.next().is_none() {
                break Err($crate::store::kv::contention());
            }
            let mut $transaction = $store.space.begin().await?;
            let result = $decision;
            if $store.space.finish($transaction).await? {
                break Ok(result);
            }
        }
    }};
}
use transact;

fn contention() -> Error {
    Error::unavailable("too many concurrent changes of the same records; repeat the request")
        .with_retry(Retry::Soon)
}

#[cfg(test)]
mod tests;
