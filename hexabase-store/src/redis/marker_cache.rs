//! Cache of the results of `contains_cached`, for a tenth of a second.
//!
//! A result is valid for [`MAX_RESULT_AGE`] from the time of its request, and `put_visible` waits for the same time
//! before it returns. By then no process uses an older result, even one that receives nothing from Redis any more. The
//! two processes do not compare clocks: each measures the time by its own.

use std::time::Duration;

use quick_cache::sync::Cache;
use tokio::time::{Instant, sleep};

/// Time for which a result is valid.
const MAX_RESULT_AGE: Duration = Duration::from_millis(100);
/// Maximum number of cached results.
const CAPACITY: usize = 16_384;

/// Results of recent requests, by the keys that were requested.
pub(super) struct MarkerCache(Cache<String, CachedMarkers>);

#[derive(Debug, Clone, Copy)]
struct CachedMarkers {
    requested_at: Instant,
    present: [bool; 2],
}

impl MarkerCache {
    pub(super) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    /// Returns the result for two keys if it is still valid.
    pub(super) fn get(&self, keys: &str) -> Option<[bool; 2]> {
        let cached = self.0.get(keys).filter(|cached| cached.requested_at.elapsed() < MAX_RESULT_AGE)?;
        Some(cached.present)
    }

    /// Stores the result of a request that started at `requested_at` or later. The absence of both keys is not cached:
    /// the server may just have lost all its data, and the markers are stored again soon.
    pub(super) fn insert(&self, keys: String, requested_at: Instant, present: [bool; 2]) {
        if present != [false; 2] {
            self.0.insert(keys, CachedMarkers { requested_at, present });
        }
    }
}

/// Waits until no process uses a result that was requested before this call.
pub(super) async fn wait_until_results_expire() {
    sleep(MAX_RESULT_AGE).await;
}
