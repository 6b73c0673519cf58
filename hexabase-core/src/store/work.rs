use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::changeset::{OutboxMessage, Precondition};
use crate::error::Result;
use crate::id::{MessageId, OrganizationId, WorkspaceId};
use crate::model::Phase;
use crate::name::HostClusterName;

/// An exclusive, temporary right to work on something. At any time at most one holder has it, and an earlier holder
/// can no longer commit: see [`Precondition::Lease`](crate::changeset::Precondition::Lease).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Name of the resource that the lease is for.
    pub name: String,
    /// Fencing token; it increases with every acquisition.
    pub token: u64,
    /// Time at which the lease expires unless it is renewed.
    pub expires_at: Timestamp,
}

impl Lease {
    /// The precondition for commits of the holder.
    #[must_use]
    pub fn precondition(&self) -> Precondition {
        Precondition::Lease(self.name.clone(), self.token)
    }
}

/// Times before which records are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneCutoffs {
    /// Current time, for records that carry their own expiry: responses of idempotent requests, and sessions with
    /// their refresh tokens.
    pub now: Timestamp,
    /// Time for live events and webhook events, for sessions that were revoked, and for leases that expired.
    pub events: Timestamp,
    /// Time for security events.
    pub security_events: Timestamp,
    /// Time for tasks, by the time at which they finished.
    pub tasks: Timestamp,
    /// Time for the audit log; `None` keeps it.
    pub audit_events: Option<Timestamp>,
    /// Time for the hours of usage, usage reports and metered hours.
    pub usage: Timestamp,
}

/// Workspaces of a host cluster that are in the same phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseCount {
    /// Host cluster of the workspaces.
    pub host_cluster: HostClusterName,
    /// Phase of the workspaces.
    pub phase: Phase,
    /// Number of the workspaces.
    pub workspaces: u32,
    /// Earliest [`unconverged_since`](crate::model::Workspace::unconverged_since) of the workspaces; `None` if none has one.
    pub unconverged_since: Option<Timestamp>,
}

/// Storage for workers: outbox messages, leases and due workspaces.
#[async_trait]
pub trait WorkStore: Send + Sync {
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

    /// Acquires a lease; `None` while another holder has it.
    ///
    /// # Behaviour
    /// - Any holder can acquire a lease that has expired.
    /// - The current holder can acquire the lease again; this increases the token too.
    /// - The tokens of one name always increase, also after a release.
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

    /// Extends a lease that still has its token.
    ///
    /// # Behaviour
    /// - Returns `false` and changes nothing if the lease has been acquired again since.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool>;

    /// Releases a lease that still has its token.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;

    /// Lists the leases that are held, ordered by name, at most `limit`.
    ///
    /// # Behaviour
    /// - Leases that were released or have expired at `now` are not included.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>>;

    /// Lists the workspaces that are due for a reconcile at `now`, the most overdue first, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>>;

    /// Makes every workspace on a host cluster due for a reconcile, for a host cluster that may have lost applied
    /// state. Returns the number of workspaces.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64>;

    /// Counts the workspaces of each host cluster; host clusters without workspaces are not included.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>>;

    /// Counts the workspaces of each host cluster and phase, in no particular order; combinations without workspaces are
    /// not included.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count_by_phase(&self) -> Result<Vec<PhaseCount>>;

    /// Deletes records that are no longer needed, at most `limit` of each kind, and returns the number
    /// of deleted records.
    ///
    /// # Behaviour
    /// - A call that deletes no record means that none is left.
    /// - Tasks that have not finished stay.
    /// - A store may refuse to delete audit events of the last 30 days, whatever the cutoff is.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64>;
}
