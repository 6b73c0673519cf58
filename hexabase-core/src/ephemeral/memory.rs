//! The ephemeral store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Allowance, EphemeralStore, Rate};
use crate::clock::{Clock, after, until};
use crate::error::Result;

/// Maximum number of buckets. Callers choose some names of buckets, such as their addresses.
const MAX_BUCKETS: usize = 100_000;

/// An [`EphemeralStore`] in memory. Each call removes the expired entries, so memory use stays bounded by the live
/// ones.
pub struct MemoryEphemeral {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    values: BTreeMap<String, (Vec<u8>, Timestamp)>,
    /// Time at which each bucket is full again. The generic cell rate algorithm needs no other state.
    buckets: BTreeMap<String, Timestamp>,
    value_expiries: BTreeSet<(Timestamp, String)>,
    bucket_expiries: BTreeSet<(Timestamp, String)>,
}

impl MemoryEphemeral {
    /// Creates an empty store that uses this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// Returns the total length of all keys and values, in bytes. Buckets are not included.
    #[must_use]
    pub fn stored_bytes(&self) -> usize {
        self.current().0.values.iter().map(|(key, (value, _))| key.len() + value.len()).sum()
    }

    /// Locks the state, removes the expired entries, and returns the state with the current time.
    fn current(&self) -> (MutexGuard<'_, State>, Timestamp) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, key)) = pop_expired(&mut state.value_expiries, now) {
            state.values.remove(&key);
        }
        while let Some((_, bucket)) = pop_expired(&mut state.bucket_expiries, now) {
            state.buckets.remove(&bucket);
        }
        (state, now)
    }
}

/// Removes and returns the first entry that has expired.
fn pop_expired(expiries: &mut BTreeSet<(Timestamp, String)>, now: Timestamp) -> Option<(Timestamp, String)> {
    expiries.first().is_some_and(|(end, _)| *end <= now).then(|| expiries.pop_first()).flatten()
}

impl State {
    fn put(&mut self, key: &str, value: &[u8], end: Timestamp) {
        self.remove(key);
        self.values.insert(key.to_owned(), (value.to_vec(), end));
        self.value_expiries.insert((end, key.to_owned()));
    }

    fn remove(&mut self, key: &str) -> Option<Vec<u8>> {
        let (value, end) = self.values.remove(key)?;
        self.value_expiries.remove(&(end, key.to_owned()));
        Some(value)
    }

    fn fill(&mut self, bucket: &str, full_at: Timestamp) {
        if let Some(earlier) = self.buckets.insert(bucket.to_owned(), full_at) {
            self.bucket_expiries.remove(&(earlier, bucket.to_owned()));
        }
        self.bucket_expiries.insert((full_at, bucket.to_owned()));
        if self.buckets.len() > MAX_BUCKETS
            && let Some((_, fullest)) = self.bucket_expiries.pop_first()
        {
            self.buckets.remove(&fullest);
        }
    }
}

#[async_trait]
impl EphemeralStore for MemoryEphemeral {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        let (mut state, now) = self.current();
        state.put(key, value, after(now, ttl));
        Ok(())
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        let (mut state, now) = self.current();
        if state.values.contains_key(key) {
            return Ok(false);
        }
        state.put(key, value, after(now, ttl));
        Ok(true)
    }

    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool> {
        let (mut state, now) = self.current();
        if state.values.get(key).is_none_or(|(actual, _)| actual != expected) {
            return Ok(false);
        }
        state.put(key, value, after(now, ttl));
        Ok(true)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let (state, _) = self.current();
        Ok(state.values.get(key).map(|(value, _)| value.clone()))
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let (mut state, _) = self.current();
        Ok(state.remove(key))
    }

    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()> {
        let (mut state, now) = self.current();
        for key in keys {
            state.put(key, &[], after(now, ttl));
        }
        Ok(())
    }

    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]> {
        let (state, _) = self.current();
        Ok([first, second].map(|key| state.values.contains_key(key)))
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        let (mut state, now) = self.current();
        let burst = rate.burst.max(1);
        let step = rate.period / burst;
        let reset_after = state.buckets.get(bucket).map_or(Duration::ZERO, |full_at| until(now, *full_at));
        let wanted = reset_after + step;
        if wanted > rate.period {
            return Ok(Allowance {
                allowed: false,
                remaining: 0,
                retry_after: wanted - rate.period,
                reset_after,
            });
        }
        state.fill(bucket, after(now, wanted));
        let left = (rate.period - wanted).as_nanos() / step.as_nanos().max(1);
        Ok(Allowance {
            allowed: true,
            remaining: u32::try_from(left).unwrap_or(burst),
            retry_after: if left == 0 { step } else { Duration::ZERO },
            reset_after: wanted,
        })
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryEphemeral {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        out.debug_struct("MemoryEphemeral").field("values", &state.values.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn the_number_of_buckets_is_bounded_and_the_fullest_are_forgotten() {
        let store = MemoryEphemeral::new(Arc::new(ManualClock::default()));
        let rate = Rate { burst: 2, period: Duration::from_secs(60) };
        for _ in 0..2 {
            store.take_token("exhausted", rate).await.unwrap();
        }
        for number in 0..MAX_BUCKETS + 10 {
            store.take_token(&number.to_string(), rate).await.unwrap();
        }
        let counts = {
            let (state, _) = store.current();
            (state.buckets.len(), state.bucket_expiries.len())
        };
        assert_eq!(counts, (MAX_BUCKETS, MAX_BUCKETS));
        assert!(!store.take_token("exhausted", rate).await.unwrap().allowed);
    }
}
