//! Groups of workspaces, and who is in them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::error::Check;
use hexabase_core::model::Group;
use hexabase_core::name::GroupName;
use hexabase_core::platform::{CreateGroup, GroupMember, UpdateGroup};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::{clearable, given, optional};
use super::members::UserView;
use super::place::{AtGroup, AtGroupMember, InWorkspace};
use super::tree::{Tree, TreeQuery, View, tree};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(members))
        .routes(routes!(add_member, remove_member))
}

/// A group of a workspace. Being in a group means being in all its ancestors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(super) struct GroupView {
    /// Which group.
    #[schema(example = "grp_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// In which workspace.
    workspace_id: String,
    /// Its name, unique in the workspace. In the cluster it is `hexabase:` and this.
    #[schema(example = "developers")]
    name: String,
    /// The group above it; null for a root.
    parent_id: Option<String>,
    /// `members`, `admins` or `users` for the groups that every workspace has.
    preset: Option<String>,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// Raised by every change of the group itself.
    version: u64,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.to_string(),
            workspace_id: group.workspace_id.to_string(),
            name: group.name.to_string(),
            parent_id: group.parent_id.map(|id| id.to_string()),
            preset: group.preset.map(|preset| preset.to_string()),
            created_at: group.created_at,
            updated_at: group.updated_at,
            version: group.version.number(),
        }
    }
}

/// What a new group is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    /// Its name, unique in the workspace: letters, digits, `.`, `_` and `-`.
    #[schema(example = "developers")]
    name: String,
    /// The group above it; none for a root.
    parent_id: Option<String>,
}

/// Make a group.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups", tag = "Groups",
    params(InWorkspace), request_body = NewGroup, responses((status = 201, body = GroupView), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    Body(wanted): Body<NewGroup>,
) -> Answer<Reply<GroupView>> {
    let mut check = Check::default();
    let name = check.field("name", GroupName::parse(&wanted.name));
    let parent_id = check.field("parent_id", optional(&wanted.parent_id, str::parse));
    let (name, parent_id) = check.all((name, parent_id))?;
    let made = app.platform.groups().create(&caller, at.org, at.ws, &CreateGroup { name, parent_id }).await?;
    let location = format!("/api/v1/organizations/{}/workspaces/{}/groups/{}", at.org, at.ws, made.value.id);
    let version = made.value.version;
    Ok(Reply::created(location, made.value.into()).version(version).replayed(made.replayed))
}

/// List the groups of a workspace.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups", tag = "Groups",
    params(InWorkspace, TreeQuery), responses((status = 200, body = List<Tree<GroupView>>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    pager: Pager,
    Query(query): Query<TreeQuery>,
) -> Answer<Response> {
    let page = pager.request(&query.page())?;
    match query.view {
        View::Flat => {
            let page = app.platform.groups().list(&caller, at.org, at.ws, &page).await?;
            Ok(pager.list(page, GroupView::from)?.into_response())
        }
        View::Tree => {
            let all = app.platform.groups().all(&caller, at.org, at.ws).await?;
            let nodes = all.into_iter().map(|group| (group.id, group.parent_id, GroupView::from(group)));
            Ok(Json(List::whole(tree(nodes.collect()))).into_response())
        }
    }
}

/// Show a group.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}", tag = "Groups",
    params(AtGroup), responses((status = 200, body = GroupView), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtGroup>,
) -> Answer<Reply<GroupView>> {
    let found = app.platform.groups().get(&caller, at.org, at.ws, at.grp).await?;
    let version = found.version;
    Ok(Reply::ok(found.into()).version(version))
}

/// What to change about a group; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupChange {
    /// Its name.
    name: Option<String>,
    /// The group above it; null makes it a root.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    parent_id: Option<Option<String>>,
}

/// Change a group's name or place.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}", tag = "Groups",
    params(AtGroup), request_body = GroupChange, responses((status = 200, body = GroupView), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn update(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtGroup>,
    expected: IfMatch,
    Body(wanted): Body<GroupChange>,
) -> Answer<Reply<GroupView>> {
    let mut check = Check::default();
    let name = check.field("name", optional(&wanted.name, GroupName::parse));
    let parent_id = check.field("parent_id", clearable(&wanted.parent_id, str::parse));
    let (name, parent_id) = check.all((name, parent_id))?;
    let command = UpdateGroup { name, parent_id };
    let groups = app.platform.groups();
    let changed = groups.update(&caller, at.org, at.ws, at.grp, &command, expected.version()).await?;
    let version = changed.version;
    Ok(Reply::ok(changed.into()).version(version))
}

/// Remove a group that has neither members nor groups below it.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}", tag = "Groups",
    params(AtGroup), responses((status = 204, description = "It is gone."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn delete(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtGroup>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    app.platform.groups().delete(&caller, at.org, at.ws, at.grp, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody in a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupMember)]
struct GroupMemberView {
    /// Who.
    user: UserView,
    /// The groups they were put in that make them a member of this one.
    through: Vec<String>,
}

impl From<GroupMember> for GroupMemberView {
    fn from(member: GroupMember) -> Self {
        let through = member.through.iter().map(ToString::to_string).collect();
        Self { user: member.user.into(), through }
    }
}

/// Which members of a group to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MembersQuery {
    /// Whether to show those in the groups below it, too.
    #[serde(default)]
    effective: bool,
    /// How many entries at most, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<String>,
}

/// List who is in a group.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members", tag = "Groups",
    params(AtGroup, MembersQuery), responses((status = 200, body = List<GroupMemberView>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn members(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtGroup>,
    pager: Pager,
    Query(query): Query<MembersQuery>,
) -> Answer<Json<List<GroupMemberView>>> {
    let page = pager.request(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let place = (at.org, at.ws, at.grp);
    let page = app.platform.groups().members(&caller, place, query.effective, &page).await?;
    pager.list(page, GroupMemberView::from)
}

/// Put somebody in a group. Their next token has it.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members/{user}",
    tag = "Groups", params(AtGroupMember), responses((status = 204, description = "They are in it."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn add_member(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtGroupMember>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.groups().add_member(&caller, at.org, at.ws, at.grp, at.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take somebody out of a group. Their next token does not have it any more.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members/{user}",
    tag = "Groups", params(AtGroupMember),
    responses((status = 204, description = "They are not in it any more."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn remove_member(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtGroupMember>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.groups().remove_member(&caller, at.org, at.ws, at.grp, at.user).await?;
    Ok(StatusCode::NO_CONTENT)
}
