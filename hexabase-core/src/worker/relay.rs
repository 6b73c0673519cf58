//! [`Relay`] publishes outbox messages to the task queue.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt as _, pin_mut, select_biased};

use super::StopSignal;
use crate::changeset::OutboxMessage;
use crate::error::Result;
use crate::platform::{Platform, PlatformInner};
use crate::telemetry;

/// Maximum number of messages claimed at a time.
const OUTBOX_BATCH_SIZE: usize = 500;
/// Duration of a claim: other relays do not publish the claimed messages meanwhile.
const CLAIM_DURATION: Duration = Duration::from_secs(30);
/// Interval at which the relay checks for messages that other processes left in the outbox.
const OUTBOX_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Publishes the messages of commits from the outbox to the queue: at least once, and in the order of the commits
/// within one workspace.
#[derive(Debug)]
pub struct Relay<'a>(&'a PlatformInner);

impl<'a> Relay<'a> {
    /// Creates the relay of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    pub(super) async fn run(&self, stop_signal: &StopSignal) {
        while !stop_signal.is_set() {
            let committed = self.0.outbox.listen();
            if let Err(error) = self.publish_all(stop_signal).await {
                tracing::warn!(%error, "publishing outbox messages failed; messages stay in the outbox");
            }
            let (committed, sleep) =
                (committed.fuse(), stop_signal.sleep(self.0, OUTBOX_POLL_INTERVAL).fuse());
            pin_mut!(committed, sleep);
            select_biased! {
                () = committed => {}
                () = sleep => {}
            }
        }
    }

    /// Publishes until the outbox is empty. While batches are full, the next batch is claimed as the current one is
    /// being published.
    async fn publish_all(&self, stop_signal: &StopSignal) -> Result<()> {
        let mut batch = self.claim().await?;
        while batch.len() == OUTBOX_BATCH_SIZE && !stop_signal.is_set() {
            let (delivered, next) = futures_util::join!(self.deliver(&batch), self.claim());
            delivered?;
            batch = next?;
            if batch.len() < OUTBOX_BATCH_SIZE {
                // Claimed during the delivery of the batch before it, which held back messages of its workspaces.
                self.deliver(&batch).await?;
                batch = self.claim().await?;
            }
        }
        self.deliver(&batch).await
    }

    /// Publishes one batch of messages, and returns their number.
    ///
    /// # Errors
    /// Errors of the store or the queue; messages that were not published stay in the outbox.
    pub async fn publish(&self) -> Result<usize> {
        let messages = self.claim().await?;
        self.deliver(&messages).await?;
        Ok(messages.len())
    }

    async fn claim(&self) -> Result<Vec<OutboxMessage>> {
        self.0.store.claim_outbox(OUTBOX_BATCH_SIZE, self.0.now(), CLAIM_DURATION).await
    }

    /// Publishes messages to the queue, and removes the published ones from the outbox.
    async fn deliver(&self, messages: &[OutboxMessage]) -> Result<()> {
        let mut published = Vec::with_capacity(messages.len());
        let mut outcome = Ok(());
        for run in runs_of_distinct_workspaces(messages) {
            let publishing = run.iter().map(|message| self.0.queue.publish(message, Duration::ZERO));
            for (message, result) in run.iter().zip(join_all(publishing).await) {
                match result {
                    Ok(()) => {
                        telemetry::record_outbox_wait(message, self.0.now());
                        published.push(message.id);
                    }
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

/// Splits messages into runs in which each workspace occurs at most once. The messages of a run can be published
/// concurrently without reordering the messages of a workspace.
fn runs_of_distinct_workspaces(messages: &[OutboxMessage]) -> Vec<&[OutboxMessage]> {
    let mut runs = Vec::new();
    let (mut begin, mut seen) = (0, BTreeSet::new());
    for (index, message) in messages.iter().enumerate() {
        let Some(workspace) = message.workspace_id else { continue };
        if !seen.insert(workspace) {
            runs.push(&messages[begin..index]);
            begin = index;
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

    use super::{OUTBOX_BATCH_SIZE, Relay, StopSignal, runs_of_distinct_workspaces};
    use crate::Platform;
    use crate::changeset::{Changeset, OutboxMessage, Topic};
    use crate::fixture::{self, id};
    use crate::id::{MessageId, TypedId as _};

    fn message(number: usize, workspace: &str) -> OutboxMessage {
        OutboxMessage {
            id: MessageId::from_uuid(Uuid::from_u128(number as u128)),
            topic: Topic::Reconcile,
            organization_id: id("acme"),
            workspace_id: (!workspace.is_empty()).then(|| id(workspace)),
            payload: Vec::new(),
            trace_parent: None,
        }
    }

    #[test]
    fn messages_held_back_by_one_batch_are_published_after_it() {
        let plans = vec![fixture::plan("small")];
        let platform = Platform::builder("https://hexabase.example").with_plans(plans).build().unwrap();
        let committed = (0..OUTBOX_BATCH_SIZE * 3).map(|number| message(number, ["a", "b", ""][number % 3]));
        let changeset = committed.fold(Changeset::new(), Changeset::message);
        platform.store().commit(changeset).now_or_never().unwrap().unwrap();
        let relay = Relay::new(&platform);
        relay.publish_all(&StopSignal::default()).now_or_never().unwrap().unwrap();
        assert_eq!(platform.store().count_outbox().now_or_never().unwrap().unwrap(), 0);
        assert_eq!(platform.queue().depth().now_or_never().unwrap().unwrap(), OUTBOX_BATCH_SIZE as u64 * 3);
    }

    #[test]
    fn a_run_ends_before_a_repeated_workspace() {
        let workspaces = ["a", "b", "a", "", "b", "b"];
        let messages: Vec<_> =
            workspaces.iter().enumerate().map(|(number, workspace)| message(number, workspace)).collect();
        let lengths: Vec<_> = runs_of_distinct_workspaces(&messages).iter().map(|run| run.len()).collect();
        assert_eq!(lengths, [2, 3, 1]);
        assert_eq!(runs_of_distinct_workspaces(&[]), [&[] as &[OutboxMessage]]);
    }
}
