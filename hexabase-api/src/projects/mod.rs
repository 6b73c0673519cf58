//! Projects of workspaces.

pub mod requests;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::model::{Project, Wait, WaitReason, Workspace};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{ProjectPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::requests::{ListQuery, ListView};
use crate::response::{ApiResponse, List, Pager};
use crate::schema::{self, ResourceAmounts};
use crate::tree_list::{Tree, build_tree};
use requests::{NewProject, ProjectPatch, parse_quota};

/// Tags of the area in the OpenAPI document, and schemas that the derive of a response does not register.
#[derive(OpenApi)]
#[openapi(tags((name = "Projects", description = "Projects of workspaces: namespaces with a quota.")), components(schemas(Tree<ProjectView>, ListView)))]
struct Document;

/// Routes of projects.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(set_quota))
        .routes(routes!(usage))
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}

/// Phase of a project. `pending`: the cluster does not match the project yet. `failed`: the namespace could not be
/// created.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ProjectPhase {
    Pending,
    Ready,
    Failed,
}

/// Part of a workspace: a namespace with its own quota and roles.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(crate) struct ProjectView {
    /// Id of the project.
    id: schema::ProjectId,
    /// Id of the workspace.
    workspace_id: schema::WorkspaceId,
    /// Name of the project and of its namespace.
    #[schema(example = "shop")]
    name: String,
    /// Name for display; null if there is none.
    #[schema(required)]
    display_name: Option<String>,
    /// Id of the parent project; null for a root.
    #[schema(required)]
    parent_id: Option<schema::ProjectId>,
    /// Maximum resource consumption of the project with its descendants.
    #[schema(example = json!({"cpu": "500m", "memory": "1Gi"}))]
    quota: ResourceAmounts,
    /// Phase of the project.
    phase: ProjectPhase,
    /// Reason for which the namespace could not be created; empty otherwise.
    message: String,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change of the project itself.
    version: u64,
}

impl ProjectView {
    fn new(project: Project, workspace: &Workspace) -> Self {
        let status = &workspace.status;
        let waiting = status.waiting_projects.get(&project.id);
        let (phase, message) = match (status.refused_projects.get(&project.id), waiting) {
            (Some(message), _) => (ProjectPhase::Failed, message.clone()),
            (None, Some(since)) => {
                (ProjectPhase::Pending, Wait::new(WaitReason::ProjectNamespaceTerminating).message(*since))
            }
            (None, None) if status.observed_generation >= project.generation => {
                (ProjectPhase::Ready, String::new())
            }
            // The project waits for whatever its workspace waits for.
            (None, None) => (ProjectPhase::Pending, status.message.clone()),
        };
        Self {
            id: project.id.into(),
            workspace_id: project.workspace_id.into(),
            name: project.name.to_string(),
            display_name: project.display_name.map(|name| name.to_string()),
            parent_id: project.parent_id.map(Into::into),
            quota: (&project.quota).into(),
            phase,
            message,
            created_at: project.created_at,
            updated_at: project.updated_at,
            version: project.version.number(),
        }
    }

    /// Returns the response with the current state of a project.
    fn current((project, workspace): (Project, Workspace)) -> ApiResponse<Self> {
        let version = project.version;
        ApiResponse::ok(Self::new(project, &workspace)).version(version)
    }
}

/// Create a project
///
/// Its namespace is created in the background. An existing namespace that Hexabase did not create is never adopted:
/// the project is then `failed`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects", tag = "Projects",
    params(WorkspacePath), request_body = NewProject, responses((status = 201, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("project.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Body(body): Body<NewProject>,
) -> ApiResult<ApiResponse<ProjectView>> {
    let created = platform.projects().create(&caller, path.org, path.ws, &body.parse()?).await?;
    let (project, workspace) = created.value;
    let location =
        format!("/api/v1/organizations/{}/workspaces/{}/projects/{}", path.org, path.ws, project.id);
    let version = project.version;
    let view = ProjectView::new(project, &workspace);
    Ok(ApiResponse::created(location, view).version(version).replayed(created.replayed))
}

/// List the projects of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects", tag = "Projects",
    params(WorkspacePath, ListQuery), responses((status = 200, body = List<Tree<ProjectView>>), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    pager: Pager,
    Query(query): Query<ListQuery>,
) -> ApiResult<Response> {
    let (view, page) = (query.view, pager.request(&query.page())?);
    let text = query.parse()?;
    match view {
        ListView::Flat => {
            let (page, workspace) =
                platform.projects().list(&caller, path.org, path.ws, text.as_ref(), &page).await?;
            Ok(pager.list(page, |project| ProjectView::new(project, &workspace))?.into_response())
        }
        ListView::Tree => {
            let (all, workspace) = platform.projects().all(&caller, path.org, path.ws).await?;
            let node =
                |project: Project| (project.id, project.parent_id, ProjectView::new(project, &workspace));
            Ok(Json(List::complete(build_tree(all.into_iter().map(node).collect()))).into_response())
        }
    }
}

/// Get a project
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}", tag = "Projects",
    params(ProjectPath), responses((status = 200, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
) -> ApiResult<ApiResponse<ProjectView>> {
    Ok(ProjectView::current(platform.projects().get(&caller, path.org, path.ws, path.prj).await?))
}

/// Update a project
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}", tag = "Projects",
    params(ProjectPath), request_body = ProjectPatch, responses((status = 200, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    expected: IfMatch,
    Body(body): Body<ProjectPatch>,
) -> ApiResult<ApiResponse<ProjectView>> {
    let (projects, scope) = (platform.projects(), (path.org, path.ws, path.prj));
    let display_name = body.parse()?;
    Ok(ProjectView::current(projects.update(&caller, scope, display_name, expected.version()).await?))
}

/// Delete a project without children
///
/// Its namespace is deleted with everything in it.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}", tag = "Projects",
    params(ProjectPath), responses((status = 204, description = "The project is deleted; its namespace follows."), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    platform.projects().delete(&caller, (path.org, path.ws, path.prj), expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set the quota of a project
///
/// Amounts by resource. A resource without an amount is not limited, except by the quota of the parent project.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/quota", tag = "Projects",
    params(ProjectPath), request_body(content = ResourceAmounts, example = json!({"cpu": "500m", "memory": "1Gi"})),
    responses((status = 200, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn set_quota(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    expected: IfMatch,
    Body(body): Body<ResourceAmounts>,
) -> ApiResult<ApiResponse<ProjectView>> {
    let (projects, scope) = (platform.projects(), (path.org, path.ws, path.prj));
    let quota = parse_quota(&body)?;
    Ok(ProjectView::current(projects.set_quota(&caller, scope, &quota, expected.version()).await?))
}

/// Resource usage of a project, with its quota.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectUsage)]
struct UsageView {
    /// Time of the measurement; null before the first one.
    #[schema(required)]
    observed_at: Option<Timestamp>,
    /// Quota of the project.
    quota: ResourceAmounts,
    /// Usage of the project.
    used: ResourceAmounts,
}

/// Get the resource usage of a project
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/usage", tag = "Projects",
    params(ProjectPath), responses((status = 200, body = UsageView), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn usage(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
) -> ApiResult<Json<UsageView>> {
    let (project, workspace) = platform.projects().get(&caller, path.org, path.ws, path.prj).await?;
    let measured = workspace.status.usage.and_then(|usage| {
        let used = usage.projects.get(&project.id).map(ResourceAmounts::from)?;
        Some((usage.observed_at, used))
    });
    let (observed_at, used) =
        measured.map_or((None, ResourceAmounts::default()), |(measured_at, used)| (Some(measured_at), used));
    Ok(Json(UsageView { observed_at, quota: (&project.quota).into(), used }))
}
