//! [`Requeue`]: whether and when a reconcile is repeated, with the reason.

use jiff::Timestamp;

use crate::error::Error;
use crate::lifecycle::{Assessment, ReconcileOutcome};

/// Time of the next reconcile of a workspace or billing account, with the reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// No further reconcile: nothing is left to wait for, or the workspace or account does not exist.
    Never,
    /// At this time, unless an earlier reconcile reschedules it.
    At(Timestamp, RequeueReason),
    /// Soon: another worker holds the lease, the data kept changing, or a part of the work is left. The other worker may
    /// have started before the change that this reconcile is about.
    Soon(RequeueReason),
}

/// Reason for which a message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequeueReason {
    /// The reconcile waits for the host or the tenant.
    Waiting,
    /// The next regular reconcile, or the rest of a large one.
    Scheduled,
    /// The work failed, and is repeated with back-off.
    Failed,
    /// Another worker holds the lease.
    Busy,
    /// The data kept changing during the reconcile.
    Conflict,
    /// Another worker acquired the lease during the reconcile.
    LeaseLost,
    /// The worker stopped before it processed the message.
    Draining,
}

impl RequeueReason {
    /// Returns the reason as a label of a metric.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scheduled => "scheduled",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::Conflict => "conflict",
            Self::LeaseLost => "lease_lost",
            Self::Draining => "draining",
        }
    }

    /// Reason for the next reconcile of a workspace.
    pub(super) fn after(outcome: &ReconcileOutcome, assessment: &Assessment) -> Self {
        match (&outcome.error, assessment.workspace.status.waiting) {
            (Some(_), _) => Self::Failed,
            (None, Some(_)) => Self::Waiting,
            (None, None) => Self::Scheduled,
        }
    }

    /// Reason for which a message is returned to the queue after an error.
    pub(super) fn after_error(error: &Error) -> Self {
        // Reconciles repeat other conflicts themselves.
        if error.is_version_conflict() { Self::LeaseLost } else { Self::Failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{FIXTURE_TIME, workspace};
    use crate::model::{OngoingWait, WaitReason};

    #[test]
    fn the_reason_of_the_next_reconcile_is_a_failure_before_a_wait() {
        let reason = |waiting: bool, error: bool| {
            let mut workspace = workspace("dev");
            let wait = OngoingWait { reason: WaitReason::VolumePending, since: FIXTURE_TIME };
            workspace.status.waiting = waiting.then_some(wait);
            let error = error.then(|| Error::unavailable("the host does not respond"));
            let outcome = ReconcileOutcome { error, ..ReconcileOutcome::default() };
            RequeueReason::after(&outcome, &Assessment { workspace, gone: false })
        };
        let reasons = [(false, false), (true, false), (false, true), (true, true)];
        let expected =
            [RequeueReason::Scheduled, RequeueReason::Waiting, RequeueReason::Failed, RequeueReason::Failed];
        assert_eq!(reasons.map(|(waiting, error)| reason(waiting, error)), expected);
    }

    #[test]
    fn a_conflict_that_no_reconcile_repeats_is_a_lost_lease() {
        assert_eq!(RequeueReason::after_error(&Error::version_conflict("lease")), RequeueReason::LeaseLost);
        assert_eq!(RequeueReason::after_error(&Error::unavailable("no database")), RequeueReason::Failed);
    }
}
