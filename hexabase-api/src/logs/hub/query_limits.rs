//! Limits of the queries that log streams make, so that the streams of one workspace leave room for those of others.

use std::sync::Arc;

use hexabase_core::error::{Error, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Queries in progress of a workspace, which count for the process as well.
#[derive(Debug)]
pub(super) struct QueryLimit {
    workspace: Semaphore,
    process: Arc<Semaphore>,
}

impl QueryLimit {
    pub(super) fn new(per_workspace: usize, process: &Arc<Semaphore>) -> Self {
        Self { workspace: Semaphore::new(per_workspace), process: process.clone() }
    }

    /// Waits until a further query is permitted. A query that waits for its workspace takes nothing from the process.
    pub(super) async fn acquire(&self) -> Result<[SemaphorePermit<'_>; 2]> {
        let closed = |closed| Error::unexpected("the limit of log queries is closed").caused_by(closed);
        let own = self.workspace.acquire().await.map_err(closed)?;
        Ok([own, self.process.acquire().await.map_err(closed)?])
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_workspace_at_its_limit_leaves_room_for_others() {
        let process = Arc::new(Semaphore::new(3));
        let (busy, other) = (QueryLimit::new(2, &process), QueryLimit::new(2, &process));
        let permits = [busy.acquire().now_or_never().unwrap(), busy.acquire().now_or_never().unwrap()];
        let mut waiting = Box::pin(busy.acquire());
        assert!(waiting.as_mut().now_or_never().is_none());
        let third = other.acquire().now_or_never().unwrap().unwrap();
        assert!(other.acquire().now_or_never().is_none(), "the process is at its limit");
        drop((permits, third));
        assert!(waiting.now_or_never().is_some());
    }
}
