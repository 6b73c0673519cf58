//! The life of a workspace: what to do next, and what to say about it. Pure functions; the reconciler
//! carries out what they decide.

mod assess;
mod progress;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use assess::{Assessment, Pace, Seen, assess};
pub use progress::{Progress, advance_task, new_task, steps_of};

use crate::model::{Phase, Power, Workspace};
use crate::provisioner::ControlPlaneState;

/// What should become of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// It should run as asked.
    Run,
    /// It should sleep.
    Sleep,
    /// It should go.
    Remove,
}

/// What should become of this workspace.
#[must_use]
pub const fn intent(workspace: &Workspace) -> Intent {
    match (workspace.deletion_requested_at, workspace.power, workspace.held) {
        (Some(_), _, _) => Intent::Remove,
        (None, Power::Running, None) => Intent::Run,
        (None, Power::Suspended, _) | (None, _, Some(_)) => Intent::Sleep,
    }
}

/// One thing that the reconciler asks of a provisioner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Make it what it should be.
    Apply,
    /// Wake it, then make it what it should be.
    ResumeAndApply,
    /// Put it to sleep.
    Suspend,
    /// Remove it.
    Delete,
    /// Nothing: it is on its way, or there.
    Nothing,
}

/// What to do about a workspace whose control plane was seen like this.
#[must_use]
pub fn next_operation(workspace: &Workspace, seen: &ControlPlaneState) -> Operation {
    use ControlPlaneState as State;
    match (intent(workspace), seen) {
        (Intent::Remove, State::Absent) => Operation::Nothing,
        // Also while it terminates: what stands in the way may need another push.
        (Intent::Remove, _) => Operation::Delete,
        (Intent::Sleep, State::Absent | State::Stopped | State::Terminating) => Operation::Nothing,
        // Asking again is harmless, and completes what was cut off half-way.
        (Intent::Sleep, _) => Operation::Suspend,
        // What somebody else is removing cannot be built on; it is made anew once it is gone.
        (Intent::Run, State::Terminating) => Operation::Nothing,
        (Intent::Run, State::Stopping | State::Stopped) => Operation::ResumeAndApply,
        (Intent::Run, _) => Operation::Apply,
    }
}

/// Notes in a workspace that its cluster has something new to follow: the next generation, the phase that
/// shows it at once, and that somebody should look.
pub fn ask(workspace: &mut Workspace, now: Timestamp) {
    workspace.generation += 1;
    workspace.status.failures = 0;
    let phase = phase_on_request(workspace);
    enter(workspace, phase, now);
    workspace.status.reason = String::new();
    workspace.status.message = String::new();
    workspace.reconcile_at = Some(now);
}

/// Lets those cuts end whose time has come, and answers whether there were any: the cluster has that to follow then.
pub fn end_cuts(workspace: &mut Workspace, now: Timestamp) -> bool {
    let before = workspace.cuts.len();
    workspace.cuts.retain(|cut| now < cut.until);
    workspace.cuts.len() < before
}

fn phase_on_request(workspace: &Workspace) -> Phase {
    let current = workspace.status.phase;
    match (intent(workspace), current) {
        (Intent::Remove, _) => Phase::Deleting,
        (Intent::Sleep, Phase::Suspended) => Phase::Suspended,
        (Intent::Sleep, _) => Phase::Suspending,
        (Intent::Run, Phase::Suspended | Phase::Suspending | Phase::Resuming) => Phase::Resuming,
        (Intent::Run, Phase::Pending | Phase::Provisioning) => current,
        (Intent::Run, _) if workspace.status.observed_generation == 0 => Phase::Provisioning,
        (Intent::Run, _) => Phase::Updating,
    }
}

/// Moves a workspace into a phase, noting when that was unless it is in it already.
fn enter(workspace: &mut Workspace, phase: Phase, now: Timestamp) {
    if workspace.status.phase != phase {
        workspace.status.phase = phase;
        workspace.status.phase_since = now;
    }
}
