//! The store in memory: the default of an embedded platform, and the fake in tests.

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rpds::RedBlackTreeMapSync;

use super::view::{Entry, ReadSet, Space, View, WriteSet};
use super::{Item, Key, KeyRange, KvTenantStore};
use crate::error::Result;

/// A [`TenantStore`](crate::store::TenantStore) in memory. All data is lost when the process ends.
pub type MemoryStore = KvTenantStore<MemorySpace>;

/// Items of a [`MemoryStore`], which are not encoded. The map is persistent: a snapshot shares its nodes, and a commit
/// replaces the map by a changed snapshot.
#[derive(Default)]
pub struct MemorySpace(Mutex<Items>);

type Items = RedBlackTreeMapSync<Key, Arc<Item>>;

impl fmt::Debug for MemorySpace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MemorySpace").field("items", &self.lock().size()).finish()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::in_space(MemorySpace::default())
    }

    /// Returns an independent copy with the same data.
    #[cfg(test)]
    pub(crate) fn snapshot(&self) -> Self {
        Self::in_space(MemorySpace(Mutex::new(self.space.lock().clone())))
    }
}

impl MemorySpace {
    fn lock(&self) -> MutexGuard<'_, Items> {
        // A panic elsewhere cannot leave a partial change: commits replace the map as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Space for MemorySpace {
    type View = Items;

    async fn view(&self) -> Result<Items> {
        Ok(self.lock().clone())
    }

    async fn apply(&self, _reads: ReadSet<()>, writes: WriteSet) -> Result<bool> {
        // Changes of this process are serialized, and no other process has access: what was read is unchanged.
        let mut items = self.lock();
        let mut next = items.clone();
        for (key, item) in writes {
            match item {
                Some(item) => next.insert_mut(key, item),
                None => {
                    next.remove_mut(&key);
                }
            }
        }
        *items = next;
        Ok(true)
    }
}

impl View for Items {
    type Evidence = ();

    async fn read(&self, key: &[u8]) -> Result<(Option<Arc<Item>>, ())> {
        Ok((self.get(key).cloned(), ()))
    }

    async fn scan(&self, range: &KeyRange) -> Result<Vec<Entry>> {
        let bounds = (Bound::Included(range.from.as_slice()), Bound::Excluded(range.until.as_slice()));
        let all = self.range::<[u8], _>(bounds);
        let entry = |(key, item): (&Key, &Arc<Item>)| (key.clone(), Arc::clone(item));
        Ok(match range.descending {
            true => all.rev().take(range.limit).map(entry).collect(),
            false => all.take(range.limit).map(entry).collect(),
        })
    }
}
