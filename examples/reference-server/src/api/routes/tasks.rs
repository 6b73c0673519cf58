//! Tasks: slow operations on a workspace, and how far they are.

use axum::Json;
use axum::extract::State;
use hexabase_core::model::{Task, TaskStep};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtTask, InWorkspace};
use crate::api::edge::SignedIn;
use crate::api::extract::{Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(retry))
}

/// A slow operation on a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Task)]
struct TaskView {
    /// Which task.
    #[schema(example = "tsk_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// On which workspace.
    workspace_id: String,
    /// `create`, `update`, `suspend`, `resume` or `delete`.
    #[schema(example = "create")]
    kind: String,
    /// `pending`, `running`, `succeeded` or `failed`.
    #[schema(example = "running")]
    state: String,
    /// What is to be done, in order.
    steps: Vec<StepView>,
    /// How often it was worked on.
    attempts: u32,
    /// What went wrong the last time; empty when nothing did.
    last_error: String,
    /// Who asked for it.
    created_by: String,
    /// When it was asked for.
    created_at: Timestamp,
    /// When it last moved.
    updated_at: Timestamp,
    /// When it was over; null while it is not.
    finished_at: Option<Timestamp>,
    /// Raised by every change.
    version: u64,
}

/// A step of a task.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TaskStep)]
struct StepView {
    /// What is done.
    name: String,
    /// `waiting`, `running` or `done`.
    state: String,
    /// When it last moved; null while it waits.
    at: Option<Timestamp>,
}

impl From<TaskStep> for StepView {
    fn from(step: TaskStep) -> Self {
        Self { name: step.name, state: step.state.to_string(), at: step.at }
    }
}

impl From<Task> for TaskView {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            workspace_id: task.workspace_id.to_string(),
            kind: task.kind.to_string(),
            state: task.state.to_string(),
            steps: task.steps.into_iter().map(StepView::from).collect(),
            attempts: task.attempts,
            last_error: task.last_error,
            created_by: task.created_by.to_string(),
            created_at: task.created_at,
            updated_at: task.updated_at,
            finished_at: task.finished_at,
            version: task.version.number(),
        }
    }
}

/// List the tasks of a workspace, newest first.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/tasks", tag = "Workspaces",
    params(InWorkspace, PageQuery), responses((status = 200, body = List<TaskView>), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<TaskView>>> {
    let page = app.platform.tasks().list(&caller, at.org, at.ws, &pager.request(&query)?).await?;
    pager.list(page, TaskView::from)
}

/// Show a task.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/tasks/{tsk}", tag = "Workspaces",
    params(AtTask), responses((status = 200, body = TaskView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtTask>,
) -> Answer<Reply<TaskView>> {
    let task = app.platform.tasks().get(&caller, at.org, at.ws, at.tsk).await?;
    let version = task.version;
    Ok(Reply::ok(task.into()).version(version))
}

/// Try a failed task again.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/tasks/{tsk}/retry", tag = "Workspaces",
    params(AtTask), responses((status = 202, body = TaskView), Problems),
    extensions(("x-hexabase-action" = json!("task.retry"))))]
async fn retry(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtTask>,
) -> Answer<Reply<TaskView>> {
    let asked = app.platform.tasks().retry(&caller, at.org, at.ws, at.tsk).await?;
    let location = format!("/api/v1/organizations/{}/workspaces/{}/tasks/{}", at.org, at.ws, at.tsk);
    let version = asked.value.version;
    Ok(Reply::accepted(location, asked.value.into()).version(version).replayed(asked.replayed))
}
