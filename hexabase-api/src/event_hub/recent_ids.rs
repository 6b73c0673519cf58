//! Recognition of events that were processed already.

use std::collections::BTreeSet;

use hexabase_core::id::{EventId, TypedId as _};
use jiff::SignedDuration;
use uuid::Uuid;

/// Maximum time by which an event can appear after events with greater ids: ids are created before the commit, and
/// commits complete in another order.
pub(crate) const REORDER_WINDOW: SignedDuration = SignedDuration::from_secs(5);
/// Maximum number of remembered ids. An event that appears after more events with greater ids than this is missed.
const CAPACITY: usize = 512;

/// Ids of the processed events within a window before the newest one. All ids up to the floor count as processed, so
/// the memory use is bounded.
#[derive(Debug)]
pub(crate) struct RecentIds {
    window: SignedDuration,
    floor: Option<EventId>,
    newest: Option<EventId>,
    ids: BTreeSet<EventId>,
}

impl RecentIds {
    /// Counts all ids up to `floor` as processed.
    pub(crate) fn after(floor: Option<EventId>, window: SignedDuration) -> Self {
        Self { window, floor, newest: floor, ids: BTreeSet::new() }
    }

    /// Greatest id below which no further event is expected: the position from which to read again.
    pub(crate) fn floor(&self) -> Option<EventId> {
        self.floor
    }

    /// Records a processed event; returns `false` if it was processed before.
    pub(crate) fn insert(&mut self, id: EventId) -> bool {
        if Some(id) <= self.floor || !self.ids.insert(id) {
            return false;
        }
        let newest = self.newest.map_or(id, |newest| newest.max(id));
        self.newest = Some(newest);
        let settled = least_id_before(newest, self.window);
        while let Some(oldest) = self.ids.first().copied() {
            if oldest > settled && self.ids.len() <= CAPACITY {
                break;
            }
            self.floor = self.floor.max(Some(oldest));
            self.ids.pop_first();
        }
        self.floor = self.floor.max(Some(settled));
        true
    }
}

/// Returns the least id of an event that was created `earlier` before another.
pub(super) fn least_id_before(id: EventId, earlier: SignedDuration) -> EventId {
    const MILLISECOND_SHIFT: u32 = 80;
    let earlier = u128::try_from(earlier.as_millis()).unwrap_or(0) << MILLISECOND_SHIFT;
    EventId::from_uuid(Uuid::from_u128(id.uuid().as_u128().saturating_sub(earlier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id of an event that was created after this number of milliseconds.
    fn event_at(millisecond: u128) -> EventId {
        EventId::from_uuid(Uuid::from_u128(millisecond << 80))
    }

    fn started_at(millisecond: u128) -> RecentIds {
        RecentIds::after(Some(event_at(millisecond)), REORDER_WINDOW)
    }

    #[test]
    fn each_event_is_new_once() {
        let mut recent = started_at(1_000);
        assert!(!recent.insert(event_at(1_000)), "at the start");
        assert!(recent.insert(event_at(3_000)));
        assert!(recent.insert(event_at(2_000)), "late, but within the window");
        assert!(!recent.insert(event_at(2_000)) && !recent.insert(event_at(3_000)));
    }

    #[test]
    fn events_before_the_window_count_as_processed() {
        let mut recent = started_at(1_000);
        assert_eq!(recent.floor(), Some(event_at(1_000)));
        assert!(recent.insert(event_at(10_000)));
        assert_eq!(recent.floor(), Some(event_at(5_000)));
        assert!(!recent.insert(event_at(4_999)));
        assert!(recent.insert(event_at(5_001)));
    }

    #[test]
    fn a_burst_within_the_window_is_remembered_up_to_the_capacity() {
        let mut recent = RecentIds::after(None, REORDER_WINDOW);
        let burst = || (0..3 * CAPACITY as u128).map(|number| event_at(90_000 + number));
        assert!(burst().all(|id| recent.insert(id)));
        assert_eq!(recent.ids.len(), CAPACITY);
        assert!(!burst().any(|id| recent.insert(id)), "forgotten ids are below the floor");
    }
}
