use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, TaskId, UserId, WorkspaceId};
use crate::model::string_enum;
use crate::version::Version;

/// Long-running operation on a workspace, whose progress callers can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Id of the task.
    pub id: TaskId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the task.
    pub workspace_id: WorkspaceId,
    /// Requested operation.
    pub kind: TaskKind,
    /// State of the task.
    pub state: TaskState,
    /// Generation of the workspace with which the task is complete.
    pub generation: u64,
    /// Steps, in order.
    pub steps: Vec<TaskStep>,
    /// Number of attempts.
    pub attempts: u32,
    /// Error of the last attempt; empty if no attempt failed.
    pub last_error: String,
    /// User who requested the operation.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last progress.
    pub updated_at: Timestamp,
    /// Time at which the task ended; `None` while it is open.
    pub finished_at: Option<Timestamp>,
    /// Version, incremented by every change.
    pub version: Version,
}

/// Operation of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskKind {
    /// Create the workspace.
    Create,
    /// Change the plan or the Kubernetes version.
    Update,
    /// Suspend the workspace.
    Suspend,
    /// Resume the workspace.
    Resume,
    /// Delete the workspace.
    Delete,
}

string_enum!(TaskKind {
    Create = "create",
    Update = "update",
    Suspend = "suspend",
    Resume = "resume",
    Delete = "delete",
} else UnknownTaskKind = "must be create, update, suspend, resume or delete");

/// State of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskState {
    /// Not started.
    Pending,
    /// In progress.
    Running,
    /// Completed.
    Succeeded,
    /// Given up; can be retried.
    Failed,
    /// Ended without completion, because a later operation takes its place. Cannot be retried.
    Superseded,
}

string_enum!(TaskState {
    Pending = "pending",
    Running = "running",
    Succeeded = "succeeded",
    Failed = "failed",
    Superseded = "superseded",
} else UnknownTaskState = "must be pending, running, succeeded, failed or superseded");

impl TaskState {
    /// `true` if the task can still progress without a retry.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

/// Step of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStep {
    /// Name of the step, in `snake_case`: `apply_host_objects`.
    pub name: String,
    /// State of the step.
    pub state: StepState,
    /// Time of the last change of the state.
    pub at: Option<Timestamp>,
}

/// State of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Not started.
    Waiting,
    /// In progress.
    Running,
    /// Completed.
    Completed,
}

string_enum!(StepState { Waiting = "waiting", Running = "running", Completed = "done" } else UnknownStepState = "must be waiting, running or done");
