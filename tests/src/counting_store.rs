//! Store that counts the reads that pass through it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hexabase_core::error::Result;
use hexabase_core::model::Event;
use hexabase_core::store::{StoreDecorator, TenantStore};

/// Number of times that a read is suspended: enough for calls that wait for the same read to continue with their next ones.
const SUSPENSIONS: usize = 8;

/// Decorator of a store that counts operations, and the live events that were read.
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn TenantStore>,
    operations: Mutex<BTreeMap<&'static str, u64>>,
    /// `true` if reads are suspended, as those of a remote store are.
    is_suspending: bool,
    rounds: AtomicU64,
    events_read: AtomicU64,
}

impl CountingStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn TenantStore>) -> Arc<Self> {
        Arc::new(Self::with(inner, false))
    }

    /// Wraps a store whose reads are suspended, so that concurrent reads are in progress together.
    #[must_use]
    pub fn suspending(inner: Arc<dyn TenantStore>) -> Arc<Self> {
        Arc::new(Self::with(inner, true))
    }

    fn with(inner: Arc<dyn TenantStore>, is_suspending: bool) -> Self {
        let (rounds, events_read) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { inner, operations: Mutex::default(), is_suspending, rounds, events_read }
    }

    /// Numbers of operations except commits, by method.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<&'static str, u64> {
        self.operations.lock().unwrap().clone()
    }

    /// Number of rounds of reads: a read belongs to the round after the last one that was complete when it began. The
    /// difference for a request is the length of its longest sequence of reads, each of which waits for the one before, if
    /// reads are suspended.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::SeqCst)
    }

    /// Number of live events that were read.
    #[must_use]
    pub fn events_read(&self) -> u64 {
        self.events_read.load(Ordering::SeqCst)
    }
}

impl StoreDecorator for CountingStore {
    fn inner(&self) -> &dyn TenantStore {
        &*self.inner
    }

    async fn around<T: Send + 'static>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        if method == "commit" {
            return call.await;
        }
        *self.operations.lock().unwrap().entry(method).or_default() += 1;
        let round = self.rounds() + 1;
        if self.is_suspending {
            for _ in 0..SUSPENSIONS {
                tokio::task::yield_now().await;
            }
        }
        let result = call.await;
        self.rounds.fetch_max(round, Ordering::SeqCst);
        if let Some(events) =
            result.as_ref().ok().and_then(|value| (value as &dyn Any).downcast_ref::<Vec<Event>>())
        {
            self.events_read.fetch_add(events.len() as u64, Ordering::SeqCst);
        }
        result
    }
}
