use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, pin_mut, select_biased};

use super::Halt;
use crate::changeset::OutboxMessage;
use crate::error::Result;
use crate::platform::Parts;

/// How many messages are published in one go.
const BATCH: usize = 500;
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

    pub(super) async fn run(&self, halt: &Halt) {
        while !halt.is_set() {
            let left = self.0.outbox.listen();
            if let Err(error) = self.publish_all(halt).await {
                tracing::warn!(%error, "messages stay in the outbox for now");
            }
            let (left, nap) = (left.fuse(), halt.nap(self.0, POLL).fuse());
            pin_mut!(left, nap);
            select_biased! {
                () = left => {}
                () = nap => {}
            }
        }
    }

    /// Publishes until nothing is left. While there is much, the next batch is claimed as one is being published.
    async fn publish_all(&self, halt: &Halt) -> Result<()> {
        let mut batch = self.claim().await?;
        while batch.len() == BATCH && !halt.is_set() {
            let (delivered, next) = futures_util::join!(self.deliver(&batch), self.claim());
            delivered?;
            batch = next?;
            if batch.len() < BATCH {
                // The batch before it held back what follows in the same workspaces.
                self.deliver(&batch).await?;
                batch = self.claim().await?;
            }
        }
        self.deliver(&batch).await
    }

    /// Publishes what there is, and says how many messages that were.
    ///
    /// # Errors
    /// Whatever the store or the queue fails with; what was not published stays in the outbox.
    pub async fn publish(&self) -> Result<usize> {
        let messages = self.claim().await?;
        self.deliver(&messages).await?;
        Ok(messages.len())
    }

    async fn claim(&self) -> Result<Vec<OutboxMessage>> {
        self.0.store.claim_outbox(BATCH, self.0.now(), HOLD).await
    }

    /// Brings messages to the queue, and takes those out of the outbox that got there.
    async fn deliver(&self, messages: &[OutboxMessage]) -> Result<()> {
        let mut published = Vec::with_capacity(messages.len());
        let mut outcome = Ok(());
        for together in without_repetition(messages) {
            let publishing = together.iter().map(|message| self.0.queue.publish(message, Duration::ZERO));
            for (message, done) in together.iter().zip(join_all(publishing).await) {
                match done {
                    Ok(()) => published.push(message.id),
                    Err(error) => outcome = Err(error),
                }
            }
            if outcome.is_err() {
                break;
            }
        }
        if !published.is_empty() {
            self.0.store.finish_outbox(&published).await?;
        }
        outcome
    }
}

/// The messages in runs, in none of which a workspace comes twice: a run can be published all at once without
/// getting the messages of a workspace out of order.
fn without_repetition(messages: &[OutboxMessage]) -> Vec<&[OutboxMessage]> {
    let mut runs = Vec::new();
    let (mut begin, mut seen) = (0, BTreeSet::new());
    for (place, message) in messages.iter().enumerate() {
        let Some(workspace) = message.workspace_id else { continue };
        if !seen.insert(workspace) {
            runs.push(&messages[begin..place]);
            begin = place;
            seen = BTreeSet::from([workspace]);
        }
    }
    runs.push(&messages[begin..]);
    runs
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::{BATCH, Halt, Relay, without_repetition};
    use crate::Platform;
    use crate::changeset::{Changeset, OutboxMessage, Topic};
    use crate::fixture::{self, id};
    use crate::id::{MessageId, TypedId as _};

    fn message(number: usize, place: &str) -> OutboxMessage {
        OutboxMessage {
            id: MessageId::from_uuid(Uuid::from_u128(number as u128)),
            topic: Topic::Look,
            organization_id: id("acme"),
            workspace_id: (!place.is_empty()).then(|| id(place)),
            payload: Vec::new(),
        }
    }

    #[test]
    fn what_one_batch_holds_back_is_published_after_it() {
        let plans = vec![fixture::plan("small")];
        let platform = Platform::builder("https://hexabase.example").with_plans(plans).build().unwrap();
        let committed = (0..BATCH * 3).map(|number| message(number, ["a", "b", ""][number % 3]));
        let changeset = committed.fold(Changeset::new(), Changeset::message);
        platform.store().commit(changeset).now_or_never().unwrap().unwrap();
        let relay = Relay::new(&platform);
        relay.publish_all(&Halt::default()).now_or_never().unwrap().unwrap();
        assert_eq!(platform.store().count_outbox().now_or_never().unwrap().unwrap(), 0);
        assert_eq!(platform.queue().depth().now_or_never().unwrap().unwrap(), BATCH as u64 * 3);
    }

    #[test]
    fn a_run_ends_where_a_workspace_comes_again() {
        let places = ["a", "b", "a", "", "b", "b"];
        let messages: Vec<_> =
            places.iter().enumerate().map(|(number, place)| message(number, place)).collect();
        let lengths: Vec<_> = without_repetition(&messages).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [2, 3, 1]);
        assert_eq!(without_repetition(&[]), [&[] as &[OutboxMessage]]);
    }
}
