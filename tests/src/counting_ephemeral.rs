//! Ephemeral store that counts the tokens that are taken from its buckets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::SystemClock;
use hexabase_core::ephemeral::{Allowance, EphemeralStore, MemoryEphemeral, Rate};
use hexabase_core::error::Result;

/// Store in memory that counts the tokens taken from each bucket.
#[derive(Debug)]
pub struct CountingEphemeral {
    inner: MemoryEphemeral,
    taken: Mutex<BTreeMap<String, u64>>,
}

impl CountingEphemeral {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let inner = MemoryEphemeral::new(Arc::new(SystemClock));
        Arc::new(Self { inner, taken: Mutex::default() })
    }

    /// Number of tokens that were taken from a bucket, including attempts on an empty one.
    #[must_use]
    pub fn taken(&self, bucket: &str) -> u64 {
        self.taken.lock().unwrap().get(bucket).copied().unwrap_or_default()
    }
}

#[async_trait]
impl EphemeralStore for CountingEphemeral {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        self.inner.put(key, value, ttl).await
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        self.inner.put_if_absent(key, value, ttl).await
    }

    async fn compare_and_set(&self, key: &str, old: &[u8], new: &[u8], ttl: Duration) -> Result<bool> {
        self.inner.compare_and_set(key, old, new, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.get(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.take(key).await
    }

    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()> {
        self.inner.put_visible(keys, ttl).await
    }

    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]> {
        self.inner.contains_cached(first, second).await
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        *self.taken.lock().unwrap().entry(bucket.to_owned()).or_default() += 1;
        self.inner.take_token(bucket, rate).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}
