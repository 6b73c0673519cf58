//! Members of organizations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::{Check, Error};
use hexabase_core::model::{Member, OrganizationRole, User};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtMember, InOrganization};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set_role, remove))
}

/// Somebody who can act.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserView {
    /// Who it is.
    #[schema(example = "usr_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// `person` or `service_account`.
    #[schema(example = "person")]
    kind: String,
    /// The verified address; service accounts have none.
    email: Option<String>,
    /// The name to show.
    #[schema(example = "Ann")]
    name: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            kind: user.kind.to_string(),
            email: user.email.map(|email| email.to_string()),
            name: user.name.to_string(),
        }
    }
}

/// Somebody's place in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct MemberView {
    /// Who.
    user: UserView,
    #[serde(flatten)]
    place: PlaceView,
}

/// What somebody is in an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Place)]
pub(super) struct PlaceView {
    /// Which organization.
    organization_id: String,
    /// Who.
    user_id: String,
    /// `owner`, `admin`, `billing` or `member`.
    #[schema(example = "member")]
    role: String,
    /// Since when.
    created_at: Timestamp,
    /// When the role last changed.
    updated_at: Timestamp,
    /// Raised by every change of the role.
    version: u64,
}

impl From<Member> for PlaceView {
    fn from(member: Member) -> Self {
        Self {
            organization_id: member.organization_id.to_string(),
            user_id: member.user_id.to_string(),
            role: member.role.to_string(),
            created_at: member.created_at,
            updated_at: member.updated_at,
            version: member.version.number(),
        }
    }
}

/// List the people in an organization.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/members", tag = "Organizations",
    params(InOrganization, PageQuery), responses((status = 200, body = List<MemberView>), Problems),
    extensions(("x-hexabase-action" = json!("members.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<MemberView>>> {
    let page = app.platform.members().list(&caller, at.org, &pager.request(&query)?).await?;
    pager.list(page, |(member, user)| MemberView { user: user.into(), place: member.into() })
}

/// What somebody should be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleChange {
    /// `owner`, `admin`, `billing` or `member`.
    #[schema(example = "admin")]
    role: String,
}

/// Reads the role of a request, where it names one.
pub(super) fn role(text: &str) -> Result<OrganizationRole, Error> {
    let mut check = Check::default();
    let role = check.field("role", text.parse());
    check.all(role)
}

/// Change a member's role. Only owners make owners and change owners; the last owner stays one.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/members/{user}", tag = "Organizations",
    params(AtMember), request_body = RoleChange, responses((status = 200, body = PlaceView), Problems),
    extensions(("x-hexabase-action" = json!("members.manage"))))]
async fn set_role(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtMember>,
    expected: IfMatch,
    Body(wanted): Body<RoleChange>,
) -> Answer<Reply<PlaceView>> {
    let role = role(&wanted.role)?;
    let member = app.platform.members().set_role(&caller, at.org, at.user, role, expected.version()).await?;
    let version = member.version;
    Ok(Reply::ok(member.into()).version(version))
}

/// Take somebody out of an organization, and out of every group in it. Everybody may leave.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/members/{user}", tag = "Organizations",
    params(AtMember), responses((status = 204, description = "They are no member any more."), Problems),
    extensions(("x-hexabase-action" = json!("members.manage"))))]
async fn remove(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtMember>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    app.platform.members().remove(&caller, at.org, at.user, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}
