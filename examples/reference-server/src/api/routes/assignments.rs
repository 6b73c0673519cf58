//! Role assignments: which group has which role, in the workspace as a whole or in a project.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::Check;
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::Assignment;
use hexabase_core::platform::{Caller, CreateAssignment};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtAssignment, AtProjectAssignment, InProject, InWorkspace};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(assign, list))
        .routes(routes!(unassign))
        .routes(routes!(assign_in_project, list_in_project))
        .routes(routes!(unassign_in_project))
}

/// That a group has a role.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RoleAssignment)]
struct AssignmentView {
    /// Which assignment.
    #[schema(example = "asg_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// In which project; null for the workspace as a whole.
    project_id: Option<String>,
    /// Which group.
    group_id: String,
    /// The name of a preset, or the id of a custom role.
    #[schema(example = "hexabase:project-editor")]
    role: String,
    /// Who assigned it.
    created_by: String,
    /// When.
    created_at: Timestamp,
}

impl From<Assignment> for AssignmentView {
    fn from(assignment: Assignment) -> Self {
        Self {
            id: assignment.id.to_string(),
            project_id: assignment.project_id.map(|id| id.to_string()),
            group_id: assignment.group_id.to_string(),
            role: assignment.role.to_string(),
            created_by: assignment.created_by.to_string(),
            created_at: assignment.created_at,
        }
    }
}

/// Which role to give to which group.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAssignment {
    /// To which group: `grp_…`.
    group_id: String,
    /// The name of a preset, or the id of a custom role of the project.
    #[schema(example = "hexabase:project-editor")]
    role: String,
}

/// In which workspace, and in which project of it.
type Place = (OrganizationId, WorkspaceId, Option<ProjectId>);

fn location((org, ws, prj): Place) -> String {
    match prj {
        None => format!("/api/v1/organizations/{org}/workspaces/{ws}/role-assignments"),
        Some(prj) => format!("/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments"),
    }
}

async fn make(
    app: &App,
    caller: &Caller,
    place: Place,
    wanted: &NewAssignment,
) -> Answer<Reply<AssignmentView>> {
    let mut check = Check::default();
    let group_id = check.field("group_id", wanted.group_id.parse());
    let role = check.field("role", wanted.role.parse());
    let (group_id, role) = check.all((group_id, role))?;
    let made = app.platform.roles().assign(caller, place, &CreateAssignment { group_id, role }).await?;
    let location = format!("{}/{}", location(place), made.value.id);
    Ok(Reply::created(location, made.value.into()).replayed(made.replayed))
}

async fn show(
    app: &App,
    caller: &Caller,
    place: Place,
    pager: &Pager,
    query: &PageQuery,
) -> Answer<Json<List<AssignmentView>>> {
    let page = app.platform.roles().list_assignments(caller, place, &pager.request(query)?).await?;
    pager.list(page, AssignmentView::from)
}

/// Give a role to a group in the workspace as a whole.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/role-assignments", tag = "Roles",
    params(InWorkspace), request_body = NewAssignment,
    responses((status = 201, body = AssignmentView), Problems),
    extensions(("x-hexabase-action" = json!("workspace_roles.assign"))))]
async fn assign(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    Body(wanted): Body<NewAssignment>,
) -> Answer<Reply<AssignmentView>> {
    make(&app, &caller, (at.org, at.ws, None), &wanted).await
}

/// List the assignments in the workspace as a whole.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/role-assignments", tag = "Roles",
    params(InWorkspace, PageQuery), responses((status = 200, body = List<AssignmentView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<AssignmentView>>> {
    show(&app, &caller, (at.org, at.ws, None), &pager, &query).await
}

/// Take a role from a group in the workspace as a whole.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/role-assignments/{asg}", tag = "Roles",
    params(AtAssignment), responses((status = 204, description = "The group does not have it any more."), Problems),
    extensions(("x-hexabase-action" = json!("workspace_roles.assign"))))]
async fn unassign(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtAssignment>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.roles().unassign(&caller, (at.org, at.ws, None), at.asg).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a role to a group in a project. A preset also holds in the projects below it.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments",
    tag = "Roles", params(InProject), request_body = NewAssignment,
    responses((status = 201, body = AssignmentView), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn assign_in_project(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    Body(wanted): Body<NewAssignment>,
) -> Answer<Reply<AssignmentView>> {
    make(&app, &caller, (at.org, at.ws, Some(at.prj)), &wanted).await
}

/// List the assignments in a project.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments",
    tag = "Roles", params(InProject, PageQuery), responses((status = 200, body = List<AssignmentView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list_in_project(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<AssignmentView>>> {
    show(&app, &caller, (at.org, at.ws, Some(at.prj)), &pager, &query).await
}

/// Take a role from a group in a project.
#[utoipa::path(delete, tag = "Roles",
    path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/role-assignments/{asg}",
    params(AtProjectAssignment),
    responses((status = 204, description = "The group does not have it any more."), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn unassign_in_project(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtProjectAssignment>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.roles().unassign(&caller, (at.org, at.ws, Some(at.prj)), at.asg).await?;
    Ok(StatusCode::NO_CONTENT)
}
