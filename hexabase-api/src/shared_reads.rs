//! Reads on behalf of workspaces that concurrent requests share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use hexabase_core::id::WorkspaceId;
use tokio::sync::{OnceCell, Semaphore};

use crate::problem::ApiError;

/// Result of a read, which concurrent requests for the workspace share.
type Read = Arc<OnceCell<Result<Bytes, ApiError>>>;

/// Reads in progress: one at a time for each workspace, and a limited number of them in all. Others wait.
#[derive(Debug)]
pub(crate) struct SharedReads {
    permits: Semaphore,
    reads: Mutex<HashMap<WorkspaceId, Read>>,
}

/// A read that a request waits for. On drop, the last request removes it.
struct JoinedRead<'a> {
    reads: &'a SharedReads,
    workspace: WorkspaceId,
    read: Read,
}

impl SharedReads {
    /// Creates reads of which at most `limit` run at a time.
    pub(crate) fn new(limit: usize) -> Self {
        Self { permits: Semaphore::new(limit), reads: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Read>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, workspace: WorkspaceId) -> JoinedRead<'_> {
        let read = self.lock().entry(workspace).or_default().clone();
        JoinedRead { reads: self, workspace, read }
    }

    /// Returns the result for a workspace. `read` runs unless another request is reading it; if that one is canceled, another
    /// one continues.
    pub(crate) async fn get<F>(
        &self,
        workspace: WorkspaceId,
        read: impl FnOnce() -> F,
    ) -> Result<Bytes, ApiError>
    where
        F: Future<Output = Result<Bytes, ApiError>>,
    {
        let joined = self.join(workspace);
        let read = async || {
            let _permit = self.permits.acquire().await;
            read().await
        };
        joined.read.get_or_init(read).await.clone()
    }
}

impl Drop for JoinedRead<'_> {
    fn drop(&mut self) {
        let mut reads = self.reads.lock();
        // One reference is in the map, and one here.
        if Arc::strong_count(&self.read) <= 2 {
            reads.remove(&self.workspace);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures_util::future::{join, join_all};
    use hexabase_core::fixture::id;
    use tokio::time::timeout;

    use super::*;

    const LIMIT: usize = 16;

    #[tokio::test]
    async fn concurrent_requests_share_a_read_and_nothing_remains() {
        let (reads, count) = (SharedReads::new(LIMIT), AtomicUsize::new(0));
        let read = || async {
            count.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Bytes::from_static(b"up 1"))
        };
        let texts = join_all((0..5).map(|_| reads.get(id("one"), read))).await;
        assert!(texts.iter().all(|text| text.as_ref().unwrap() == "up 1"));
        assert_eq!(count.load(Ordering::Relaxed), 1);
        reads.get(id("one"), read).await.unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 2, "a finished read is not reused");
        assert!(reads.lock().is_empty());
    }

    #[tokio::test]
    async fn a_canceled_read_is_continued_by_a_waiting_request() {
        let reads = SharedReads::new(LIMIT);
        let never = reads.get(id("one"), std::future::pending);
        let waiting = reads.get(id("one"), || async { Ok(Bytes::from_static(b"up 1")) });
        let (canceled, text) = join(timeout(Duration::from_millis(1), never), waiting).await;
        assert!(canceled.is_err());
        assert_eq!(text.unwrap(), "up 1");
        assert!(reads.lock().is_empty());
    }

    #[tokio::test]
    async fn the_number_of_reads_is_limited() {
        let (reads, running, most) = (SharedReads::new(LIMIT), AtomicUsize::new(0), AtomicUsize::new(0));
        let read = || async {
            most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::Relaxed);
            Ok(Bytes::new())
        };
        join_all((0..50).map(|number| reads.get(id(&format!("workspace-{number}")), read))).await;
        assert_eq!(most.into_inner(), LIMIT);
    }
}
