//! Numbers of operations in progress, which are limited by key in each process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Numbers of operations in progress, by key. Keys without operations have no entry.
#[derive(Debug)]
pub(super) struct InProgress<K: Ord>(Arc<Mutex<BTreeMap<K, u32>>>);

/// An operation in progress; it ends on drop.
#[derive(Debug)]
pub(super) struct Operation<K: Ord> {
    operations: InProgress<K>,
    key: K,
}

impl<K: Ord> Default for InProgress<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Ord + Copy> InProgress<K> {
    /// Begins an operation; `None` if as many as the limit are in progress.
    pub(super) fn begin(&self, key: K, limit: u32) -> Option<Operation<K>> {
        let mut running = self.lock();
        let count = running.entry(key).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Operation { operations: Self(self.0.clone()), key })
    }
}

impl<K: Ord> InProgress<K> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Drop for Operation<K> {
    fn drop(&mut self) {
        let mut running = self.operations.lock();
        if let Some(count) = running.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_limited_by_key_and_leave_nothing_behind() {
        let operations = InProgress::default();
        let (first, second) = (operations.begin(1, 2).unwrap(), operations.begin(1, 2).unwrap());
        assert!(operations.begin(1, 2).is_none());
        assert!(operations.begin(2, 2).is_some());
        drop(first);
        let third = operations.begin(1, 2).unwrap();
        drop((second, third));
        assert!(operations.lock().is_empty(), "nothing remains of finished operations");
    }
}
