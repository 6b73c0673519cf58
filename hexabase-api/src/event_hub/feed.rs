//! Reader of the new events of an organization.

use std::sync::Arc;
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::id::{EventId, OrganizationId};
use hexabase_core::model::Event;
use tokio::sync::broadcast::Sender;

use super::BATCH_SIZE;
use super::recent_ids::{REORDER_WINDOW, RecentIds, least_id_before};

/// Interval of reads for events of other processes.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Minimum time between two reads: frequent commits share a read.
const MIN_READ_INTERVAL: Duration = Duration::from_millis(100);

/// Sends the events of an organization that become visible from now on. `newest` is the newest event in the store, read
/// before the first stream subscribed.
pub(super) async fn run(
    platform: Platform,
    organization: OrganizationId,
    newest: Option<EventId>,
    sender: Sender<Arc<Event>>,
) {
    let start = newest.map(|newest| least_id_before(newest, REORDER_WINDOW));
    let mut sent = RecentIds::after(start, REORDER_WINDOW);
    loop {
        // Registered before the read, so no commit in between is missed.
        let committed = platform.event_committed(organization);
        if let Err(error) = send_new_events(&platform, organization, &mut sent, &sender).await {
            tracing::warn!(?error, %organization, "reading events failed; feed retries");
        }
        platform.clock().sleep(MIN_READ_INTERVAL).await;
        tokio::select! {
            () = committed => {}
            () = platform.clock().sleep(POLL_INTERVAL) => {}
        }
    }
}

/// Reads the events within the reorder window, and sends those that were not sent before.
async fn send_new_events(
    platform: &Platform,
    organization: OrganizationId,
    sent: &mut RecentIds,
    sender: &Sender<Arc<Event>>,
) -> Result<()> {
    let mut after = sent.floor();
    loop {
        let events = platform.store().list_events(organization, after, BATCH_SIZE).await?;
        let is_last = events.len() < BATCH_SIZE;
        after = events.last().map(|event| event.id).or(after);
        for event in events {
            if sent.insert(event.id) {
                // An error means that the last stream has just closed, which also ends this task.
                let _ = sender.send(Arc::new(event));
            }
        }
        if is_last {
            return Ok(());
        }
    }
}
