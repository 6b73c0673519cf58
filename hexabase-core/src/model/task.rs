use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, TaskId, UserId, WorkspaceId};
use crate::model::words;
use crate::version::Version;

/// One slow operation on a workspace, for whoever waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Which task.
    pub id: TaskId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// On which workspace.
    pub workspace_id: WorkspaceId,
    /// What was asked.
    pub kind: TaskKind,
    /// How far it is.
    pub state: TaskState,
    /// The workspace's generation that fulfils it.
    pub generation: u64,
    /// What is to be done, in order.
    pub steps: Vec<TaskStep>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last try failed; empty when none did.
    pub last_error: String,
    /// Who asked.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// When it ended, well or not.
    pub finished_at: Option<Timestamp>,
    /// Raised by every change.
    pub version: Version,
}

/// What a task does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Makes the workspace.
    Create,
    /// Brings it to another plan or Kubernetes version.
    Update,
    /// Puts it to sleep.
    Suspend,
    /// Wakes it.
    Resume,
    /// Removes it.
    Delete,
}

words!(TaskKind {
    Create = "create",
    Update = "update",
    Suspend = "suspend",
    Resume = "resume",
    Delete = "delete",
} else UnknownTaskKind = "no kind of task");

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Nobody began.
    Pending,
    /// It is under way.
    Running,
    /// It is done.
    Succeeded,
    /// It was given up; it can be retried.
    Failed,
}

words!(TaskState {
    Pending = "pending",
    Running = "running",
    Succeeded = "succeeded",
    Failed = "failed",
} else UnknownTaskState = "no state of a task");

impl TaskState {
    /// Whether it may still move by itself.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// One step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStep {
    /// What is done, in `snake_case`: `apply_host_objects`.
    pub name: String,
    /// How far it is.
    pub state: StepState,
    /// When its state last changed.
    pub at: Option<Timestamp>,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Under way.
    Running,
    /// Done.
    Done,
}

words!(StepState { Waiting = "waiting", Running = "running", Done = "done" } else UnknownStepState = "no state of a step");
