//! The store in memory: the default of an embedded platform, and the fake in tests.
//!
//! All records are in one ordered map by key. A commit changes a snapshot of the state (the maps are persistent, so a
//! snapshot is cheap) and replaces the state with the snapshot if every step succeeded.

mod access;
mod alerts;
mod billing;
mod credentials;
mod hosts;
mod organizations;
mod plans;
mod sealed;
mod search;
mod state;
mod usage;
mod users;
mod work;
mod workspaces;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::changeset::{Changeset, IdempotencyRecord};
use crate::error::Result;
use crate::id::UserId;
use crate::store::Commit;

use state::State;

/// A [`TenantStore`](crate::store::TenantStore) in memory. All data is lost when the process ends.
#[derive(Debug)]
pub struct MemoryStore(Mutex<State>);

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(State::initial()))
    }

    /// Returns an independent copy with the same data.
    #[cfg(test)]
    pub(crate) fn snapshot(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere cannot leave a partial change: commits replace the state as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Commit for MemoryStore {
    async fn commit(&self, changeset: Changeset) -> Result<()> {
        let mut state = self.lock();
        let mut next = state.clone();
        next.apply(changeset).map_err(|error| error.during("store.commit"))?;
        *state = next;
        Ok(())
    }

    async fn find_idempotency(
        &self,
        user: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<IdempotencyRecord>> {
        let state = self.lock();
        let found = state.idempotency_records.get(&(user, key.to_owned()));
        Ok(found.filter(|record| record.expires_at > now).cloned())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}
