//! Reads on behalf of workspaces that concurrent requests share.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
    reads: Mutex<HashMap<WorkspaceId, Waiting>>,
}

/// Read with the number of requests that wait for it.
#[derive(Debug, Default)]
struct Waiting {
    read: Read,
    requests: usize,
}

/// Membership of a request in a read. On drop, the last request removes the read.
struct JoinedRead<'a> {
    reads: &'a SharedReads,
    workspace: WorkspaceId,
}

impl SharedReads {
    /// Creates reads of which at most `limit` run at a time.
    pub(crate) fn new(limit: usize) -> Self {
        Self { permits: Semaphore::new(limit), reads: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WorkspaceId, Waiting>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, workspace: WorkspaceId) -> (JoinedRead<'_>, Read) {
        let mut reads = self.lock();
        let waiting = reads.entry(workspace).or_default();
        waiting.requests += 1;
        (JoinedRead { reads: self, workspace }, waiting.read.clone())
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
        let (_joined, shared) = self.join(workspace);
        let read = async || {
            let _permit = self.permits.acquire().await;
            read().await
        };
        shared.get_or_init(read).await.clone()
    }
}

impl Drop for JoinedRead<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut waiting) = self.reads.lock().entry(self.workspace) {
            waiting.get_mut().requests -= 1;
            if waiting.get().requests == 0 {
                waiting.remove();
            }
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
