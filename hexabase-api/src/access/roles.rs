//! Preset roles, and custom roles of projects.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::access::preset_rules;
use hexabase_core::model::{CustomRole, PresetRole};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{NewRole, RolePatch, RoleRule};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{ProjectPath, RolePath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(presets))
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// Scope in which a role is assigned: the workspace as a whole, or a project of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RoleScope {
    Workspace,
    Project,
}

/// Role that every workspace has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresetRole)]
struct PresetView {
    /// Name of the role and of its ClusterRole.
    name: schema::PresetRoleName,
    /// Scope in which the role is assigned.
    scope: RoleScope,
    /// Rules of the role.
    rules: Vec<RoleRule>,
}

/// List the preset roles
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/roles", tag = "Roles",
    params(WorkspacePath), responses((status = 200, body = List<PresetView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn presets(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<List<PresetView>>> {
    platform.roles().permit_read(&caller, (path.org, path.ws, None)).await?;
    let view = |preset: &PresetRole| PresetView {
        name: (*preset).into(),
        scope: if preset.is_for_workspace() { RoleScope::Workspace } else { RoleScope::Project },
        rules: preset_rules(*preset).into_iter().map(RoleRule::from).collect(),
    };
    Ok(Json(List::complete(PresetRole::ALL.iter().map(view).collect())))
}

/// Custom role of a project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomRole)]
struct RoleView {
    /// Id of the role.
    id: schema::RoleId,
    /// Id of the project.
    project_id: schema::ProjectId,
    /// Name, unique in the project.
    #[schema(example = "deployer")]
    name: String,
    /// Rules of the role.
    rules: Vec<RoleRule>,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<CustomRole> for RoleView {
    fn from(role: CustomRole) -> Self {
        Self {
            id: role.id.into(),
            project_id: role.project_id.into(),
            name: role.name.to_string(),
            rules: role.rules.into_iter().map(RoleRule::from).collect(),
            created_at: role.created_at,
            updated_at: role.updated_at,
            version: role.version.number(),
        }
    }
}

/// Create a custom role in a project
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles", tag = "Roles",
    params(ProjectPath), request_body = NewRole, responses((status = 201, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("role.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    Body(body): Body<NewRole>,
) -> ApiResult<ApiResponse<RoleView>> {
    let scope = (path.org, path.ws, path.prj);
    let created = platform.roles().create(&caller, scope, &body.parse()?).await?;
    let location = format!(
        "/api/v1/organizations/{}/workspaces/{}/projects/{}/roles/{}",
        path.org, path.ws, path.prj, created.value.id
    );
    let version = created.value.version;
    Ok(ApiResponse::created(location, created.value.into()).version(version).replayed(created.replayed))
}

/// List the custom roles of a project
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles", tag = "Roles",
    params(ProjectPath, PageQuery), responses((status = 200, body = List<RoleView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<RoleView>>> {
    let scope = (path.org, path.ws, path.prj);
    let page = platform.roles().list(&caller, scope, &pager.request(&query)?).await?;
    pager.list(page, RoleView::from)
}

/// Get a custom role
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}", tag = "Roles",
    params(RolePath), responses((status = 200, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<RolePath>,
) -> ApiResult<ApiResponse<RoleView>> {
    let found = platform.roles().get(&caller, (path.org, path.ws, path.prj), path.rol).await?;
    let version = found.version;
    Ok(ApiResponse::ok(found.into()).version(version))
}

/// Update a custom role
///
/// The change applies to all groups that have the role.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
    tag = "Roles", params(RolePath), request_body = RolePatch,
    responses((status = 200, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<RolePath>,
    expected: IfMatch,
    Body(body): Body<RolePatch>,
) -> ApiResult<ApiResponse<RoleView>> {
    let (scope, command) = ((path.org, path.ws, path.prj), body.parse()?);
    let changed = platform.roles().update(&caller, scope, path.rol, &command, expected.version()).await?;
    let version = changed.version;
    Ok(ApiResponse::ok(changed.into()).version(version))
}

/// Delete a custom role that is not assigned
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
    tag = "Roles", params(RolePath), responses((status = 204, description = "The role is deleted."), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<RolePath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    let scope = (path.org, path.ws, path.prj);
    platform.roles().delete(&caller, scope, path.rol, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}
