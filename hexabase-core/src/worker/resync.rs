//! [`Resync`] re-queues workspaces and accounts whose reconcile is overdue.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::StopSignal;
use crate::changeset::{Changeset, OutboxMessage};
use crate::error::Result;
use crate::id::{MessageId, TypedId as _};
use crate::model::{CustomerId, WebhookEvent};
use crate::platform::{Platform, PlatformInner};
use crate::telemetry;
use uuid::Uuid;

/// Interval between two searches for overdue reconciles.
const RESYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Time that a scheduled message has to arrive before the resync sends another one.
const DELIVERY_GRACE_PERIOD: SignedDuration = SignedDuration::from_secs(2);
/// Maximum number of workspaces, accounts or webhook events per search.
const RESYNC_BATCH_SIZE: usize = 500;

/// Finds reconciles that are overdue because a message was lost or a worker died, and those that are too far off for a
/// delayed message. Also requeues accounts after webhooks.
#[derive(Debug)]
pub struct Resync<'a>(&'a PlatformInner);

impl<'a> Resync<'a> {
    /// Creates the resync of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    pub(super) async fn run(&self, stop_signal: &StopSignal) {
        while !stop_signal.is_set() {
            if let Err(error) = self.requeue_overdue().await {
                tracing::warn!(%error, "resync query failed; repeated at the next interval");
            }
            if let Err(error) = self.process_webhooks().await {
                tracing::warn!(%error, "processing billing webhooks failed; repeated at the next interval");
            }
            stop_signal.sleep(self.0, RESYNC_INTERVAL).await;
        }
    }

    /// Publishes a message for every overdue workspace and account, and returns the number of messages.
    ///
    /// # Errors
    /// Errors of the store or the queue; the next call finds the remaining ones.
    pub async fn requeue_overdue(&self) -> Result<usize> {
        let overdue = self.0.now().saturating_sub(DELIVERY_GRACE_PERIOD).unwrap_or(jiff::Timestamp::MIN);
        let due = self.0.store.list_due_workspaces(overdue, RESYNC_BATCH_SIZE).await?;
        for (organization, workspace) in &due {
            let id = self.message_id(workspace.uuid());
            let message = OutboxMessage { id, ..self.0.reconcile_message(*organization, *workspace) };
            self.0.queue.publish(&message, Duration::ZERO).await?;
        }
        let accounts = self.0.store.list_due_accounts(overdue, RESYNC_BATCH_SIZE).await?;
        for organization in &accounts {
            let id = self.message_id(organization.uuid());
            let message = OutboxMessage { id, ..self.0.account_reconcile_message(*organization) };
            self.0.queue.publish(&message, Duration::ZERO).await?;
        }
        Ok(due.len() + accounts.len())
    }

    /// Requests a reconcile of every account with unprocessed webhook events, and returns the number of events
    /// processed. Does nothing while another worker processes them.
    ///
    /// # Errors
    /// Errors of the store; the next call processes the remaining ones.
    pub async fn process_webhooks(&self) -> Result<usize> {
        if self.0.store.list_webhook_events(1).await?.is_empty() {
            return Ok(0);
        }
        self.0.with_lease("webhooks", |_| self.process_webhook_batch()).await.map(Option::unwrap_or_default)
    }

    async fn process_webhook_batch(&self) -> Result<usize> {
        let events = self.0.store.list_webhook_events(RESYNC_BATCH_SIZE).await?;
        let customers: BTreeSet<&CustomerId> = events.iter().map(|event| &event.customer_id).collect();
        let mut changeset = Changeset::new();
        for customer in customers {
            // Unknown customers: the provider account is shared with other systems, or the organization was deleted.
            if let Some(organization) = self.0.store.find_customer(customer).await? {
                changeset = changeset.message(self.0.account_reconcile_message(organization));
            }
        }
        let (count, now) = (events.len(), self.0.now());
        let received: Vec<_> = events.iter().map(|event| event.received_at).collect();
        for event in events {
            changeset = changeset.update(WebhookEvent { processed_at: Some(now), ..event });
        }
        self.0.commit(changeset).await?;
        received.into_iter().for_each(|received_at| telemetry::record_webhook_wait(received_at, now));
        Ok(count)
    }

    /// Message id of a workspace or organization in the current half minute: while a message waits in a long queue,
    /// the queue drops repetitions of it.
    fn message_id(&self, subject: Uuid) -> MessageId {
        let half_minute = u128::from(self.0.now().as_second().unsigned_abs() / 30);
        MessageId::from_uuid(Uuid::from_u128(subject.as_u128() ^ half_minute << 64))
    }
}
