use jiff::Timestamp;

use super::assess::ReconcileOutcome;
use super::{Intent, intent};
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

/// `true` if a new task of kind `new` takes the place of an open task of kind `old`: both have the same kind, they are
/// suspension and resumption, or the workspace is deleted. So a workspace has at most one open task per kind.
#[must_use]
pub fn supersedes(new: TaskKind, old: TaskKind) -> bool {
    match (new, old) {
        (TaskKind::Delete, _)
        | (TaskKind::Suspend, TaskKind::Resume)
        | (TaskKind::Resume, TaskKind::Suspend) => true,
        _ => new == old,
    }
}

/// Ends an open task whose place a later operation takes.
#[must_use]
pub fn supersede(task: &Task, now: Timestamp) -> Task {
    Task {
        state: TaskState::Superseded,
        updated_at: now,
        finished_at: Some(now),
        version: task.version.next(),
        ..task.clone()
    }
}

/// `true` if a failed task of this kind can be retried: the workspace is still meant to get there, and no open task of
/// the workspace supersedes the retried one.
#[must_use]
pub fn can_retry(kind: TaskKind, workspace: &Workspace, open: &[Task]) -> bool {
    let is_intended = match intent(workspace) {
        Intent::Run => matches!(kind, TaskKind::Create | TaskKind::Update | TaskKind::Resume),
        Intent::Suspend => matches!(kind, TaskKind::Update | TaskKind::Suspend),
        Intent::Remove => kind == TaskKind::Delete,
    };
    is_intended && !open.iter().any(|task| supersedes(task.kind, kind))
}

/// Advances a task by the progress of a reconcile; `None` if the task is unchanged. `after` is the assessed workspace.
/// A workspace in its target state leaves no task open: one that does not lead to this state ends as superseded.
#[must_use]
pub fn advance_task(task: &Task, after: &Workspace, progress: Progress, now: Timestamp) -> Option<Task> {
    let mut next = task.clone();
    let observed = after.status.observed_generation >= task.generation;
    let covered = after.generation >= task.generation;
    let done = match task.kind {
        TaskKind::Create | TaskKind::Resume => after.status.phase == Phase::Ready && observed,
        // A suspended workspace is as desired; the change itself is applied when it is resumed.
        TaskKind::Update => matches!(after.status.phase, Phase::Ready | Phase::Suspended) && observed,
        TaskKind::Suspend => after.status.phase == Phase::Suspended && covered,
        TaskKind::Delete => false,
    };
    let all_steps = done && (task.kind != TaskKind::Update || after.status.phase == Phase::Ready);
    let failing = after.status.failures > 0 || after.status.phase == Phase::Failed;
    next.state = match after.status.phase {
        _ if done => TaskState::Succeeded,
        Phase::Failed => TaskState::Failed,
        Phase::Ready | Phase::Suspended if covered && after.is_reconciled() => TaskState::Superseded,
        _ => TaskState::Running,
    };
    if failing {
        next.attempts = next.attempts.saturating_add(1);
        next.last_error = format!("{}: {}", after.status.reason, after.status.message);
    }
    advance_steps(&mut next.steps, all_steps, progress, now);
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
