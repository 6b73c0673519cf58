//! Members of workspaces: whoever is in any of its groups.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::groups::GroupView;
use super::members::UserView;
use super::place::{AtWorkspaceMember, InWorkspace};
use crate::api::edge::SignedIn;
use crate::api::extract::{IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(add, remove)).routes(routes!(groups_of))
}

/// List who is in a workspace.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/members", tag = "Workspaces",
    params(InWorkspace, PageQuery), responses((status = 200, body = List<UserView>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<UserView>>> {
    let page = pager.request(&query)?;
    let page = app.platform.workspace_members().list(&caller, at.org, at.ws, &page).await?;
    pager.list(page, UserView::from)
}

/// Put a member of the organization in the workspace, in the group `WorkspaceMembers`.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/workspaces/{ws}/members/{user}", tag = "Workspaces",
    params(AtWorkspaceMember), responses((status = 204, description = "They are in it."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn add(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtWorkspaceMember>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.workspace_members().add(&caller, at.org, at.ws, at.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// Whether the tokens that they still have, for ten minutes at most, are to be worth nothing either.
    #[serde(default)]
    #[param(default = false)]
    now: bool,
}

/// Take somebody out of every group of the workspace.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/members/{user}", tag = "Workspaces",
    params(AtWorkspaceMember, RemoveQuery),
    responses((status = 204, description = "They are in none of its groups."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn remove(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtWorkspaceMember>,
    Query(query): Query<RemoveQuery>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.workspace_members().remove(&caller, at.org, at.ws, at.user, query.now).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A group that somebody is in, and how.
#[derive(Debug, Serialize, ToSchema)]
struct EffectiveGroup {
    #[serde(flatten)]
    group: GroupView,
    /// From the group they were put in up to this one.
    path: Vec<String>,
}

/// List the groups that somebody is in, with the path that gives each.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/members/{user}/groups", tag = "Groups",
    params(AtWorkspaceMember), responses((status = 200, body = List<EffectiveGroup>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn groups_of(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtWorkspaceMember>,
) -> Answer<Json<List<EffectiveGroup>>> {
    let groups = app.platform.groups().groups_of(&caller, at.org, at.ws, at.user).await?;
    let view = |(group, found): (hexabase_core::model::Group, hexabase_core::access::GroupPath)| {
        EffectiveGroup { group: group.into(), path: found.path.iter().map(ToString::to_string).collect() }
    };
    Ok(Json(List::whole(groups.into_iter().map(view).collect())))
}
