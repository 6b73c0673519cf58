use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::Phase;
use crate::name::HostClusterName;
use crate::store::decorator::store_part;

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

store_part! {
    /// Due workspaces and old records, for workers.
    pub trait WorkStore {

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
}
