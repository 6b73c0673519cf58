//! Workspaces: creation, changes, deletion, suspension and resumption.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{Condition, GitOps, GitOpsCredentials, GitOpsTool, Workspace};
use hexabase_core::platform::WorkspaceTask;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{NewWorkspace, WorkspacePatch, WorkspaceQuery};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{OrganizationPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(suspend))
        .routes(routes!(resume))
}

/// Tenant cluster as requested, with the status that was last observed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workspace)]
pub(crate) struct WorkspaceView {
    /// Id of the workspace.
    id: schema::WorkspaceId,
    /// Id of the organization.
    organization_id: schema::OrganizationId,
    /// Name, unique in the organization.
    #[schema(example = "dev")]
    name: String,
    /// Name for display; null if there is none.
    #[schema(required)]
    display_name: Option<String>,
    /// Id of the plan that determines size and limits.
    #[schema(example = "starter")]
    plan_id: String,
    /// Phase in the lifecycle.
    phase: schema::WorkspacePhase,
    /// Reason of the phase, in `CamelCase`; empty if there is no problem.
    reason: String,
    /// Description of the reason with its remedy; empty if there is no problem.
    message: String,
    /// Counter of the changes that the cluster must follow.
    generation: u64,
    /// Newest generation that the cluster has reached.
    observed_generation: u64,
    /// Counter of the changes of groups, members, roles and assignments.
    access_version: u64,
    /// Version, incremented by every change inside the workspace.
    version: u64,
    /// URL of the tenant API server; null if unknown.
    #[schema(format = "uri", required)]
    api_endpoint: Option<String>,
    /// Name of the host cluster of the workspace.
    #[schema(value_type = schema::HostClusterName)]
    host_cluster: String,
    /// Desired Kubernetes version.
    #[schema(example = "1.36")]
    kubernetes_version: String,
    /// GitOps tools of the operator that have access to the cluster.
    gitops: GitOpsView,
    /// Conditions of the workspace.
    conditions: Vec<ConditionView>,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
}

/// GitOps tools with access to a tenant cluster.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GitOps)]
pub(crate) struct GitOpsView {
    /// Argo CD; null without access.
    #[schema(required)]
    argocd: Option<GitOpsAccessView>,
    /// Flux; null without access.
    #[schema(required)]
    flux: Option<GitOpsAccessView>,
}

/// Access of a GitOps tool to a tenant cluster.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GitOpsAccess)]
pub(crate) struct GitOpsAccessView {
    /// Namespace on the host cluster in which the tool finds its credential.
    #[schema(example = "argocd")]
    namespace: String,
    /// Role of the tool: a project role applies in every project, a workspace role in the whole cluster.
    role: schema::PresetRoleName,
    /// Time at which the present token expires; it is replaced before. Null while none is issued.
    #[schema(required)]
    token_expires_at: Option<Timestamp>,
}

impl GitOpsView {
    fn of(gitops: &GitOps, issued: &GitOpsCredentials) -> Self {
        let view = |tool: GitOpsTool| {
            let access = gitops.get(&tool)?;
            let issued = issued.get(&tool).filter(|issued| issued.namespace == access.namespace);
            Some(GitOpsAccessView {
                namespace: access.namespace.to_string(),
                role: access.role.into(),
                token_expires_at: issued.map(|issued| issued.expires_at),
            })
        };
        Self { argocd: view(GitOpsTool::ArgoCd), flux: view(GitOpsTool::Flux) }
    }
}

/// Condition of a workspace, as in the Kubernetes API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Condition)]
pub(crate) struct ConditionView {
    /// Type of the condition, in `CamelCase`.
    #[serde(rename = "type")]
    #[schema(example = "ControlPlaneReady")]
    kind: String,
    /// Status of the condition.
    status: schema::ConditionStatus,
    /// Reason of the status, in `CamelCase`.
    reason: String,
    /// Description of the reason.
    message: String,
    /// Time of the last change of the status.
    last_transition_time: Timestamp,
}

impl From<Condition> for ConditionView {
    fn from(condition: Condition) -> Self {
        Self {
            kind: condition.kind,
            status: condition.status.into(),
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
            id: workspace.id.into(),
            organization_id: workspace.organization_id.into(),
            name: workspace.name.to_string(),
            display_name: workspace.display_name.map(|name| name.to_string()),
            plan_id: workspace.plan_id.to_string(),
            phase: status.phase.into(),
            reason: status.reason,
            message: status.message,
            generation: workspace.generation,
            observed_generation: status.observed_generation,
            access_version: workspace.access_version,
            version: workspace.version.number(),
            api_endpoint: status.api_endpoint,
            host_cluster: workspace.host_cluster.to_string(),
            kubernetes_version: workspace.kubernetes_version.to_string(),
            gitops: GitOpsView::of(&workspace.gitops, &status.gitops),
            conditions: status.conditions.into_iter().map(ConditionView::from).collect(),
            created_at: workspace.created_at,
            updated_at: workspace.updated_at,
        }
    }
}

/// Workspace, and the task of the requested operation.
#[derive(Debug, Serialize, ToSchema)]
struct WorkspaceWithTask {
    #[serde(flatten)]
    workspace: WorkspaceView,
    /// Id of the task; null if the request started no long-running operation.
    #[schema(required)]
    task_id: Option<schema::TaskId>,
}

impl WorkspaceWithTask {
    /// Returns the response to a request that started a long-running operation.
    fn accepted(change: WorkspaceTask) -> ApiResponse<Self> {
        let (version, location) = (change.workspace.version, location(&change.workspace));
        ApiResponse::accepted(location, Self::from(change)).version(version)
    }
}

impl From<WorkspaceTask> for WorkspaceWithTask {
    fn from(change: WorkspaceTask) -> Self {
        Self { workspace: change.workspace.into(), task_id: change.task_id.map(Into::into) }
    }
}

fn location(workspace: &Workspace) -> String {
    format!("/api/v1/organizations/{}/workspaces/{}", workspace.organization_id, workspace.id)
}

/// Create a workspace
///
/// Its cluster is created in the background; the task shows the progress. The caller becomes its administrator.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces", tag = "Workspaces",
    params(OrganizationPath), request_body = NewWorkspace,
    responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Body(body): Body<NewWorkspace>,
) -> ApiResult<ApiResponse<WorkspaceWithTask>> {
    let created = platform.workspaces().create(&caller, path.org, &body.parse()?).await?;
    Ok(WorkspaceWithTask::accepted(created.value).replayed(created.replayed))
}

/// List the workspaces of an organization
///
/// Owners, administrators and billing members receive all of them, members only those in whose groups they are.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces", tag = "Workspaces",
    params(OrganizationPath, WorkspaceQuery), responses((status = 200, body = List<WorkspaceView>), Problems),
    extensions(("x-hexabase-action" = json!("workspaces.list"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    pager: Pager,
    Query(query): Query<WorkspaceQuery>,
) -> ApiResult<Json<List<WorkspaceView>>> {
    let (page, filter) = (pager.request(&query.page())?, query.parse()?);
    let page = platform.workspaces().list(&caller, path.org, &filter, &page).await?;
    pager.list(page, WorkspaceView::from)
}

/// Get a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = WorkspaceView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<ApiResponse<WorkspaceView>> {
    let found = platform.workspaces().get(&caller, path.org, path.ws).await?;
    let version = found.version;
    Ok(ApiResponse::ok(found.into()).version(version))
}

/// Update a workspace
///
/// A new plan or version, and access of GitOps tools, are applied to the cluster in the background: the response is then
/// 202, and the task shows the progress. Access of GitOps tools requires the permission to assign roles in the workspace.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}", tag = "Workspaces",
    params(WorkspacePath), request_body = WorkspacePatch,
    responses((status = 200, body = WorkspaceWithTask), (status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.update"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    expected: IfMatch,
    Body(body): Body<WorkspacePatch>,
) -> ApiResult<ApiResponse<WorkspaceWithTask>> {
    let workspaces = platform.workspaces();
    let changed = workspaces.update(&caller, path.org, path.ws, &body.parse()?, expected.version()).await?;
    if changed.task_id.is_some() {
        return Ok(WorkspaceWithTask::accepted(changed));
    }
    let version = changed.workspace.version;
    Ok(ApiResponse::ok(changed.into()).version(version))
}

/// Delete a workspace with everything in it
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}", tag = "Workspaces",
    params(WorkspacePath), responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.delete"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    expected: IfMatch,
) -> ApiResult<ApiResponse<WorkspaceWithTask>> {
    let change = platform.workspaces().delete(&caller, path.org, path.ws, expected.version()).await?;
    Ok(WorkspaceWithTask::accepted(change))
}

/// Suspend a workspace
///
/// No pods run. Objects and volumes are kept, and controllers create their pods again when the workspace is resumed.
/// Pods without a controller, such as those of `kubectl run`, and data outside of volumes are lost.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/suspend", tag = "Workspaces",
    params(WorkspacePath), responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.suspend"))))]
async fn suspend(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<ApiResponse<WorkspaceWithTask>> {
    let change = platform.workspaces().suspend(&caller, path.org, path.ws).await?;
    Ok(WorkspaceWithTask::accepted(change.value).replayed(change.replayed))
}

/// Resume a suspended workspace
///
/// Pods without a controller that ran before the suspension are not created again.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/resume", tag = "Workspaces",
    params(WorkspacePath), responses((status = 202, body = WorkspaceWithTask), Problems),
    extensions(("x-hexabase-action" = json!("workspace.resume"))))]
async fn resume(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<ApiResponse<WorkspaceWithTask>> {
    let change = platform.workspaces().resume(&caller, path.org, path.ws).await?;
    Ok(WorkspaceWithTask::accepted(change.value).replayed(change.replayed))
}
