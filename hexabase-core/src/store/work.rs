use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::changeset::{Guard, OutboxMessage};
use crate::error::Result;
use crate::id::{MessageId, OrganizationId, WorkspaceId};
use crate::name::HostClusterName;

/// The right to work on something for a while. At any moment at most one holder has it, and whoever held it
/// before cannot commit any more: see [`Guard::Lease`](crate::changeset::Guard::Lease).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// On what.
    pub name: String,
    /// The fencing token: it grows with every acquisition.
    pub token: u64,
    /// Until when, unless it is renewed.
    pub expires_at: Timestamp,
}

impl Lease {
    /// What must still hold when its holder commits.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard::Lease(self.name.clone(), self.token)
    }
}

/// What the workers need: messages to publish, leases, and what is due.
#[async_trait]
pub trait WorkStore: Send + Sync {
    /// Takes the oldest messages that nobody else is publishing, at most `limit`, for as long as `hold`.
    ///
    /// # Behaviour
    /// - Messages come in the order of their ids.
    /// - A message that was claimed is not claimed again before `hold` has passed.
    /// - Nor is a later message of the same workspace, so that messages of one workspace leave in order.
    /// - A message stays until [`Self::finish_outbox`] removes it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn claim_outbox(&self, limit: usize, now: Timestamp, hold: Duration) -> Result<Vec<OutboxMessage>>;

    /// Removes messages that were published.
    ///
    /// # Behaviour
    /// - Messages that are gone already are not an error.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()>;

    /// How many messages wait to be published.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_outbox(&self) -> Result<u64>;

    /// Acquires a lease, or answers `None` while somebody else holds it.
    ///
    /// # Behaviour
    /// - A lease that has expired can be acquired by anyone.
    /// - Whoever holds a lease can acquire it again; the token grows all the same.
    /// - Tokens of one name only ever grow, also after a release.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>>;

    /// Prolongs a lease that is still held with its token.
    ///
    /// # Behaviour
    /// - Answers false when somebody else has acquired it since, and changes nothing.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool>;

    /// Gives a lease back, if it is still held with its token.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;

    /// The leases that somebody holds, in the order of their names, at most `limit`.
    ///
    /// # Behaviour
    /// - Those that were released or have run out by `now` are left out.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>>;

    /// Workspaces that should have been looked at by `now`, the most overdue first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>>;

    /// Makes every workspace on a host cluster due, for a cluster that may have forgotten what it was told.
    /// Answers how many.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64>;

    /// How many workspaces each host cluster carries; those that carry none are left out.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>>;

    /// Forgets what nobody needs any more: expired replies, sessions that are over with their refresh
    /// tokens, and events and leases that ended before `events_before`. Answers how many records.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prune(&self, now: Timestamp, events_before: Timestamp) -> Result<u64>;
}
