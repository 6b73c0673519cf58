//! Latest usage of workspaces for its streams: while a workspace has a stream in this process, one task reads its usage
//! and sends it to all of its streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::authenticator::Authenticator;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{UserId, WorkspaceId};
use hexabase_core::platform::LatestUsage;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use crate::event_hub::{StreamCounts, StreamLimits, UsageStreamLimits};

/// Interval between two readings.
const READING_INTERVAL: Duration = Duration::from_secs(15);
/// Maximum number of concurrent readings in a process. Others wait.
const CONCURRENT_READINGS: usize = 16;

/// Latest usage, or the error that its reading failed with. `None` before the first reading.
pub(super) type Reading = Option<std::result::Result<LatestUsage, Arc<Error>>>;

/// Streams of usage of this process, for [`metrics::router`](super::router). Cheap to clone; the clones share their limits
/// and readings.
#[derive(Debug, Clone)]
pub struct UsageStreams {
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) hub: Arc<UsageHub>,
}

impl UsageStreams {
    /// Creates the streams of a process. They end when `stopping` turns `true`, or when the credential of their caller
    /// ends according to `authenticator`.
    #[must_use]
    pub fn new(
        platform: Platform,
        authenticator: Arc<dyn Authenticator>,
        limits: UsageStreamLimits,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let readings = Arc::new(Semaphore::new(CONCURRENT_READINGS));
        let hub = UsageHub { platform, limits: limits.into(), readings, state: Mutex::default() };
        Self { authenticator, stopping, hub: Arc::new(hub) }
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.hub.platform
    }
}

/// Distribution of usage to the streams of this process.
#[derive(Debug)]
pub(super) struct UsageHub {
    platform: Platform,
    limits: StreamLimits,
    readings: Arc<Semaphore>,
    state: Mutex<HubState>,
}

#[derive(Debug, Default)]
struct HubState {
    counts: StreamCounts<WorkspaceId>,
    feeds: HashMap<WorkspaceId, Feed>,
}

/// Running feed of a workspace.
#[derive(Debug)]
struct Feed {
    latest: watch::Receiver<Reading>,
    task: AbortHandle,
}

/// Connection of a stream to the feed of its workspace. On drop, the stream is no longer counted.
#[derive(Debug)]
pub(super) struct Subscription {
    latest: watch::Receiver<Reading>,
    _slot: StreamSlot,
}

/// Counted stream; it is no longer counted after drop.
#[derive(Debug)]
struct StreamSlot {
    hub: Arc<UsageHub>,
    user: UserId,
    workspace: WorkspaceId,
}

impl UsageHub {
    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stream of a user, who must be authorized. The subscription receives the latest usage at once, if known.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_usage_streams`.
    pub(super) fn subscribe(self: &Arc<Self>, user: UserId, target: TenantTarget) -> Result<Subscription> {
        let workspace = target.workspace_id;
        let mut state = self.lock();
        state.counts.add(&self.limits, user, workspace)?;
        let slot = StreamSlot { hub: self.clone(), user, workspace };
        // A feed whose task ended has no sender.
        let running = state.feeds.get(&workspace).filter(|feed| feed.latest.has_changed().is_ok());
        let running = running.map(|feed| feed.latest.clone());
        let mut latest = running.unwrap_or_else(|| {
            let (sender, latest) = watch::channel(None);
            let feed = run(self.platform.clone(), self.readings.clone(), target, sender);
            let task = tokio::spawn(feed).abort_handle();
            state.feeds.insert(workspace, Feed { latest: latest.clone(), task });
            latest
        });
        if latest.borrow().is_some() {
            latest.mark_changed();
        }
        Ok(Subscription { latest, _slot: slot })
    }
}

/// Reads the usage of a tenant again and again. A reading that fails is sent, too.
async fn run(
    platform: Platform,
    readings: Arc<Semaphore>,
    target: TenantTarget,
    sender: watch::Sender<Reading>,
) {
    loop {
        let reading = {
            let Ok(_permit) = readings.acquire().await else { return };
            platform.metrics().latest(&target).await
        };
        if let Err(error) = &reading {
            tracing::debug!(?error, workspace = %target.workspace_id, "reading usage failed; stream retries");
        }
        sender.send_replace(Some(reading.map_err(Arc::new)));
        platform.clock().sleep(READING_INTERVAL).await;
    }
}

impl Subscription {
    /// Waits for the next reading; `None` if the feed has ended, so that the client connects again.
    pub(super) async fn next(&mut self) -> Option<std::result::Result<LatestUsage, Arc<Error>>> {
        loop {
            self.latest.changed().await.ok()?;
            let reading = self.latest.borrow_and_update().clone();
            if reading.is_some() {
                return reading;
            }
        }
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        let is_last = state.counts.remove(self.user, self.workspace);
        if is_last && let Some(feed) = state.feeds.remove(&self.workspace) {
            feed.task.abort();
        }
    }
}
