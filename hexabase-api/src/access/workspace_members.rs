//! Members of workspaces: the members of any of its groups.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::groups::GroupView;
use crate::access::requests::WorkspaceMemberRemoval;
use crate::caller::Authenticated;
use crate::extract::{IfMatch, Path, Query};
use crate::organizations::members::UserView;
use crate::path_params::{WorkspaceMemberPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(add, remove)).routes(routes!(groups_of))
}

/// List the members of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/members", tag = "Workspaces",
    params(WorkspacePath, PageQuery), responses((status = 200, body = List<UserView>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<UserView>>> {
    let page = pager.request(&query)?;
    let page = platform.workspace_members().list(&caller, path.org, path.ws, &page).await?;
    pager.list(page, UserView::from)
}

/// Add a member of the organization to a workspace
///
/// The user becomes a member of the group `WorkspaceMembers`.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/workspaces/{ws}/members/{user}", tag = "Workspaces",
    params(WorkspaceMemberPath), responses((status = 204, description = "The user is a member of the workspace."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn add(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspaceMemberPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.workspace_members().add(&caller, path.org, path.ws, path.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a member from all groups of a workspace
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/members/{user}", tag = "Workspaces",
    params(WorkspaceMemberPath, WorkspaceMemberRemoval),
    responses((status = 204, description = "The user is in no group of the workspace."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn remove(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspaceMemberPath>,
    Query(query): Query<WorkspaceMemberRemoval>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.workspace_members().remove(&caller, path.org, path.ws, path.user, query.now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Group of a user, direct or as an ancestor of a direct one.
#[derive(Debug, Serialize, ToSchema)]
struct EffectiveGroup {
    #[serde(flatten)]
    group: GroupView,
    /// Ids of the groups from the direct membership of the user up to this group.
    path: Vec<schema::GroupId>,
}

/// List the groups of a workspace member
///
/// Includes the ancestors of direct memberships, with the path to each group.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/members/{user}/groups", tag = "Groups",
    params(WorkspaceMemberPath), responses((status = 200, body = List<EffectiveGroup>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn groups_of(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspaceMemberPath>,
) -> ApiResult<Json<List<EffectiveGroup>>> {
    let groups = platform.groups().groups_of(&caller, path.org, path.ws, path.user).await?;
    let view = |(group, found): (hexabase_core::model::Group, hexabase_core::access::GroupPath)| {
        EffectiveGroup { group: group.into(), path: found.path.iter().copied().map(Into::into).collect() }
    };
    Ok(Json(List::complete(groups.into_iter().map(view).collect())))
}
