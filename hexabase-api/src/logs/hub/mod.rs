//! Distribution of new log lines: while logs are followed in this process, one task polls them for all of their
//! followers.

mod feed;
mod query_limits;
mod recent;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hexabase_core::Platform;
use hexabase_core::authenticator::Authenticator;
use hexabase_core::error::Result;
use hexabase_core::id::{UserId, WorkspaceId};
use hexabase_core::logs::{LogLine, LogQuery, LogSource};
use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;

use super::view::RenderedLine;
use crate::event_hub::{LogStreamLimits, StreamCounts, StreamLimits};
pub(super) use feed::{OVERLAP, Pages};
use query_limits::QueryLimit;
pub(super) use recent::RecentLines;

/// Number of batches of lines that a follower can be behind before it is cut off.
const QUEUE_LENGTH: usize = 16;
/// Maximum number of polls of the process in progress, and of a workspace.
const MAX_POLLS: (usize, usize) = (16, 4);
/// Maximum number of reads of the process in progress by followers that resume, and of a workspace.
const MAX_RESUMES: (usize, usize) = (8, 2);

/// Log streams of this process, for [`logs::router`](crate::logs::router). Cheap to clone; the clones share their
/// limits and polls.
#[derive(Debug, Clone)]
pub struct LogStreams {
    pub(super) authenticator: Arc<dyn Authenticator>,
    pub(super) stopping: watch::Receiver<bool>,
    hub: Arc<LogHub>,
}

impl LogStreams {
    /// Creates the streams of a process. They end when `stopping` turns `true`, or when the credential of their caller
    /// ends according to `authenticator`.
    #[must_use]
    pub fn new(
        platform: Platform,
        authenticator: Arc<dyn Authenticator>,
        limits: LogStreamLimits,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let hub = LogHub {
            platform,
            limits: limits.into(),
            polls: Arc::new(Semaphore::new(MAX_POLLS.0)),
            resumes: Arc::new(Semaphore::new(MAX_RESUMES.0)),
            state: Mutex::default(),
        };
        Self { authenticator, stopping, hub: Arc::new(hub) }
    }

    pub(super) fn platform(&self) -> &Platform {
        &self.hub.platform
    }

    pub(super) const fn hub(&self) -> &Arc<LogHub> {
        &self.hub
    }
}

/// Message of a feed to its followers.
#[derive(Debug, Clone)]
pub(super) enum Update {
    /// New lines, ordered by id.
    Lines(Arc<[RenderedLine]>),
    /// Lines cannot be read for now, with a sentence for users.
    Unavailable(Arc<str>),
    /// Lines can be read again.
    Available,
    /// The logs cannot be followed, with a sentence for users.
    Ended(Arc<str>),
}

/// Distribution of lines to the streams of this process, with one feed for equal queries.
#[derive(Debug)]
pub(super) struct LogHub {
    platform: Platform,
    limits: StreamLimits,
    polls: Arc<Semaphore>,
    resumes: Arc<Semaphore>,
    state: Mutex<HubState>,
}

#[derive(Debug, Default)]
struct HubState {
    counts: StreamCounts<WorkspaceId>,
    feeds: HashMap<LogQuery, RunningFeed>,
    /// Limits of the workspaces with streams.
    limits: HashMap<WorkspaceId, Weak<WorkspaceLimits>>,
    next_follower: u64,
}

/// Limits of the queries of one workspace.
#[derive(Debug)]
struct WorkspaceLimits {
    polls: QueryLimit,
    resumes: QueryLimit,
}

#[derive(Debug)]
struct RunningFeed {
    followers: Arc<Followers>,
    task: AbortHandle,
}

/// Followers of equal logs.
#[derive(Debug, Default)]
struct Followers(Mutex<FollowerState>);

#[derive(Debug, Default)]
struct FollowerState {
    queues: HashMap<u64, mpsc::Sender<Update>>,
    /// Reason for which lines cannot be read, for further followers.
    away: Option<Arc<str>>,
    /// `true` once the feed has ended.
    is_closed: bool,
}

impl Followers {
    fn lock(&self) -> MutexGuard<'_, FollowerState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counted stream; it is no longer counted after drop.
#[derive(Debug)]
pub(super) struct StreamSlot {
    hub: Arc<LogHub>,
    limits: Arc<WorkspaceLimits>,
    user: UserId,
    workspace: WorkspaceId,
}

/// Connection of a stream to the feed of its logs, which ends with its last connection.
#[derive(Debug)]
pub(super) struct Subscription {
    updates: mpsc::Receiver<Update>,
    hub: Arc<LogHub>,
    feed: LogQuery,
    number: u64,
}

/// Returns the key of a feed: queries that differ in their time range share it.
fn feed_key(query: &LogQuery) -> LogQuery {
    LogQuery { since: Timestamp::UNIX_EPOCH, until: Timestamp::UNIX_EPOCH, limit: 1, ..query.clone() }
}

impl LogHub {
    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `true` if the logs of a query are followed already.
    pub(super) fn is_followed(&self, query: &LogQuery) -> bool {
        self.lock().feeds.contains_key(&feed_key(query))
    }

    /// Counts a stream of a user, who must be authorized.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_log_streams`.
    pub(super) fn count(self: &Arc<Self>, user: UserId, workspace: WorkspaceId) -> Result<StreamSlot> {
        let mut state = self.lock();
        state.counts.add(&self.limits, user, workspace)?;
        let limits = state.limits.get(&workspace).and_then(Weak::upgrade).unwrap_or_else(|| {
            let limits = WorkspaceLimits {
                polls: QueryLimit::new(MAX_POLLS.1, &self.polls),
                resumes: QueryLimit::new(MAX_RESUMES.1, &self.resumes),
            };
            let limits = Arc::new(limits);
            state.limits.insert(workspace, Arc::downgrade(&limits));
            limits
        });
        Ok(StreamSlot { hub: self.clone(), limits, user, workspace })
    }

    /// Returns a feed with its followers, which is started if it does not run.
    fn feed(
        &self,
        state: &mut HubState,
        limits: &Arc<WorkspaceLimits>,
        source: Arc<dyn LogSource>,
        key: &LogQuery,
    ) -> Arc<Followers> {
        if let Some(running) = state.feeds.get(key).filter(|running| !running.followers.lock().is_closed) {
            return running.followers.clone();
        }
        let followers = Arc::<Followers>::default();
        let platform = self.platform.clone();
        let feed = feed::Feed::new(platform, source, key.clone(), followers.clone(), limits.clone());
        let task = tokio::spawn(feed.run()).abort_handle();
        state.feeds.insert(key.clone(), RunningFeed { followers: followers.clone(), task });
        followers
    }
}

impl StreamSlot {
    /// Connects the stream to the feed of its logs. It receives every line that appears from now on.
    pub(super) fn subscribe(&self, source: Arc<dyn LogSource>, query: &LogQuery) -> Subscription {
        let (sender, updates) = mpsc::channel(QUEUE_LENGTH);
        let key = feed_key(query);
        let mut state = self.hub.lock();
        let number = state.next_follower;
        state.next_follower += 1;
        let followers = self.hub.feed(&mut state, &self.limits, source, &key);
        let mut own = followers.lock();
        if let Some(message) = &own.away {
            // The queue is empty.
            let _ = sender.try_send(Update::Unavailable(message.clone()));
        }
        own.queues.insert(number, sender);
        Subscription { updates, hub: self.hub.clone(), feed: key, number }
    }

    /// Reads a page of older lines, as soon as few streams of the workspace and the process do so.
    ///
    /// # Errors
    /// As [`LogSource::lines`].
    pub(super) async fn read(
        &self,
        pages: &mut Pages,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<LogLine>> {
        let _permits = self.limits.resumes.acquire().await?;
        pages.read(since, until).await
    }

    /// Reads lines for the stream before it begins, within the limits of [`Self::read`].
    ///
    /// # Errors
    /// As [`LogSource::lines`].
    pub(super) async fn lines(&self, source: &dyn LogSource, query: &LogQuery) -> Result<Vec<LogLine>> {
        let _permits = self.limits.resumes.acquire().await?;
        source.lines(query).await
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.counts.remove(self.user, self.workspace);
        // The entry of this workspace is removed after a later stream: this one still counts.
        state.limits.retain(|_, limits| limits.strong_count() > 0);
    }
}

impl Subscription {
    /// Waits for the next update; `None` if the follower was cut off, because its queue was full.
    pub(super) async fn recv(&mut self) -> Option<Update> {
        self.updates.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        let Some(feed) = state.feeds.get(&self.feed) else { return };
        let is_last = {
            let mut own = feed.followers.lock();
            own.queues.remove(&self.number);
            own.queues.is_empty()
        };
        if is_last && let Some(feed) = state.feeds.remove(&self.feed) {
            feed.task.abort();
        }
    }
}
