//! Tasks: long-running operations on workspaces.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{Task, TaskStep};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::{TaskPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(retry))
}

/// Long-running operation on a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
struct TaskView {
    /// Id of the task.
    id: schema::TaskId,
    /// Id of the workspace.
    workspace_id: schema::WorkspaceId,
    /// Operation that the task carries out.
    kind: schema::TaskKind,
    /// State of the task.
    state: schema::TaskState,
    /// Steps, in order.
    steps: Vec<StepView>,
    /// Number of attempts.
    attempts: u32,
    /// Error of the last attempt; empty if no attempt failed.
    last_error: String,
    /// Id of the user who requested the operation.
    created_by: schema::UserId,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last progress.
    updated_at: Timestamp,
    /// Time at which the task ended; null while it is open.
    #[schema(required)]
    finished_at: Option<Timestamp>,
    /// Version, incremented by every change.
    version: u64,
}

/// Step of a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskStep)]
struct StepView {
    /// Name of the step, in `snake_case`.
    name: String,
    /// State of the step.
    state: schema::TaskStepState,
    /// Time of the last change of the state; null while the step waits.
    #[schema(required)]
    at: Option<Timestamp>,
}

impl From<TaskStep> for StepView {
    fn from(step: TaskStep) -> Self {
        Self { name: step.name, state: step.state.into(), at: step.at }
    }
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.into(),
            workspace_id: task.workspace_id.into(),
            kind: task.kind.into(),
            state: task.state.into(),
            steps: task.steps.into_iter().map(StepView::from).collect(),
            attempts: task.attempts,
            last_error: task.last_error,
            created_by: task.created_by.into(),
            created_at: task.created_at,
            updated_at: task.updated_at,
            finished_at: task.finished_at,
            version: task.version.number(),
        }
    }
}

/// List the tasks of a workspace, newest first
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/tasks", tag = "Workspaces",
    params(WorkspacePath, PageQuery), responses((status = 200, body = List<TaskView>), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<TaskView>>> {
    let page = platform.tasks().list(&caller, path.org, path.ws, &pager.request(&query)?).await?;
    pager.list(page, TaskView::from)
}

/// Get a task
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/tasks/{tsk}", tag = "Workspaces",
    params(TaskPath), responses((status = 200, body = TaskView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<TaskPath>,
) -> ApiResult<ApiResponse<TaskView>> {
    let task = platform.tasks().get(&caller, path.org, path.ws, path.tsk).await?;
    let version = task.version;
    Ok(ApiResponse::ok(task.into()).version(version))
}

/// Retry a failed task
///
/// Fails with `task_superseded` if a later operation took the place of the task.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/tasks/{tsk}/retry", tag = "Workspaces",
    params(TaskPath), responses((status = 202, body = TaskView), Problems),
    extensions(("x-hexabase-action" = json!("task.retry"))))]
async fn retry(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<TaskPath>,
) -> ApiResult<ApiResponse<TaskView>> {
    let retried = platform.tasks().retry(&caller, path.org, path.ws, path.tsk).await?;
    let location = format!("/api/v1/organizations/{}/workspaces/{}/tasks/{}", path.org, path.ws, path.tsk);
    let version = retried.value.version;
    Ok(ApiResponse::accepted(location, retried.value.into()).version(version).replayed(retried.replayed))
}
