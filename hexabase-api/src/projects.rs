//! Projects of workspaces.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::error::{Check, Result};
use hexabase_core::model::{Project, Wait, WaitReason, Workspace};
use hexabase_core::name::{DisplayName, ProjectName};
use hexabase_core::platform::CreateProject;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::optional_field::{nullable, parse_nullable, parse_optional};
use crate::path_params::{ProjectPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, Pager};
use crate::schema::{self, ResourceAmounts};
use crate::tree_list::{Tree, TreeQuery, View, build_tree};

/// Tags of the area in the OpenAPI document, and schemas that the derive of a response does not register.
#[derive(OpenApi)]
#[openapi(tags((name = "Projects", description = "Projects of workspaces: namespaces with a quota.")), components(schemas(Tree<ProjectView>, View)))]
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

/// Parses a quota.
fn parse_quota(check: &mut Check, amounts: &ResourceAmounts) -> Quota {
    let mut quota = Quota::new();
    for (name, amount) in amounts.iter() {
        let field = format!("quota.{name}");
        let resource: Option<Resource> = check.field(field.clone(), name.parse());
        let amount: Option<Quantity> = check.field(field, amount.parse());
        if let (Some(resource), Some(amount)) = (resource, amount) {
            quota.set(resource, amount);
        }
    }
    quota
}

/// Project to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProject {
    /// Name of the project and of its namespace: a DNS label that is not reserved.
    #[schema(example = "shop")]
    name: String,
    /// Name for display; none by default.
    display_name: Option<String>,
    /// Id of the parent project; a root by default.
    #[schema(value_type = Option<schema::ProjectId>)]
    parent_id: Option<String>,
    /// Maximum resource consumption: amounts by resource, as Kubernetes quantities.
    #[serde(default)]
    #[schema(example = json!({"cpu": "500m", "memory": "1Gi"}))]
    quota: ResourceAmounts,
}

impl NewProject {
    fn command(&self) -> Result<CreateProject> {
        let mut check = Check::default();
        let name = check.field("name", ProjectName::parse(&self.name));
        let display_name =
            check.field("display_name", parse_optional(&self.display_name, DisplayName::parse));
        let parent_id = check.field("parent_id", parse_optional(&self.parent_id, str::parse));
        let quota = parse_quota(&mut check, &self.quota);
        let (name, display_name, parent_id) = check.all((name, display_name, parent_id))?;
        Ok(CreateProject { name, display_name, parent_id, quota })
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
    let created = platform.projects().create(&caller, path.org, path.ws, &body.command()?).await?;
    let (project, workspace) = created.value;
    let location =
        format!("/api/v1/organizations/{}/workspaces/{}/projects/{}", path.org, path.ws, project.id);
    let version = project.version;
    let view = ProjectView::new(project, &workspace);
    Ok(ApiResponse::created(location, view).version(version).replayed(created.replayed))
}

/// List the projects of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects", tag = "Projects",
    params(WorkspacePath, TreeQuery), responses((status = 200, body = List<Tree<ProjectView>>), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    pager: Pager,
    Query(query): Query<TreeQuery>,
) -> ApiResult<Response> {
    let (text, page) = (query.text()?, pager.request(&query.page())?);
    match query.view {
        View::Flat => {
            let (page, workspace) =
                platform.projects().list(&caller, path.org, path.ws, text.as_ref(), &page).await?;
            Ok(pager.list(page, |project| ProjectView::new(project, &workspace))?.into_response())
        }
        View::Tree => {
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

/// Changes to a project. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectPatch {
    /// Name for display; null removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
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
    let mut check = Check::default();
    let display_name = check.field("display_name", parse_nullable(&body.display_name, DisplayName::parse));
    let display_name = check.all(display_name)?;
    let scope = (path.org, path.ws, path.prj);
    let projects = platform.projects();
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
    let mut check = Check::default();
    let quota = parse_quota(&mut check, &body);
    check.done()?;
    let scope = (path.org, path.ws, path.prj);
    let projects = platform.projects();
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
