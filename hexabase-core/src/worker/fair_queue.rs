//! Fair order of received messages.

use std::collections::{BTreeMap, VecDeque};

use crate::changeset::Topic;
use crate::id::OrganizationId;
use crate::queue::Delivery;

/// Minimum number of buffered messages. The buffer must reach past the messages of one busy organization.
const MIN_CAPACITY: usize = 256;
/// Number of buffered messages per slot.
const CAPACITY_PER_SLOT: usize = 4;

/// Received messages that wait for a slot, in one queue per organization.
///
/// Organizations take turns. While messages of several organizations wait, the messages of one take at most half of the
/// slots. So an organization with many messages delays another one by a turn, instead of by all its messages.
#[derive(Debug)]
pub(super) struct FairQueue {
    slots: usize,
    capacity: usize,
    waiting: BTreeMap<OrganizationId, VecDeque<Delivery>>,
    /// Organizations with waiting messages, in the order of their turns.
    turns: VecDeque<OrganizationId>,
    /// Number of messages in process, by organization.
    running: BTreeMap<OrganizationId, usize>,
}

impl FairQueue {
    /// Creates an empty queue for the given number of messages that are processed at a time.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            capacity: slots.saturating_mul(CAPACITY_PER_SLOT).max(MIN_CAPACITY),
            waiting: BTreeMap::new(),
            turns: VecDeque::new(),
            running: BTreeMap::new(),
        }
    }

    /// Returns the number of messages to receive next; zero while the buffer is nearly full. At most one batch per
    /// slot, so that several workers share a long queue.
    pub(super) fn demand(&self) -> usize {
        let batch = self.slots.min(self.capacity - self.len().min(self.capacity));
        // Receiving single messages would cost one round trip each.
        if batch < self.slots.div_ceil(4) { 0 } else { batch }
    }

    /// Adds a message. Returns it if it is redundant, because a reconcile that still waits includes it.
    pub(super) fn push(&mut self, delivery: Delivery) -> Option<Delivery> {
        let organization = delivery.message.organization_id;
        let waiting = self.waiting.entry(organization).or_default();
        if waiting.iter().any(|earlier| includes(earlier, &delivery)) {
            return Some(delivery);
        }
        if waiting.is_empty() {
            self.turns.push_back(organization);
        }
        waiting.push_back(delivery);
        None
    }

    /// Takes the next message to process; `None` if no message waits, or all slots are taken. Its slot is free after
    /// [`Self::finish`].
    pub(super) fn start_next(&mut self) -> Option<Delivery> {
        if self.running.values().sum::<usize>() >= self.slots {
            return None;
        }
        // With two organizations at their share no slot is free, so a free slot always has an organization.
        let share = if self.turns.len() > 1 { self.slots.div_ceil(2) } else { self.slots };
        let has_share = |organization| self.running.get(organization).copied().unwrap_or(0) < share;
        let position = self.turns.iter().position(has_share)?;
        let organization = self.turns.remove(position)?;
        let waiting = self.waiting.get_mut(&organization)?;
        let delivery = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&organization);
        } else {
            self.turns.push_back(organization);
        }
        *self.running.entry(organization).or_insert(0) += 1;
        delivery
    }

    /// Frees the slot of a processed message of this organization.
    pub(super) fn finish(&mut self, organization: OrganizationId) {
        if let Some(running) = self.running.get_mut(&organization) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(&organization);
            }
        }
    }

    /// Returns copies of all waiting messages.
    pub(super) fn waiting(&self) -> Vec<Delivery> {
        self.waiting.values().flatten().cloned().collect()
    }

    fn len(&self) -> usize {
        self.waiting.values().map(VecDeque::len).sum()
    }
}

/// `true` if processing `earlier` includes `later`: both request a reconcile of the same workspace or account, and the
/// earlier one is not discarded if the workspace has been rescheduled.
fn includes(earlier: &Delivery, later: &Delivery) -> bool {
    let (earlier, later) = (&earlier.message, &later.message);
    earlier.topic == Topic::Reconcile
        && later.topic == Topic::Reconcile
        && earlier.workspace_id == later.workspace_id
        && earlier.payload.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::changeset::OutboxMessage;
    use crate::fixture::id;
    use crate::id::{MessageId, TypedId as _};

    fn delivery(number: usize, organization: &str) -> Delivery {
        let message = OutboxMessage {
            id: MessageId::from_uuid(Uuid::from_u128(number as u128)),
            topic: Topic::Reconcile,
            organization_id: id(organization),
            workspace_id: Some(id(&format!("{organization}-{number}"))),
            payload: Vec::new(),
            trace_parent: None,
        };
        Delivery { message, attempt: 1, receipt: number.to_string() }
    }

    fn filled(slots: usize, counts: &[(&str, usize)]) -> FairQueue {
        let mut queue = FairQueue::new(slots);
        for (organization, count) in counts {
            for number in 0..*count {
                assert_eq!(queue.push(delivery(number, organization)), None);
            }
        }
        queue
    }

    fn start_all(queue: &mut FairQueue) -> Vec<OrganizationId> {
        std::iter::from_fn(|| queue.start_next()).map(|delivery| delivery.message.organization_id).collect()
    }

    #[test]
    fn organizations_take_turns() {
        let mut queue = filled(6, &[("a", 10), ("b", 2), ("c", 1)]);
        assert_eq!(start_all(&mut queue), [id("a"), id("b"), id("c"), id("a"), id("b"), id("a")]);
    }

    #[test]
    fn one_organization_takes_all_slots_only_while_no_other_waits() {
        let mut queue = filled(4, &[("a", 10)]);
        assert_eq!(start_all(&mut queue), [id("a"); 4]);
        queue.push(delivery(0, "b"));
        queue.push(delivery(1, "b"));
        queue.finish(id("a"));
        assert_eq!(start_all(&mut queue), [id("b")], "the first free slot");
        queue.finish(id("a"));
        assert_eq!(start_all(&mut queue), [id("b")], "a has half of the slots");
    }

    #[test]
    fn a_single_slot_alternates_between_organizations() {
        let mut queue = filled(1, &[("a", 2), ("b", 2)]);
        let mut order = Vec::new();
        while let Some(next) = queue.start_next() {
            order.push(next.message.organization_id);
            queue.finish(next.message.organization_id);
        }
        assert_eq!(order, [id("a"), id("b"), id("a"), id("b")]);
    }

    #[test]
    fn messages_of_one_organization_keep_their_order() {
        let mut queue = filled(9, &[("a", 3)]);
        let numbers: Vec<_> = std::iter::from_fn(|| queue.start_next()).map(|next| next.receipt).collect();
        assert_eq!(numbers, ["0", "1", "2"]);
    }

    #[test]
    fn a_waiting_reconcile_includes_further_ones_of_its_workspace() {
        let mut queue = filled(1, &[("a", 1)]);
        let again = delivery(0, "a");
        assert_eq!(queue.push(again.clone()), Some(again.clone()));
        // A mail, and a reconcile of another workspace, are not included.
        let mail = OutboxMessage { topic: Topic::Mail, ..again.message.clone() };
        assert_eq!(queue.push(Delivery { message: mail, ..again.clone() }), None);
        assert_eq!(queue.push(delivery(1, "a")), None);
        // The first one has started, so that it may have read an older state.
        queue.start_next();
        assert_eq!(queue.push(again), None);

        // A delayed reconcile may be discarded, so it includes no other one.
        let mut queue = FairQueue::new(1);
        let delayed = OutboxMessage { payload: b"2026-01-01T00:00:00Z".to_vec(), ..delivery(0, "a").message };
        queue.push(Delivery { message: delayed, ..delivery(0, "a") });
        assert_eq!(queue.push(delivery(0, "a")), None);
    }

    #[test]
    fn the_buffer_is_bounded() {
        let mut queue = FairQueue::new(8);
        let mut received = 0;
        while queue.demand() > 0 {
            for _ in 0..queue.demand() {
                queue.push(delivery(received, "a"));
                received += 1;
            }
        }
        assert_eq!(received, MIN_CAPACITY);
        assert_eq!(FairQueue::new(1_000).capacity, 4_000);
    }

    proptest! {
        #[test]
        fn every_message_starts_and_no_slot_is_idle(
            slots in 1_usize..6,
            messages in prop::collection::vec(0_usize..4, 1..60),
            finished in prop::collection::vec(0_usize..6, 200),
        ) {
            let mut queue = FairQueue::new(slots);
            for (number, organization) in messages.iter().enumerate() {
                prop_assert_eq!(queue.push(delivery(number, &organization.to_string())), None);
            }
            let (mut running, mut started) = (Vec::new(), 0);
            for choice in finished {
                while let Some(next) = queue.start_next() {
                    running.push(next.message.organization_id);
                    started += 1;
                }
                prop_assert!(running.len() == slots || queue.len() == 0, "a slot is idle");
                if running.is_empty() {
                    break;
                }
                queue.finish(running.remove(choice % running.len()));
            }
            prop_assert_eq!(started, messages.len());
        }
    }
}
