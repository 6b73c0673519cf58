//! The task queue in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use event_listener::Event;
use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::{
    DEFAULT_MAX_DELIVERIES, DEFAULT_VISIBILITY, DeadLetter, Delivery, DeliveryPolicy, NEVER_ACKNOWLEDGED,
    TaskQueue,
};
use crate::changeset::OutboxMessage;
use crate::clock::{Clock, after, until};
use crate::error::Result;
use crate::id::MessageId;

/// Time for which a message id is remembered to drop duplicates.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Maximum number of dead letters; beyond it the oldest one is dropped.
const MAX_DEAD_LETTERS: usize = 10_000;

/// A [`TaskQueue`] in memory. Its messages are lost when the process ends; the periodic resync finds the work that
/// they were about.
#[derive(Debug)]
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    arrived: Event,
    visibility: Duration,
    max_deliveries: u32,
}

#[derive(Debug, Default)]
struct State {
    messages: BTreeMap<MessageId, QueuedMessage>,
    /// Next delivery time of each message.
    order: BTreeSet<(Timestamp, MessageId)>,
    dead_letters: BTreeMap<MessageId, DeadLetter>,
    recent: BTreeSet<(Timestamp, MessageId)>,
    seen: BTreeSet<MessageId>,
}

#[derive(Debug)]
struct QueuedMessage {
    message: OutboxMessage,
    attempts: u32,
    published_at: Timestamp,
    visible_at: Timestamp,
}

impl State {
    fn schedule(&mut self, id: MessageId, at: Timestamp) {
        if let Some(entry) = self.messages.get_mut(&id) {
            self.order.remove(&(entry.visible_at, id));
            entry.visible_at = at;
            self.order.insert((at, id));
        }
    }

    fn remove(&mut self, id: MessageId) -> Option<QueuedMessage> {
        let entry = self.messages.remove(&id)?;
        self.order.remove(&(entry.visible_at, id));
        Some(entry)
    }

    /// Turns a message into a dead letter.
    fn dead_letter(&mut self, id: MessageId, reason: &str, at: Timestamp) {
        if let Some(entry) = self.remove(id) {
            let (attempts, reason) = (entry.attempts, reason.to_owned());
            self.dead_letters.insert(id, DeadLetter { message: entry.message, attempts, reason, at });
            while self.dead_letters.len() > MAX_DEAD_LETTERS {
                self.dead_letters.pop_first();
            }
        }
    }

    fn add(&mut self, message: OutboxMessage, published_at: Timestamp, visible_at: Timestamp) {
        let id = message.id;
        self.order.insert((visible_at, id));
        self.messages.insert(id, QueuedMessage { message, attempts: 0, published_at, visible_at });
    }

    /// `true` if this id was seen within the window; remembers the id otherwise.
    fn is_repetition(&mut self, id: MessageId, now: Timestamp) -> bool {
        while let Some((forget_at, old)) = self.recent.first().copied() {
            if forget_at > now {
                break;
            }
            self.recent.pop_first();
            self.seen.remove(&old);
        }
        if !self.seen.insert(id) {
            return true;
        }
        self.recent.insert((after(now, DUPLICATE_WINDOW), id));
        false
    }

    /// `true` if the delivery is still the current one of its message.
    fn is_current(&self, delivery: &Delivery) -> bool {
        self.messages.get(&delivery.message.id).is_some_and(|entry| entry.attempts == delivery.attempt)
    }
}

impl MemoryQueue {
    /// Creates an empty queue that uses this clock, with a visibility of 30 s and at most 20 deliveries.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            arrived: Event::new(),
            visibility: DEFAULT_VISIBILITY,
            max_deliveries: DEFAULT_MAX_DELIVERIES,
        }
    }

    /// Sets the visibility and the maximum number of deliveries.
    #[must_use]
    pub fn with_delivery(mut self, visibility: Duration, max_deliveries: u32) -> Self {
        self.visibility = visibility;
        self.max_deliveries = max_deliveries;
        self
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the messages that can be delivered now, and returns the time of the next delivery.
    fn take_visible(&self, limit: usize) -> (Vec<Delivery>, Option<Timestamp>) {
        let now = self.clock.now();
        let mut state = self.lock();
        let due: Vec<MessageId> =
            state.order.iter().take_while(|(at, _)| *at <= now).take(limit).map(|(_, id)| *id).collect();
        let mut deliveries = Vec::with_capacity(due.len());
        for id in due {
            if state.messages.get(&id).is_some_and(|entry| entry.attempts >= self.max_deliveries) {
                state.dead_letter(id, NEVER_ACKNOWLEDGED, now);
                continue;
            }
            state.schedule(id, after(now, self.visibility));
            let Some(entry) = state.messages.get_mut(&id) else { continue };
            entry.attempts += 1;
            let receipt = format!("{id}/{}", entry.attempts);
            deliveries.push(Delivery { message: entry.message.clone(), attempt: entry.attempts, receipt });
        }
        let next = state.order.first().map(|(at, _)| *at);
        (deliveries, next)
    }
}

#[async_trait]
impl TaskQueue for MemoryQueue {
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()> {
        let now = self.clock.now();
        {
            let mut state = self.lock();
            if state.is_repetition(message.id, now) {
                return Ok(());
            }
            state.add(message.clone(), now, after(now, delay));
        }
        self.arrived.notify(usize::MAX);
        Ok(())
    }

    async fn receive(&self, limit: usize, max_wait: Duration) -> Result<Vec<Delivery>> {
        let deadline = after(self.clock.now(), max_wait);
        loop {
            let arrived = self.arrived.listen();
            let (deliveries, next) = self.take_visible(limit);
            let now = self.clock.now();
            if !deliveries.is_empty() || now >= deadline {
                return Ok(deliveries);
            }
            let next_check = next.map_or(deadline, |next| next.min(deadline));
            let timer = self.clock.sleep(until(now, next_check));
            futures_util::select_biased! {
                () = arrived.fuse() => {}
                () = timer.fuse() => {}
            }
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<()> {
        let mut state = self.lock();
        if state.is_current(delivery) {
            state.remove(delivery.message.id);
        }
        Ok(())
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()> {
        let now = self.clock.now();
        {
            let mut state = self.lock();
            if !state.is_current(delivery) {
                return Ok(());
            }
            if delivery.attempt < self.max_deliveries {
                state.schedule(delivery.message.id, after(now, delay));
            } else {
                state.dead_letter(delivery.message.id, reason, now);
            }
        }
        self.arrived.notify(usize::MAX);
        Ok(())
    }

    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        let now = self.clock.now();
        let mut state = self.lock();
        if state.is_current(delivery) {
            state.dead_letter(delivery.message.id, reason, now);
        }
        Ok(())
    }

    async fn extend_visibility(&self, delivery: &Delivery) -> Result<()> {
        let until = after(self.clock.now(), self.visibility);
        let mut state = self.lock();
        if state.is_current(delivery) {
            state.schedule(delivery.message.id, until);
        }
        Ok(())
    }

    fn delivery_policy(&self) -> DeliveryPolicy {
        DeliveryPolicy { visibility: self.visibility, max_deliveries: self.max_deliveries }
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        Ok(self.lock().dead_letters.values().take(limit).cloned().collect())
    }

    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool> {
        let now = self.clock.now();
        {
            let mut state = self.lock();
            let Some(letter) = state.dead_letters.remove(&id) else { return Ok(false) };
            state.add(letter.message, now, now);
        }
        self.arrived.notify(usize::MAX);
        Ok(true)
    }

    async fn depth(&self) -> Result<u64> {
        Ok(self.lock().messages.len() as u64)
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        Ok(self.lock().messages.values().map(|entry| entry.published_at).min())
    }

    async fn count_dead_letters(&self) -> Result<u64> {
        Ok(self.lock().dead_letters.len() as u64)
    }
}
