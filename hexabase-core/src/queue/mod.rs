//! The extension point for asynchronous work.

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

/// Default time for which a received message stays invisible to other workers.
pub const DEFAULT_VISIBILITY: Duration = Duration::from_secs(30);
/// Default number of deliveries before a message becomes a dead letter.
pub const DEFAULT_MAX_DELIVERIES: u32 = 20;
/// Reason of a dead letter that no worker acknowledged or returned.
pub const NEVER_ACKNOWLEDGED: &str =
    "no worker acknowledged or returned the message; it may crash its workers";

/// At-least-once delivery of messages to workers.
///
/// A message may arrive twice, late, or after a newer one; receivers treat it only as a request to reconcile. A
/// received message must be acknowledged within [`DeliveryPolicy::visibility`], or it is delivered again.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait TaskQueue: fmt::Debug + Send + Sync + 'static {
    /// Adds a message to the queue, to be delivered after `delay`.
    ///
    /// # Behaviour
    /// - A message with an id that was published recently is dropped, so publishing again is harmless.
    ///
    /// # Errors
    /// `Unavailable`; the message may or may not be in the queue, so publish it again.
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()>;

    /// Receives up to `limit` messages, waiting up to `max_wait` for the first one.
    ///
    /// # Behaviour
    /// - A received message is invisible to other workers until its visibility has passed.
    /// - Returns an empty list if there is no message to deliver.
    /// - A message that was delivered [`DeliveryPolicy::max_deliveries`] times and never acknowledged or returned becomes a
    ///   dead letter instead of being delivered again, because it may crash its workers.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn receive(&self, limit: usize, max_wait: Duration) -> Result<Vec<Delivery>>;

    /// Acknowledges a message that was processed; it is not delivered again.
    ///
    /// # Behaviour
    /// - Acknowledging twice or too late is not an error.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ack(&self, delivery: &Delivery) -> Result<()>;

    /// Returns a message to the queue, to be delivered again after `delay`.
    ///
    /// # Behaviour
    /// - A message that was delivered [`DeliveryPolicy::max_deliveries`] times becomes a dead letter with `reason`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()>;

    /// Turns a received message into a dead letter with `reason` at once, because no further delivery can succeed.
    ///
    /// # Behaviour
    /// - The message is not delivered again, unless the dead letter is retried.
    ///
    /// # Errors
    /// `Unavailable`; the message is delivered again.
    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<()>;

    /// Extends the visibility of a message that is still being processed: it starts again from now.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn extend_visibility(&self, delivery: &Delivery) -> Result<()>;

    /// Returns the times and numbers that apply to every delivery.
    fn delivery_policy(&self) -> DeliveryPolicy;

    /// Lists the dead letters, oldest first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>>;

    /// Returns a dead letter to the queue; returns `true` if there was one.
    ///
    /// # Behaviour
    /// - The message is delivered as if it had never been delivered before.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool>;

    /// Returns the number of messages that wait for delivery or are being processed, without dead letters.
    ///
    /// # Errors
    /// `Unavailable` if the queue does not respond.
    async fn depth(&self) -> Result<u64>;

    /// Returns the time at which the oldest of the messages that [`Self::depth`] counts was published; `None` if there is
    /// none.
    ///
    /// # Behaviour
    /// - The delay of a delayed message counts from its publication.
    ///
    /// # Errors
    /// `Unavailable` if the queue does not respond.
    async fn oldest(&self) -> Result<Option<Timestamp>>;

    /// Returns the number of dead letters.
    ///
    /// # Errors
    /// `Unavailable` if the queue does not respond.
    async fn count_dead_letters(&self) -> Result<u64>;
}

/// Times and numbers that apply to every delivery of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Time for which a received message stays invisible to other workers.
    pub visibility: Duration,
    /// Number of deliveries before a message becomes a dead letter.
    pub max_deliveries: u32,
}

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: OutboxMessage,
    /// Number of this delivery of the message, starting at 1.
    pub attempt: u32,
    /// The queue's handle for this delivery.
    pub receipt: String,
}

/// A message that is no longer delivered, because its deliveries failed too often or none can succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The message.
    pub message: OutboxMessage,
    /// Number of deliveries.
    pub attempts: u32,
    /// Reason of the last failure.
    pub reason: String,
    /// Time at which the message became a dead letter.
    pub at: Timestamp,
}
