//! The seam to asynchronous work.

pub mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use memory::MemoryQueue;

use crate::changeset::OutboxMessage;
use crate::error::Result;
use crate::id::MessageId;

/// How long a queue that was told nothing else leaves a message with whoever took it.
pub const VISIBILITY: Duration = Duration::from_secs(30);
/// How often such a queue delivers a message before it becomes a dead letter.
pub const MAX_DELIVERIES: u32 = 20;
/// The reason of dead letters of which nobody ever said what was wrong.
pub const NEVER_SETTLED: &str = "whoever took it never said how it went: perhaps it kills its workers";

/// At-least-once delivery of messages to workers.
///
/// A message may come twice, late, or after a younger one; it only ever means "look". What was received
/// must be acknowledged within [`TaskQueue::visibility`], or it comes again.
#[async_trait]
pub trait TaskQueue: fmt::Debug + Send + Sync + 'static {
    /// Puts a message in the queue, to be delivered after `delay`.
    ///
    /// # Behaviour
    /// - A message with an id that was published a short while ago is dropped: publishing again is harmless.
    ///
    /// # Errors
    /// `Unavailable`; the message may or may not be in the queue then, so publish it again.
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()>;

    /// Takes up to `limit` messages, waiting up to `patience` for the first one.
    ///
    /// # Behaviour
    /// - While a message is out, nobody else gets it, until its visibility has passed.
    /// - With nothing to deliver the answer is empty.
    /// - A message that was delivered as often as it may be, and never settled, becomes a dead letter instead of
    ///   being delivered once more: whoever takes it dies of it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn receive(&self, limit: usize, patience: Duration) -> Result<Vec<Delivery>>;

    /// Says that a message was dealt with; it does not come again.
    ///
    /// # Behaviour
    /// - Acknowledging twice, or too late, is not an error.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ack(&self, delivery: &Delivery) -> Result<()>;

    /// Gives a message back, to come again after `delay`, or to become a dead letter once it was delivered
    /// [`TaskQueue::max_deliveries`] times.
    ///
    /// # Behaviour
    /// - A message that was delivered as often as it may be becomes a dead letter with `reason`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()>;

    /// Says that work on a message goes on: its visibility begins anew.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn keep(&self, delivery: &Delivery) -> Result<()>;

    /// How long a received message stays out of everybody else's sight.
    fn visibility(&self) -> Duration;

    /// How often a message is delivered before it becomes a dead letter.
    fn max_deliveries(&self) -> u32;

    /// Messages that were given up, oldest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Puts a dead letter back in the queue; says whether there was one.
    ///
    /// # Behaviour
    /// - It comes again as if it had never been delivered.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool>;

    /// How many messages wait or are out, dead letters not counted.
    ///
    /// # Errors
    /// `Unavailable` when the queue does not answer.
    async fn depth(&self) -> Result<u64>;
}

/// A message on loan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: OutboxMessage,
    /// The how-manieth delivery this is, from 1.
    pub attempt: u32,
    /// What the queue recognises this delivery by.
    pub receipt: String,
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The message.
    pub message: OutboxMessage,
    /// How often it was delivered.
    pub attempts: u32,
    /// Why the last delivery failed.
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
}
