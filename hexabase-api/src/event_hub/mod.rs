//! Distribution of live events to event streams: while an organization has a stream in this process, one task reads its
//! new events and sends them to all of its streams.

mod feed;
mod limits;
mod recent_ids;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hexabase_core::Platform;
use hexabase_core::authenticator::Authenticator;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{EventId, OrganizationId, UserId};
use hexabase_core::model::Event;
use tokio::sync::broadcast::{Receiver, WeakSender};
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::task::AbortHandle;

pub use limits::{EventStreamLimits, LogStreamLimits, UsageStreamLimits};
pub(crate) use limits::{StreamCounts, StreamLimits};
pub(crate) use recent_ids::{REORDER_WINDOW, RecentIds};

/// Number of events per read.
pub(crate) const BATCH_SIZE: usize = 100;
/// Number of events of an organization that a stream can be behind before it reads from the store again.
const CHANNEL_CAPACITY: usize = 128;
/// Maximum number of concurrent reads by the streams of an organization that are behind.
const READS_PER_ORGANIZATION: usize = 2;

/// Event streams of this process, for [`organizations::events_router`](crate::organizations::events_router). Cheap to
/// clone; the clones share their limits and reads.
#[derive(Debug, Clone)]
pub struct EventStreams {
    pub(crate) authenticator: Arc<dyn Authenticator>,
    pub(crate) stopping: watch::Receiver<bool>,
    hub: Arc<EventHub>,
}

impl EventStreams {
    /// Creates the streams of a process. They end when `stopping` turns `true`, or when the credential of their caller
    /// ends according to `authenticator`.
    #[must_use]
    pub fn new(
        platform: Platform,
        authenticator: Arc<dyn Authenticator>,
        limits: EventStreamLimits,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { hub: EventHub::new(platform, limits), authenticator, stopping }
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.hub.platform
    }

    pub(crate) const fn hub(&self) -> &Arc<EventHub> {
        &self.hub
    }
}

/// Distribution of events to the streams of this process, with one feed per organization.
#[derive(Debug)]
pub(crate) struct EventHub {
    platform: Platform,
    limits: StreamLimits,
    state: Mutex<HubState>,
}

#[derive(Debug, Default)]
struct HubState {
    counts: StreamCounts<OrganizationId>,
    feeds: HashMap<OrganizationId, Feed>,
}

/// Running feed of an organization.
#[derive(Debug)]
struct Feed {
    /// The task has the sender, so the streams notice if it ends.
    events: WeakSender<Arc<Event>>,
    reads: Arc<Semaphore>,
    task: AbortHandle,
}

/// Connection of a stream to the feed of its organization. On drop, the stream is no longer counted.
#[derive(Debug)]
pub(crate) struct Subscription {
    events: Receiver<Arc<Event>>,
    reads: Arc<Semaphore>,
    slot: StreamSlot,
}

/// Counted stream; it is no longer counted after drop.
#[derive(Debug)]
struct StreamSlot {
    hub: Arc<EventHub>,
    user: UserId,
    organization: OrganizationId,
}

impl EventHub {
    pub(crate) fn new(platform: Platform, limits: EventStreamLimits) -> Arc<Self> {
        Arc::new(Self { platform, limits: limits.into(), state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stream of a user, who must be authorized. The subscription receives every event that becomes visible from
    /// now on; earlier ones are in the store. `newest` is the newest event in the store, read before this call.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_event_streams`.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        user: UserId,
        organization: OrganizationId,
        newest: Option<EventId>,
    ) -> Result<Subscription> {
        let mut state = self.lock();
        state.counts.add(&self.limits, user, organization)?;
        let slot = StreamSlot { hub: self.clone(), user, organization };
        let running = state.feeds.get(&organization);
        let running = running.and_then(|feed| Some((feed.events.upgrade()?.subscribe(), feed.reads.clone())));
        let (events, reads) = running.unwrap_or_else(|| {
            let (sender, receiver) = broadcast::channel(CHANNEL_CAPACITY);
            let (events, reads) = (sender.downgrade(), Arc::new(Semaphore::new(READS_PER_ORGANIZATION)));
            let feed = feed::run(self.platform.clone(), organization, newest, sender);
            let task = tokio::spawn(feed).abort_handle();
            state.feeds.insert(organization, Feed { events, reads: reads.clone(), task });
            (receiver, reads)
        });
        Ok(Subscription { events, reads, slot })
    }
}

impl Subscription {
    /// Waits for the next event.
    ///
    /// # Errors
    /// `Lagged` if events were dropped, which the stream then reads from the store; `Closed` if the feed has ended.
    pub(crate) async fn recv(&mut self) -> std::result::Result<Arc<Event>, broadcast::error::RecvError> {
        self.events.recv().await
    }

    /// Reads a batch of events after `after` from the store, as soon as few streams of the organization are reading.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn read(&self, after: Option<EventId>) -> Result<Vec<Event>> {
        let _permit = self.reads.acquire().await.map_err(|closed| {
            Error::unexpected("the semaphore of event reads is closed").caused_by(closed)
        })?;
        let store = self.slot.hub.platform.store();
        store.list_events(self.slot.organization, after, BATCH_SIZE).await
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        let is_last = state.counts.remove(self.user, self.organization);
        if is_last && let Some(feed) = state.feeds.remove(&self.organization) {
            feed.task.abort();
        }
    }
}
