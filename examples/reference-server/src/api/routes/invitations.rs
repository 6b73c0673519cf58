//! Invitations into organizations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use hexabase_core::error::{Check, Error};
use hexabase_core::id::InvitationId;
use hexabase_core::model::Invitation;
use hexabase_core::name::Email;
use hexabase_core::platform::CreateInvitation;
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::organizations::OwnOrganization;
use super::place::{AtInvitation, InOrganization};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(withdraw)).routes(routes!(accept))
}

/// An offer to join an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
struct InvitationView {
    /// Which invitation.
    id: String,
    /// Into which organization.
    organization_id: String,
    /// Whom.
    email: String,
    /// As what.
    role: String,
    /// Who invited.
    invited_by: String,
    /// When.
    created_at: Timestamp,
    /// Until when it can be accepted.
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            organization_id: invitation.organization_id.to_string(),
            email: invitation.email.to_string(),
            role: invitation.role.to_string(),
            invited_by: invitation.invited_by.to_string(),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// Whom to invite, and as what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    /// Whom: they must have this address, verified.
    #[schema(example = "bob@example.com")]
    email: String,
    /// `owner`, `admin`, `billing` or `member`.
    #[schema(example = "member")]
    role: String,
}

/// Invite somebody. The token goes to the address by mail and nowhere else, and is good for seven days.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/invitations", tag = "Organizations",
    params(InOrganization), request_body = NewInvitation,
    responses((status = 201, body = InvitationView), Problems),
    extensions(("x-hexabase-action" = json!("invitations.manage"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Body(wanted): Body<NewInvitation>,
) -> Answer<Reply<InvitationView>> {
    let mut check = Check::default();
    let email = check.field("email", Email::parse(&wanted.email));
    let role = check.field("role", wanted.role.parse());
    let (email, role) = check.all((email, role))?;
    let made = app.platform.invitations().create(&caller, at.org, &CreateInvitation { email, role }).await?;
    let location = format!("/api/v1/organizations/{}/invitations/{}", at.org, made.value.id);
    Ok(Reply::created(location, made.value.into()).replayed(made.replayed))
}

/// List the invitations of an organization, open and expired.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/invitations", tag = "Organizations",
    params(InOrganization, PageQuery), responses((status = 200, body = List<InvitationView>), Problems),
    extensions(("x-hexabase-action" = json!("invitations.manage"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<InvitationView>>> {
    let page = app.platform.invitations().list(&caller, at.org, &pager.request(&query)?).await?;
    pager.list(page, InvitationView::from)
}

/// Withdraw an invitation.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/invitations/{inv}", tag = "Organizations",
    params(AtInvitation), responses((status = 204, description = "It cannot be accepted any more."), Problems),
    extensions(("x-hexabase-action" = json!("invitations.manage"))))]
async fn withdraw(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtInvitation>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    expected.require_any()?;
    app.platform.invitations().withdraw(&caller, at.org, at.inv).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which invitation to accept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Acceptance {
    /// The token from the mail.
    #[schema(value_type = Option<String>, format = Password)]
    token: Option<SecretString>,
    /// Instead of it: an invitation that `/auth/me` offers.
    #[schema(value_type = Option<String>, example = "inv_01h455vb4pex5vsknk084sn02q")]
    invitation_id: Option<InvitationId>,
}

/// Accept an invitation. It must have been sent to an address of yours, and works once.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "Organizations", request_body = Acceptance,
    responses((status = 200, body = OwnOrganization), Problems))]
async fn accept(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Body(wanted): Body<Acceptance>,
) -> Answer<Reply<OwnOrganization>> {
    let invitations = app.platform.invitations();
    let joined = match (wanted.token, wanted.invitation_id) {
        (Some(token), None) => invitations.accept(&caller, &token).await?,
        (None, Some(id)) => invitations.accept_offered(&caller, id).await?,
        _ => return Err(Error::invalid("token", "must be there, or else invitation_id").into()),
    };
    Ok(Reply::ok(joined.value.into()).replayed(joined.replayed))
}
