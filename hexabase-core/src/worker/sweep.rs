use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::Halt;
use crate::changeset::{Changeset, OutboxMessage};
use crate::clock::after;
use crate::error::Result;
use crate::id::{MessageId, TypedId as _};
use crate::model::{CustomerId, WebhookEvent};
use crate::platform::Parts;
use uuid::Uuid;

/// How often to look for what is due.
const EVERY: Duration = Duration::from_secs(1);
/// How long a message that is on its way has time to arrive before the sweep sends another.
const GRACE: SignedDuration = SignedDuration::from_secs(2);
/// How many workspaces are found in one go.
const BATCH: usize = 500;
/// How often to forget what nobody needs.
const PRUNE_EVERY: u32 = 600;

/// Finds what should have been looked at and was not: messages that were lost, workers that died, and
/// whatever is far enough off that no message waits for it.
#[derive(Debug)]
pub struct Sweep<'a>(&'a Parts);

impl<'a> Sweep<'a> {
    /// A sweep of this platform.
    #[must_use]
    pub const fn new(parts: &'a Parts) -> Self {
        Self(parts)
    }

    pub(super) async fn run(&self, halt: &Halt) {
        let mut round = 0_u32;
        while !halt.is_set() {
            if let Err(error) = self.find_due().await {
                tracing::warn!(%error, "what is due could not be found");
            }
            if let Err(error) = self.hear().await {
                tracing::warn!(%error, "what the billing provider tells could not be heard");
            }
            if round.is_multiple_of(PRUNE_EVERY)
                && let Err(error) = self.prune().await
            {
                tracing::warn!(%error, "what is not needed any more could not be removed");
            }
            round = round.wrapping_add(1);
            halt.nap(self.0, EVERY).await;
        }
    }

    /// Sends a message for every workspace and every account that is overdue, and says how many that were.
    ///
    /// # Errors
    /// Whatever the store or the queue fails with; what was not found now is found next time.
    pub async fn find_due(&self) -> Result<usize> {
        let overdue = self.0.now().saturating_sub(GRACE).unwrap_or(jiff::Timestamp::MIN);
        let due = self.0.store.list_due_workspaces(overdue, BATCH).await?;
        for (organization, workspace) in &due {
            let id = self.message_id(workspace.uuid());
            let message = OutboxMessage { id, ..self.0.look(*organization, *workspace) };
            self.0.queue.publish(&message, Duration::ZERO).await?;
        }
        let accounts = self.0.store.list_due_accounts(overdue, BATCH).await?;
        for organization in &accounts {
            let id = self.message_id(organization.uuid());
            let message = OutboxMessage { id, ..self.0.look_at_account(*organization) };
            self.0.queue.publish(&message, Duration::ZERO).await?;
        }
        Ok(due.len() + accounts.len())
    }

    /// Sends a message for every account of which the billing provider has told something, and says how much it told.
    ///
    /// # Errors
    /// Whatever the store or the queue fails with; what was not heard now is heard next time.
    pub async fn hear(&self) -> Result<usize> {
        if self.0.store.list_webhook_events(1).await?.is_empty() {
            return Ok(0);
        }
        self.0.with_lease("webhooks", |_| self.hear_all()).await.map(Option::unwrap_or_default)
    }

    async fn hear_all(&self) -> Result<usize> {
        let told = self.0.store.list_webhook_events(BATCH).await?;
        let customers: BTreeSet<&CustomerId> = told.iter().map(|event| &event.customer_id).collect();
        let mut changeset = Changeset::new();
        for customer in customers {
            // Others share the provider's account with us, or an organization is gone.
            if let Some(organization) = self.0.store.find_customer(customer).await? {
                changeset = changeset.message(self.0.look_at_account(organization));
            }
        }
        let (count, heard_at) = (told.len(), Some(self.0.now()));
        for event in told {
            changeset = changeset.update(WebhookEvent { heard_at, ..event });
        }
        self.0.commit(changeset).await?;
        Ok(count)
    }

    /// One id per workspace, or organization, and half minute: while a message waits in a long queue, more of the same are
    /// dropped as repetitions.
    fn message_id(&self, about: Uuid) -> MessageId {
        let half_minute = u128::from(self.0.now().as_second().unsigned_abs() / 30);
        MessageId::from_uuid(Uuid::from_u128(about.as_u128() ^ half_minute << 64))
    }

    /// Forgets what nobody needs any more.
    ///
    /// # Errors
    /// Whatever the store fails with.
    pub async fn prune(&self) -> Result<u64> {
        let now = self.0.now();
        let kept = SignedDuration::try_from(self.0.settings.events_kept).unwrap_or(SignedDuration::MAX);
        let events_before = now.saturating_sub(kept).unwrap_or(jiff::Timestamp::MIN);
        let pruned = self.0.store.prune(now, events_before.min(after(now, Duration::ZERO))).await?;
        let kept = SignedDuration::try_from(self.0.settings.usage_kept).unwrap_or(SignedDuration::MAX);
        let usage_before = now.saturating_sub(kept).unwrap_or(jiff::Timestamp::MIN);
        Ok(pruned + self.0.store.prune_usage(usage_before).await?)
    }
}
