//! Rate limits that survive an outage of the ephemeral store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Allowance, EphemeralStore, MemoryEphemeral, Rate};
use crate::clock::{Clock, after};
use crate::error::Result;

/// Interval at which the store is tried again during an outage. The other calls wait for no timeout.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// An [`EphemeralStore`] whose buckets are kept in this process while the store fails, is full or is read-only. Each
/// process then has its own allowance. All other operations fail as those of the store.
#[derive(Debug)]
pub struct RateLimitFallback {
    store: Arc<dyn EphemeralStore>,
    local: MemoryEphemeral,
    clock: Arc<dyn Clock>,
    /// Time of the next attempt; `None` while the store works.
    retry_at: Mutex<Option<Timestamp>>,
}

impl RateLimitFallback {
    /// Wraps a store.
    #[must_use]
    pub fn new(store: Arc<dyn EphemeralStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, local: MemoryEphemeral::new(clock.clone()), clock, retry_at: Mutex::default() }
    }

    /// `true` if this call uses the store: always while the store works, and once per interval during an outage.
    fn claim_attempt(&self) -> bool {
        let now = self.clock.now();
        let mut retry_at = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        match *retry_at {
            None => true,
            Some(at) if at > now => false,
            Some(_) => {
                *retry_at = Some(after(now, RETRY_INTERVAL));
                true
            }
        }
    }

    /// Records the result of an attempt. Logs the beginning and the end of an outage, once each.
    fn record<T>(&self, result: &Result<T>) {
        let mut retry_at = self.retry_at.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) if retry_at.take().is_some() => tracing::info!("rate limits are shared again"),
            Ok(_) => {}
            Err(error) => {
                if retry_at.replace(after(self.clock.now(), RETRY_INTERVAL)).is_none() {
                    tracing::warn!(?error, "ephemeral store failed; rate limits apply per process");
                }
            }
        }
    }
}

#[async_trait]
impl EphemeralStore for RateLimitFallback {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        self.store.put(key, value, ttl).await
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        self.store.put_if_absent(key, value, ttl).await
    }

    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool> {
        self.store.compare_and_set(key, expected, value, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.get(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.store.take(key).await
    }

    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()> {
        self.store.put_visible(keys, ttl).await
    }

    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]> {
        self.store.contains_cached(first, second).await
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        if self.claim_attempt() {
            let taken = self.store.take_token(bucket, rate).await;
            self.record(&taken);
            if taken.is_ok() {
                return taken;
            }
        }
        self.local.take_token(bucket, rate).await
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }
}

#[cfg(test)]
mod tests {
    use mockall::Sequence;

    use super::*;
    use crate::clock::ManualClock;
    use crate::ephemeral::MockEphemeralStore;
    use crate::error::Error;

    #[tokio::test]
    async fn during_an_outage_the_limit_applies_in_this_process_and_the_store_is_tried_once_per_interval() {
        let clock = Arc::new(ManualClock::default());
        let start = clock.now();
        let (mut store, mut sequence) = (MockEphemeralStore::new(), Sequence::new());
        for (interval, works) in [(0, false), (1, false), (2, true), (2, true)] {
            let (shared, clock) = (MemoryEphemeral::new(clock.clone()), clock.clone());
            store.expect_take_token().once().in_sequence(&mut sequence).returning(move |_, rate| {
                assert_eq!(clock.now(), after(start, RETRY_INTERVAL * interval));
                match works {
                    true => futures_executor::block_on(shared.take_token("bucket", rate)),
                    false => Err(Error::unavailable("full")),
                }
            });
        }
        let fallback = RateLimitFallback::new(Arc::new(store), clock.clone());
        let rate = Rate { burst: 3, period: Duration::from_secs(3_600) };
        let take = async || fallback.take_token("bucket", rate).await.unwrap().allowed;
        for expected in [true, true, true, false, false] {
            assert_eq!(take().await, expected);
        }
        clock.advance(RETRY_INTERVAL);
        assert!(!take().await && !take().await);
        clock.advance(RETRY_INTERVAL);
        assert!(take().await && take().await, "the shared bucket is full");
    }
}
