use std::time::Duration;

use jiff::Timestamp;

use crate::changeset::OutboxMessage;
use crate::error::Result;
use crate::id::MessageId;
use crate::store::decorator::store_part;

store_part! {
    /// Outbox messages, which relays publish.
    pub trait OutboxStore {
        /// Claims the oldest messages that no other worker has claimed, at most `limit`, for `claim_ttl`.
        ///
        /// # Behaviour
        /// - Messages are ordered by id.
        /// - A claimed message is not claimed again before `claim_ttl` has passed.
        /// - While a message is claimed, later messages of the same workspace are not claimed, so messages of one
        ///   workspace are published in order.
        /// - A message stays in the outbox until [`Self::finish_outbox`] removes it.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn claim_outbox(
            &self,
            limit: usize,
            now: Timestamp,
            claim_ttl: Duration,
        ) -> Result<Vec<OutboxMessage>>;

        /// Removes published messages.
        ///
        /// # Behaviour
        /// - Messages that were already removed are not an error.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()>;

        /// Returns the number of messages that are not yet published.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn count_outbox(&self) -> Result<u64>;

        /// Returns the id of the oldest message that is not yet published; `None` if there is none.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn oldest_in_outbox(&self) -> Result<Option<MessageId>>;
    }
}
