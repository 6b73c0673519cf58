use jiff::Timestamp;

use super::assess::ReconcileOutcome;
use crate::id::{TaskId, UserId};
use crate::model::{Phase, StepState, Task, TaskKind, TaskState, TaskStep, Workspace};
use crate::provisioner::ControlPlaneState;
use crate::version::Version;

/// Progress of a workspace, as shown by the steps of its tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// `true` if the objects on the host cluster were applied.
    pub host_applied: bool,
    /// `true` if the control plane answers.
    pub control_plane_ready: bool,
    /// `true` if the objects inside the tenant cluster were applied.
    pub tenant_applied: bool,
    /// `true` if the control plane is stopped or absent.
    pub stopped: bool,
}

impl Progress {
    /// Progress that the outcome of a reconcile shows.
    #[must_use]
    pub fn of(outcome: &ReconcileOutcome) -> Self {
        let state = outcome.observation.as_ref().map(|observation| &observation.control_plane);
        Self {
            host_applied: outcome.applied.is_some(),
            control_plane_ready: state == Some(&ControlPlaneState::Ready),
            tenant_applied: outcome.applied.as_ref().is_some_and(|applied| applied.tenant),
            stopped: matches!(state, Some(ControlPlaneState::Stopped | ControlPlaneState::Absent)),
        }
    }
}

const APPLY_HOST: &str = "apply_host_objects";
const START: &str = "start_control_plane";
const APPLY_TENANT: &str = "apply_tenant_objects";
const STOP: &str = "stop_control_plane";
const REMOVE: &str = "remove_tenant";

/// Returns the steps of a task, all waiting.
#[must_use]
pub fn steps_of(kind: TaskKind) -> Vec<TaskStep> {
    let names: &[&str] = match kind {
        TaskKind::Create => &[APPLY_HOST, START, APPLY_TENANT],
        TaskKind::Update => &[APPLY_HOST, APPLY_TENANT],
        TaskKind::Resume => &[START, APPLY_TENANT],
        TaskKind::Suspend => &[STOP],
        TaskKind::Delete => &[REMOVE],
    };
    let step = |name: &&str| TaskStep { name: (*name).to_owned(), state: StepState::Waiting, at: None };
    names.iter().map(step).collect()
}

/// Creates a task that ends once the workspace has reached its present generation.
#[must_use]
pub fn new_task(
    id: TaskId,
    workspace: &Workspace,
    kind: TaskKind,
    created_by: UserId,
    now: Timestamp,
) -> Task {
    Task {
        id,
        organization_id: workspace.organization_id,
        workspace_id: workspace.id,
        kind,
        state: TaskState::Pending,
        generation: workspace.generation,
        steps: steps_of(kind),
        attempts: 0,
        last_error: String::new(),
        created_by,
        created_at: now,
        updated_at: now,
        finished_at: None,
        version: Version::FIRST,
    }
}

/// Advances a task by the progress of a reconcile; `None` if the task is unchanged. `after` is the assessed workspace.
#[must_use]
pub fn advance_task(task: &Task, after: &Workspace, progress: Progress, now: Timestamp) -> Option<Task> {
    let mut next = task.clone();
    let covered = after.generation >= task.generation;
    let done = match task.kind {
        TaskKind::Create | TaskKind::Update | TaskKind::Resume => {
            after.status.phase == Phase::Ready && after.status.observed_generation >= task.generation
        }
        TaskKind::Suspend => after.status.phase == Phase::Suspended && covered,
        TaskKind::Delete => false,
    };
    let failing = after.status.failures > 0 || after.status.phase == Phase::Failed;
    next.state = match after.status.phase {
        _ if done => TaskState::Succeeded,
        Phase::Failed => TaskState::Failed,
        _ => TaskState::Running,
    };
    if failing {
        next.attempts = next.attempts.saturating_add(1);
        next.last_error = format!("{}: {}", after.status.reason, after.status.message);
    }
    advance_steps(&mut next.steps, done, progress, now);
    if !next.state.is_open() {
        next.finished_at = Some(now);
    }
    if next == *task {
        return None;
    }
    next.updated_at = now;
    next.version = next.version.next();
    Some(next)
}

/// Advances steps in order: the first step that is not done is running.
fn advance_steps(steps: &mut [TaskStep], done: bool, progress: Progress, now: Timestamp) {
    let mut reachable = true;
    for step in steps {
        let finished = done
            || match step.name.as_str() {
                APPLY_HOST => progress.host_applied,
                START => progress.control_plane_ready,
                APPLY_TENANT => progress.tenant_applied,
                STOP => progress.stopped,
                _ => false,
            };
        let state = match (reachable, finished || step.state == StepState::Completed) {
            (true, true) => StepState::Completed,
            (true, false) => StepState::Running,
            (false, _) => StepState::Waiting,
        };
        if step.state != state {
            step.state = state;
            step.at = Some(now);
        }
        reachable = reachable && state == StepState::Completed;
    }
}
