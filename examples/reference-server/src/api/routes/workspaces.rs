//! Workspaces: making, changing and removing them, and putting them to sleep.

use axum::Json;
use axum::extract::State;
use hexabase_core::error::Check;
use hexabase_core::model::{Condition, Workspace};
use hexabase_core::name::{DisplayName, KubernetesVersion, PlanId, Region, Slug};
use hexabase_core::platform::{CreateWorkspace, UpdateWorkspace, WorkspaceTask};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::{clearable, given, optional};
use super::place::{InOrganization, InWorkspace};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(resume))
}

/// A tenant cluster as it was asked for, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
pub(super) struct WorkspaceView {
    /// Which workspace.
    #[schema(example = "ws_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Whose.
    organization_id: String,
    /// Its name, unique in the organization.
    #[schema(example = "dev")]
    name: String,
    /// The name to show.
    display_name: Option<String>,
    /// The plan that gives it its size.
    #[schema(example = "starter")]
    plan_id: String,
    /// `pending`, `provisioning`, `ready`, `updating`, `suspending`, `suspended`, `resuming`, `degraded`,
    /// `failed` or `deleting`.
    #[schema(example = "ready")]
    phase: String,
    /// Why, in one word; empty when all is well.
    reason: String,
    /// Why, for people, and what to do about it; empty when all is well.
    message: String,
    /// Raised by every change that the cluster must follow.
    generation: u64,
    /// The newest generation that the cluster follows.
    observed_generation: u64,
    /// Raised by every change of groups, members, roles and assignments.
    access_version: u64,
    /// Raised by every change to anything in it.
    version: u64,
    /// Where its API server answers; null while it does not.
    api_endpoint: Option<String>,
    /// The host cluster it runs on.
    host_cluster: String,
    /// The Kubernetes version it should run.
    #[schema(example = "1.36")]
    kubernetes_version: String,
    /// Single observations.
    conditions: Vec<ConditionView>,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

/// A single observation of a workspace, as Kubernetes writes conditions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Condition)]
pub(super) struct ConditionView {
    /// What is observed.
    #[serde(rename = "type")]
    #[schema(example = "ControlPlaneReady")]
    kind: String,
    /// `True`, `False` or `Unknown`.
    #[schema(example = "True")]
    status: String,
    /// Why, in one word.
    reason: String,
    /// Why, for people.
    message: String,
    /// When the status last changed.
    last_transition_time: Timestamp,
}

impl From<Condition> for ConditionView {
    fn from(condition: Condition) -> Self {
        Self {
            kind: condition.kind,
            status: condition.status.to_string(),
            reason: condition.reason,
            message: condition.message,
            last_transition_time: condition.last_transition_time,
        }
    }
}

impl From<Workspace> for WorkspaceView {
    fn from(workspace: Workspace) -> Self {
        let status = workspace.status;
        Self {
            id: workspace.id.to_string(),
            organization_id: workspace.organization_id.to_string(),
            name: workspace.name.to_string(),
            display_name: workspace.display_name.map(|name| name.to_string()),
            plan_id: workspace.plan_id.to_string(),
            phase: status.phase.to_string(),
            reason: status.reason,
            message: status.message,
            generation: workspace.generation,
            observed_generation: status.observed_generation,
            access_version: workspace.access_version,
            version: workspace.version.number(),
            api_endpoint: status.api_endpoint,
            host_cluster: workspace.host_cluster.to_string(),
            kubernetes_version: workspace.kubernetes_version.to_string(),
            conditions: status.conditions.into_iter().map(ConditionView::from).collect(),
            created_at: workspace.created_at,
            updated_at: workspace.updated_at,
        }
    }
}

/// A workspace, and the task that brings it where it was asked to be.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceWithTask {
    #[serde(flatten)]
    workspace: WorkspaceView,
    /// The task; null when nothing slow was begun.
    #[schema(example = "tsk_01h455vb4pex5vsknk084sn02q")]
    task_id: Option<String>,
}

impl WorkspaceWithTask {
    /// The answer to something slow that was asked of a workspace.
    fn accepted(asked: WorkspaceTask) -> Reply<Self> {
        let (version, location) = (asked.workspace.version, location(&asked.workspace));
        Reply::accepted(location, Self::from(asked)).version(version)
    }
}

impl From<WorkspaceTask> for WorkspaceWithTask {
    fn from(asked: WorkspaceTask) -> Self {
        Self { workspace: asked.workspace.into(), task_id: asked.task_id.map(|id| id.to_string()) }
    }
}

fn location(workspace: &Workspace) -> String {
    format!("/api/v1/organizations/{}/workspaces/{}", workspace.organization_id, workspace.id)
}

/// What a new workspace is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewWorkspace {
    /// Its name, unique in the organization: a DNS label.
    #[schema(example = "dev")]
    name: String,
    /// The name to show.
    display_name: Option<String>,
    /// The plan that gives it its size.
    #[schema(example = "starter")]
    plan_id: String,
    /// Where it should run; anywhere if not said.
    region: Option<String>,
    /// The Kubernetes version it should run; the plan's newest if not said.
    kubernetes_version: Option<String>,
}

impl NewWorkspace {
    fn command(&self) -> hexabase_core::Result<CreateWorkspace> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let display_name = check.field("display_name", optional(&self.display_name, DisplayName::parse));
        let plan_id = check.field("plan_id", PlanId::parse(&self.plan_id));
        let region = check.field("region", optional(&self.region, Region::parse));
        let version = optional(&self.kubernetes_version, KubernetesVersion::parse);
        let version = check.field("kubernetes_version", version);
        let (name, display_name, plan_id, region, kubernetes_version) =
            check.all((name, display_name, plan_id, region, version))?;
        Ok(CreateWorkspace { name, display_name, plan_id, region, kubernetes_version })
    }
}

/// Make a workspace. Its cluster comes up in the background; the task shows how far it is. You become its
/// administrator.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces", tag = "Workspaces",
    params(InOrganization), request_body = NewWorkspace,
    responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.create"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Body(wanted): Body<NewWorkspace>,
) -> Answer<Reply<WorkspaceWithTask>> {
    let made = app.platform.workspaces().create(&caller, at.org, &wanted.command()?).await?;
    Ok(WorkspaceWithTask::accepted(made.value).replayed(made.replayed))
}

/// List the workspaces of an organization: all of them for owners, administrators and billing, and for everybody
/// else those in whose groups they are.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces", tag = "Workspaces",
    params(InOrganization, PageQuery), responses((status = 200, body = List<WorkspaceView>), Problems),
    extensions(("x-hexabase-action" = json!("workspaces.list"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<WorkspaceView>>> {
    let page = app.platform.workspaces().list(&caller, at.org, &pager.request(&query)?).await?;
    pager.list(page, WorkspaceView::from)
}

/// Show a workspace.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}", tag = "Workspaces",
    params(InWorkspace), responses((status = 200, body = WorkspaceView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Reply<WorkspaceView>> {
    let found = app.platform.workspaces().get(&caller, at.org, at.ws).await?;
    let version = found.version;
    Ok(Reply::ok(found.into()).version(version))
}

/// What to change about a workspace; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WorkspaceChange {
    /// The name to show; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
    /// The plan that gives it its size.
    plan_id: Option<String>,
    /// The Kubernetes version it should run: the same or the next minor one.
    kubernetes_version: Option<String>,
}

impl WorkspaceChange {
    fn command(&self) -> hexabase_core::Result<UpdateWorkspace> {
        let mut check = Check::default();
        let display_name = clearable(&self.display_name, DisplayName::parse);
        let display_name = check.field("display_name", display_name);
        let plan_id = check.field("plan_id", optional(&self.plan_id, PlanId::parse));
        let version = optional(&self.kubernetes_version, KubernetesVersion::parse);
        let version = check.field("kubernetes_version", version);
        let (display_name, plan_id, kubernetes_version) = check.all((display_name, plan_id, version))?;
        Ok(UpdateWorkspace { display_name, plan_id, kubernetes_version })
    }
}

/// Change a workspace. A new plan or version is followed by the cluster in the background: then the answer is
/// 202, and the task shows how far it is.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}", tag = "Workspaces",
    params(InWorkspace), request_body = WorkspaceChange,
    responses((status = 200, body = WorkspaceWithTask), (status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.update"))))]
async fn update(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    expected: IfMatch,
    Body(wanted): Body<WorkspaceChange>,
) -> Answer<Reply<WorkspaceWithTask>> {
    let workspaces = app.platform.workspaces();
    let changed = workspaces.update(&caller, at.org, at.ws, &wanted.command()?, expected.version()).await?;
    if changed.task_id.is_some() {
        return Ok(WorkspaceWithTask::accepted(changed));
    }
    let version = changed.workspace.version;
    Ok(Reply::ok(changed.into()).version(version))
}

/// Remove a workspace with everything in it.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}", tag = "Workspaces",
    params(InWorkspace), responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.delete"))))]
async fn delete(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    expected: IfMatch,
) -> Answer<Reply<WorkspaceWithTask>> {
    let asked = app.platform.workspaces().delete(&caller, at.org, at.ws, expected.version()).await?;
    Ok(WorkspaceWithTask::accepted(asked))
}

/// Put a workspace to sleep: nothing in it runs, and nothing is lost.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/suspend", tag = "Workspaces",
    params(InWorkspace), responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.power"))))]
async fn suspend(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Reply<WorkspaceWithTask>> {
    let asked = app.platform.workspaces().suspend(&caller, at.org, at.ws).await?;
    Ok(WorkspaceWithTask::accepted(asked.value).replayed(asked.replayed))
}

/// Wake a workspace that sleeps.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/resume", tag = "Workspaces",
    params(InWorkspace), responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.power"))))]
async fn resume(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Reply<WorkspaceWithTask>> {
    let asked = app.platform.workspaces().resume(&caller, at.org, at.ws).await?;
    Ok(WorkspaceWithTask::accepted(asked.value).replayed(asked.replayed))
}
