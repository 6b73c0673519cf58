//! Store that counts the reads that pass through it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use hexabase_core::error::Result;
use hexabase_core::model::Event;
use hexabase_core::store::{StoreDecorator, TenantStore};

/// Decorator of a store that counts operations, and the live events that were read.
#[derive(Debug)]
pub struct CountingStore {
    inner: Arc<dyn TenantStore>,
    operations: Mutex<BTreeMap<&'static str, u64>>,
    events_read: AtomicU64,
}

impl CountingStore {
    /// Wraps a store.
    #[must_use]
    pub fn new(inner: Arc<dyn TenantStore>) -> Arc<Self> {
        Arc::new(Self { inner, operations: Mutex::default(), events_read: AtomicU64::new(0) })
    }

    /// Numbers of operations except commits, by method.
    #[must_use]
    pub fn operations(&self) -> BTreeMap<&'static str, u64> {
        self.operations.lock().unwrap().clone()
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
        if method != "commit" {
            *self.operations.lock().unwrap().entry(method).or_default() += 1;
        }
        let result = call.await?;
        if let Some(events) = (&result as &dyn Any).downcast_ref::<Vec<Event>>() {
            self.events_read.fetch_add(events.len() as u64, Ordering::SeqCst);
        }
        Ok(result)
    }
}
