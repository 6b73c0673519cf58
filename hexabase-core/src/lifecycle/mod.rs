//! Lifecycle of a workspace: the next operation on its cluster, and the status that follows from a reconcile. Pure
//! functions; the reconciler executes their decisions.

mod assess;
mod progress;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wait_tests;

use jiff::Timestamp;

pub use assess::{Assessment, ReconcileIntervals, ReconcileOutcome, assess};
pub use progress::{Progress, advance_task, can_retry, new_task, steps_of, supersede, supersedes};

use crate::model::{AccessRevocation, Phase, Power, Workspace};
use crate::provisioner::ControlPlaneState;

/// Target state of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Running.
    Run,
    /// Suspended.
    Suspend,
    /// Deleted.
    Remove,
}

/// Returns the target state of a workspace.
#[must_use]
pub const fn intent(workspace: &Workspace) -> Intent {
    let imposed = workspace.organization_suspended || workspace.suspension_reason.is_some();
    match (workspace.deletion_requested_at, workspace.power) {
        (Some(_), _) => Intent::Remove,
        (None, Power::Running) if !imposed => Intent::Run,
        (None, Power::Suspended | Power::Running) => Intent::Suspend,
    }
}

/// Operation of a reconcile on a [`ClusterProvisioner`](crate::provisioner::ClusterProvisioner).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Apply the desired state.
    Apply,
    /// Resume the cluster, then apply the desired state.
    ResumeAndApply,
    /// Suspend the cluster.
    Suspend,
    /// Delete the cluster.
    Delete,
    /// No operation: the target state is reached, or a deletion must end first.
    Nothing,
}

/// Returns the next operation on a workspace whose control plane is in the observed state.
#[must_use]
pub fn next_operation(workspace: &Workspace, observed: &ControlPlaneState) -> Operation {
    use ControlPlaneState as State;
    match (intent(workspace), observed) {
        (Intent::Remove, State::Absent) => Operation::Nothing,
        // Repeated while the cluster terminates: what blocks the deletion may need another attempt.
        (Intent::Remove, _) => Operation::Delete,
        (Intent::Suspend, State::Absent | State::Stopped | State::Terminating) => Operation::Nothing,
        // Harmless if repeated, and completes an interrupted suspension.
        (Intent::Suspend, _) => Operation::Suspend,
        (Intent::Run, observed) => operation_to_run(observed),
    }
}

/// Returns the next operation on a cluster that is to run, whose control plane is in the observed state.
#[must_use]
pub const fn operation_to_run(observed: &ControlPlaneState) -> Operation {
    use ControlPlaneState as State;
    match observed {
        // A cluster that is being deleted cannot be changed; it is created again once it is gone.
        State::Terminating => Operation::Nothing,
        State::Stopping | State::Stopped => Operation::ResumeAndApply,
        State::Absent | State::Starting(_) | State::Ready | State::Broken { .. } => Operation::Apply,
    }
}

/// Records in a workspace that its desired state has changed: increments the generation, enters the phase that shows
/// the change at once, resets failures, and schedules an immediate reconcile.
pub fn bump_generation(workspace: &mut Workspace, now: Timestamp) {
    workspace.generation += 1;
    workspace.status.failures = 0;
    let phase = phase_on_request(workspace);
    enter_phase(workspace, phase, now);
    workspace.status.reason = String::new();
    workspace.status.message = String::new();
    workspace.status.waiting = None;
    workspace.reconcile_at = Some(now);
}

/// Adds an access revocation. A user has at most one: a further one is merged into it, so that removing and adding
/// members again and again does not make the workspace large.
pub fn add_access_revocation(workspace: &mut Workspace, mut added: AccessRevocation) {
    let revocations = &mut workspace.access_revocations;
    let earlier = revocations.iter().position(|revocation| revocation.user_id == added.user_id);
    if let Some(earlier) = earlier.map(|index| revocations.remove(index)) {
        added.groups.extend(earlier.groups);
        added.groups.sort_unstable();
        added.groups.dedup();
        added.until = added.until.max(earlier.until);
    }
    revocations.push(added);
}

/// Removes expired access revocations. Returns `true` if there were any; the cluster then has a new desired state.
pub fn expire_access_revocations(workspace: &mut Workspace, now: Timestamp) -> bool {
    let before = workspace.access_revocations.len();
    workspace.access_revocations.retain(|revocation| now < revocation.until);
    workspace.access_revocations.len() < before
}

fn phase_on_request(workspace: &Workspace) -> Phase {
    let current = workspace.status.phase;
    match (intent(workspace), current) {
        (Intent::Remove, _) => Phase::Deleting,
        (Intent::Suspend, Phase::Suspended) => Phase::Suspended,
        (Intent::Suspend, _) => Phase::Suspending,
        (Intent::Run, Phase::Suspended | Phase::Suspending | Phase::Resuming) => Phase::Resuming,
        (Intent::Run, Phase::Pending | Phase::Provisioning) => current,
        (Intent::Run, _) if workspace.status.observed_generation == 0 => Phase::Provisioning,
        (Intent::Run, _) => Phase::Updating,
    }
}

/// Sets the phase of a workspace, and the time of the transition if the phase differs.
fn enter_phase(workspace: &mut Workspace, phase: Phase, now: Timestamp) {
    if workspace.status.phase != phase {
        workspace.status.phase = phase;
        workspace.status.phase_since = now;
    }
}
