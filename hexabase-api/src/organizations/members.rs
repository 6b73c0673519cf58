//! Members of organizations.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::model::{Member, User};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{MemberQuery, MemberRoleUpdate};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{MemberPath, OrganizationPath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set_role, remove))
}

/// Person or service account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// Id of the user.
    id: schema::UserId,
    /// Kind of the user.
    kind: schema::UserKind,
    /// Verified e-mail address; null for a service account.
    #[schema(format = "email", required)]
    email: Option<String>,
    /// Name for display.
    #[schema(example = "Ann")]
    name: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.into(),
            kind: user.kind.into(),
            email: user.email.map(|email| email.to_string()),
            name: user.name.to_string(),
        }
    }
}

/// Member of an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView {
    /// User who is the member.
    user: UserView,
    #[serde(flatten)]
    membership: MembershipView,
}

impl From<(Member, User)> for MemberView {
    fn from((member, user): (Member, User)) -> Self {
        Self { user: user.into(), membership: member.into() }
    }
}

/// Membership of a user in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
pub(crate) struct MembershipView {
    /// Id of the organization.
    organization_id: schema::OrganizationId,
    /// Id of the user.
    user_id: schema::UserId,
    /// Role of the member.
    role: schema::OrganizationRole,
    /// Time at which the user became a member.
    created_at: Timestamp,
    /// Time of the last change of the role.
    updated_at: Timestamp,
    /// Version, incremented by every change of the role.
    version: u64,
}

impl From<Member> for MembershipView {
    fn from(member: Member) -> Self {
        Self {
            organization_id: member.organization_id.into(),
            user_id: member.user_id.into(),
            role: member.role.into(),
            created_at: member.created_at,
            updated_at: member.updated_at,
            version: member.version.number(),
        }
    }
}

/// List the members of an organization
#[utoipa::path(get, path = "/api/v1/organizations/{org}/members", tag = "Organizations",
    params(OrganizationPath, MemberQuery), responses((status = 200, body = List<MemberView>), Problems),
    extensions(("x-hexabase-action" = json!("members.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    pager: Pager,
    Query(query): Query<MemberQuery>,
) -> ApiResult<Json<List<MemberView>>> {
    let page = pager.request(&query.page())?;
    let page = platform.members().list(&caller, path.org, &query.parse()?, &page).await?;
    pager.list(page, MemberView::from)
}

/// Change the role of a member
///
/// Only owners grant or change the owner role; the last owner keeps it.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/members/{user}", tag = "Organizations",
    params(MemberPath), request_body = MemberRoleUpdate, responses((status = 200, body = MembershipView), Problems),
    extensions(("x-hexabase-action" = json!("members.manage"))))]
async fn set_role(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<MemberPath>,
    expected: IfMatch,
    Body(body): Body<MemberRoleUpdate>,
) -> ApiResult<ApiResponse<MembershipView>> {
    let (members, role) = (platform.members(), body.parse()?);
    let member = members.set_role(&caller, path.org, path.user, role, expected.version()).await?;
    let version = member.version;
    Ok(ApiResponse::ok(member.into()).version(version))
}

/// Remove a member from an organization
///
/// The user leaves all groups of its workspaces, too. Every member may remove themselves; only owners remove owners,
/// and the last owner cannot be removed.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/members/{user}", tag = "Organizations",
    params(MemberPath), responses((status = 204, description = "The user is no longer a member."), Problems),
    extensions(("x-hexabase-action" = json!("members.manage"))))]
async fn remove(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<MemberPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    platform.members().remove(&caller, path.org, path.user, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}
