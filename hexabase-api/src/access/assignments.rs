//! Assignments of roles to groups, in the workspace as a whole or in a project.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::Assignment;
use hexabase_core::platform::Caller;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::NewAssignment;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{AssignmentPath, ProjectAssignmentPath, ProjectPath, WorkspacePath};
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
        .routes(routes!(assign, list))
        .routes(routes!(unassign))
        .routes(routes!(assign_in_project, list_in_project))
        .routes(routes!(unassign_in_project))
}

/// Assignment of a role to a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RoleAssignment)]
struct AssignmentView {
    /// Id of the assignment.
    id: schema::AssignmentId,
    /// Id of the project; null for the workspace as a whole.
    #[schema(required)]
    project_id: Option<schema::ProjectId>,
    /// Id of the group that has the role.
    group_id: schema::GroupId,
    /// Name of a preset, or id of a custom role.
    role: schema::RoleReference,
    /// Id of the user who created the assignment.
    created_by: schema::UserId,
    /// Creation time.
    created_at: Timestamp,
}

impl From<Assignment> for AssignmentView {
    fn from(assignment: Assignment) -> Self {
        Self {
            id: assignment.id.into(),
            project_id: assignment.project_id.map(Into::into),
            group_id: assignment.group_id.into(),
            role: assignment.role.into(),
            created_by: assignment.created_by.into(),
            created_at: assignment.created_at,
        }
    }
}

/// Scope of an assignment: the workspace as a whole, or a project of it.
type AssignmentScope = (OrganizationId, WorkspaceId, Option<ProjectId>);

fn location((org, ws, prj): AssignmentScope) -> String {
    match prj {
        None => format!("/api/v1/organizations/{org}/workspaces/{ws}/role-assignments"),
        Some(prj) => format!("/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments"),
    }
}

async fn create_in(
    platform: &Platform,
    caller: &Caller,
    scope: AssignmentScope,
    body: NewAssignment,
) -> ApiResult<ApiResponse<AssignmentView>> {
    let created = platform.roles().assign(caller, scope, &body.parse()?).await?;
    let location = format!("{}/{}", location(scope), created.value.id);
    Ok(ApiResponse::created(location, created.value.into()).replayed(created.replayed))
}

async fn list_in(
    platform: &Platform,
    caller: &Caller,
    scope: AssignmentScope,
    pager: &Pager,
    query: &PageQuery,
) -> ApiResult<Json<List<AssignmentView>>> {
    let page = platform.roles().list_assignments(caller, scope, &pager.request(query)?).await?;
    pager.list(page, AssignmentView::from)
}

/// Assign a role to a group in the workspace as a whole
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/role-assignments", tag = "Roles",
    params(WorkspacePath), request_body = NewAssignment,
    responses((status = 201, body = AssignmentView), Problems),
    extensions(("x-hexabase-action" = json!("workspace_roles.assign"))))]
async fn assign(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Body(body): Body<NewAssignment>,
) -> ApiResult<ApiResponse<AssignmentView>> {
    create_in(&platform, &caller, (path.org, path.ws, None), body).await
}

/// List the role assignments in the workspace as a whole
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/role-assignments", tag = "Roles",
    params(WorkspacePath, PageQuery), responses((status = 200, body = List<AssignmentView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<AssignmentView>>> {
    list_in(&platform, &caller, (path.org, path.ws, None), &pager, &query).await
}

/// Delete a role assignment in the workspace as a whole
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/role-assignments/{asg}", tag = "Roles",
    params(AssignmentPath), responses((status = 204, description = "The group no longer has the role."), Problems),
    extensions(("x-hexabase-action" = json!("workspace_roles.assign"))))]
async fn unassign(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<AssignmentPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.roles().unassign(&caller, (path.org, path.ws, None), path.asg).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Assign a role to a group in a project
///
/// A preset applies to the descendants of the project, too.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments",
    tag = "Roles", params(ProjectPath), request_body = NewAssignment,
    responses((status = 201, body = AssignmentView), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn assign_in_project(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    Body(body): Body<NewAssignment>,
) -> ApiResult<ApiResponse<AssignmentView>> {
    create_in(&platform, &caller, (path.org, path.ws, Some(path.prj)), body).await
}

/// List the role assignments in a project
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments",
    tag = "Roles", params(ProjectPath, PageQuery), responses((status = 200, body = List<AssignmentView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list_in_project(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<AssignmentView>>> {
    list_in(&platform, &caller, (path.org, path.ws, Some(path.prj)), &pager, &query).await
}

/// Delete a role assignment in a project
#[utoipa::path(delete, tag = "Roles",
    path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments/{asg}",
    params(ProjectAssignmentPath),
    responses((status = 204, description = "The group no longer has the role."), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn unassign_in_project(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectAssignmentPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.roles().unassign(&caller, (path.org, path.ws, Some(path.prj)), path.asg).await?;
    Ok(StatusCode::NO_CONTENT)
}
