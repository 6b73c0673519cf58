use std::time::Duration;

use futures_util::{FutureExt as _, pin_mut, select_biased};

use super::Halt;
use crate::error::Result;
use crate::platform::Parts;

/// How many messages are published in one go.
const BATCH: usize = 100;
/// How long others leave alone what this relay is publishing.
const HOLD: Duration = Duration::from_secs(30);
/// How often to look for messages that other processes left behind.
const POLL: Duration = Duration::from_millis(500);

/// Publishes what commits left in the outbox: at least once, and in the order of the commits as far as one
/// workspace is concerned.
#[derive(Debug)]
pub struct Relay<'a>(&'a Parts);

impl<'a> Relay<'a> {
    /// A relay of this platform.
    #[must_use]
    pub const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    pub(super) async fn run(&self, halt: &Halt<'_>) {
        while !halt.is_set() {
            let left = self.0.outbox.listen();
            match self.publish().await {
                Ok(BATCH..) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "messages stay in the outbox for now"),
            }
            let (left, nap) = (left.fuse(), halt.nap(self.0, POLL).fuse());
            pin_mut!(left, nap);
            select_biased! {
                () = left => {}
                () = nap => {}
            }
        }
    }

    /// Publishes what there is, and says how many messages that were.
    ///
    /// # Errors
    /// Whatever the store or the queue fails with; what was not published stays in the outbox.
    pub async fn publish(&self) -> Result<usize> {
        let messages = self.0.store.claim_outbox(BATCH, self.0.now(), HOLD).await?;
        let mut published = Vec::with_capacity(messages.len());
        let mut outcome = Ok(messages.len());
        for message in &messages {
            if let Err(error) = self.0.queue.publish(message, Duration::ZERO).await {
                outcome = Err(error);
                break;
            }
            published.push(message.id);
        }
        if !published.is_empty() {
            self.0.store.finish_outbox(&published).await?;
        }
        outcome
    }
}
