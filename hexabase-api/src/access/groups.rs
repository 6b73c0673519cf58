//! Groups of workspaces and their members.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::model::Group;
use hexabase_core::platform::GroupMember;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{GroupMemberQuery, GroupPatch, NewGroup};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::organizations::members::UserView;
use crate::path_params::{GroupMemberPath, GroupPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::requests::{ListQuery, ListView};
use crate::response::{ApiResponse, List, Pager};
use crate::schema;
use crate::tree_list::{Tree, build_tree};

/// Schemas that the derive of a response does not register.
#[derive(OpenApi)]
#[openapi(components(schemas(Tree<GroupView>, ListView)))]
struct Document;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(members))
        .routes(routes!(add_member, remove_member))
}

/// Group of a workspace. Membership of a group implies membership of all its ancestors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub(crate) struct GroupView {
    /// Id of the group.
    id: schema::GroupId,
    /// Id of the workspace.
    workspace_id: schema::WorkspaceId,
    /// Name, unique in the workspace. With the prefix `hexabase:` it is the name of the group in the cluster.
    #[schema(example = "developers")]
    name: String,
    /// Id of the parent group; null for a root.
    #[schema(required)]
    parent_id: Option<schema::GroupId>,
    /// Preset of a group that every workspace starts with; null for other groups.
    #[schema(required)]
    preset: Option<schema::GroupPreset>,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change of the group itself.
    version: u64,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.into(),
            workspace_id: group.workspace_id.into(),
            name: group.name.to_string(),
            parent_id: group.parent_id.map(Into::into),
            preset: group.preset.map(Into::into),
            created_at: group.created_at,
            updated_at: group.updated_at,
            version: group.version.number(),
        }
    }
}

/// Create a group
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups", tag = "Groups",
    params(WorkspacePath), request_body = NewGroup, responses((status = 201, body = GroupView), Problems),
    extensions(("x-hexabase-action" = json!("group.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Body(body): Body<NewGroup>,
) -> ApiResult<ApiResponse<GroupView>> {
    let created = platform.groups().create(&caller, path.org, path.ws, &body.parse()?).await?;
    let location =
        format!("/api/v1/organizations/{}/workspaces/{}/groups/{}", path.org, path.ws, created.value.id);
    let version = created.value.version;
    Ok(ApiResponse::created(location, created.value.into()).version(version).replayed(created.replayed))
}

/// List the groups of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups", tag = "Groups",
    params(WorkspacePath, ListQuery), responses((status = 200, body = List<Tree<GroupView>>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
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
            let page = platform.groups().list(&caller, path.org, path.ws, text.as_ref(), &page).await?;
            Ok(pager.list(page, GroupView::from)?.into_response())
        }
        ListView::Tree => {
            let all = platform.groups().all(&caller, path.org, path.ws).await?;
            let nodes = all.into_iter().map(|group| (group.id, group.parent_id, GroupView::from(group)));
            Ok(Json(List::complete(build_tree(nodes.collect()))).into_response())
        }
    }
}

/// Get a group
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}", tag = "Groups",
    params(GroupPath), responses((status = 200, body = GroupView), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<GroupPath>,
) -> ApiResult<ApiResponse<GroupView>> {
    let found = platform.groups().get(&caller, path.org, path.ws, path.grp).await?;
    let version = found.version;
    Ok(ApiResponse::ok(found.into()).version(version))
}

/// Rename or move a group
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}", tag = "Groups",
    params(GroupPath), request_body = GroupPatch, responses((status = 200, body = GroupView), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<GroupPath>,
    expected: IfMatch,
    Body(body): Body<GroupPatch>,
) -> ApiResult<ApiResponse<GroupView>> {
    let (groups, command) = (platform.groups(), body.parse()?);
    let changed = groups.update(&caller, path.org, path.ws, path.grp, &command, expected.version()).await?;
    let version = changed.version;
    Ok(ApiResponse::ok(changed.into()).version(version))
}

/// Delete a group without members and children
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}", tag = "Groups",
    params(GroupPath), responses((status = 204, description = "The group is deleted."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<GroupPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    platform.groups().delete(&caller, path.org, path.ws, path.grp, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Member of a group.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupMember)]
struct GroupMemberView {
    /// User who is the member.
    user: UserView,
    /// Ids of the groups with a direct membership that make the user a member of this group.
    through: Vec<schema::GroupId>,
}

impl From<GroupMember> for GroupMemberView {
    fn from(member: GroupMember) -> Self {
        let through = member.through.iter().copied().map(Into::into).collect();
        Self { user: member.user.into(), through }
    }
}

/// List the members of a group
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members", tag = "Groups",
    params(GroupPath, GroupMemberQuery), responses((status = 200, body = List<GroupMemberView>), Problems),
    extensions(("x-hexabase-action" = json!("groups.read"))))]
async fn members(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<GroupPath>,
    pager: Pager,
    Query(query): Query<GroupMemberQuery>,
) -> ApiResult<Json<List<GroupMemberView>>> {
    let page = pager.request(&query.page())?;
    let scope = (path.org, path.ws, path.grp);
    let page = platform.groups().members(&caller, scope, query.effective, &page).await?;
    pager.list(page, GroupMemberView::from)
}

/// Add a member to a group
///
/// The next token of the user contains the group.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members/{user}",
    tag = "Groups", params(GroupMemberPath), responses((status = 204, description = "The user is a member of the group."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn add_member(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<GroupMemberPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.groups().add_member(&caller, path.org, path.ws, path.grp, path.user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a member from a group
///
/// The next token of the user does not contain the group.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/groups/{grp}/members/{user}",
    tag = "Groups", params(GroupMemberPath),
    responses((status = 204, description = "The user is no longer a member of the group."), Problems),
    extensions(("x-hexabase-action" = json!("groups.manage"))))]
async fn remove_member(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<GroupMemberPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.groups().remove_member(&caller, path.org, path.ws, path.grp, path.user).await?;
    Ok(StatusCode::NO_CONTENT)
}
