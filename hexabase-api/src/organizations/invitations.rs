//! Invitations to organizations.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::model::Invitation;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{Acceptance, InvitationReference, NewInvitation};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::organizations::organization::OwnOrganization;
use crate::path_params::{InvitationPath, OrganizationPath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(withdraw)).routes(routes!(accept))
}

/// Invitation to join an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
struct InvitationView {
    /// Id of the invitation.
    id: schema::InvitationId,
    /// Id of the organization to join.
    organization_id: schema::OrganizationId,
    /// Invited e-mail address.
    #[schema(format = "email")]
    email: String,
    /// Role of the new member.
    role: schema::OrganizationRole,
    /// Id of the user who sent the invitation.
    invited_by: schema::UserId,
    /// Creation time.
    created_at: Timestamp,
    /// Time until which the invitation can be accepted.
    expires_at: Timestamp,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id.into(),
            organization_id: invitation.organization_id.into(),
            email: invitation.email.to_string(),
            role: invitation.role.into(),
            invited_by: invitation.invited_by.into(),
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

/// Invite a user to an organization
///
/// The token is sent to the e-mail address only, and is valid for seven days. An address has one open invitation to the
/// organization (`already_invited`), and ten to all organizations together. The invitations of a day are limited per
/// address, organization and caller.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/invitations", tag = "Organizations",
    params(OrganizationPath), request_body = NewInvitation,
    responses((status = 201, body = InvitationView), Problems),
    extensions(("x-hexabase-action" = json!("invitation.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Body(body): Body<NewInvitation>,
) -> ApiResult<ApiResponse<InvitationView>> {
    let created = platform.invitations().create(&caller, path.org, &body.parse()?).await?;
    let location = format!("/api/v1/organizations/{}/invitations/{}", path.org, created.value.id);
    Ok(ApiResponse::created(location, created.value.into()).replayed(created.replayed))
}

/// List the invitations of an organization, open and expired
#[utoipa::path(get, path = "/api/v1/organizations/{org}/invitations", tag = "Organizations",
    params(OrganizationPath, PageQuery), responses((status = 200, body = List<InvitationView>), Problems),
    extensions(("x-hexabase-action" = json!("invitations.manage"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<InvitationView>>> {
    let page = platform.invitations().list(&caller, path.org, &pager.request(&query)?).await?;
    pager.list(page, InvitationView::from)
}

/// Withdraw an invitation
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/invitations/{inv}", tag = "Organizations",
    params(InvitationPath), responses((status = 204, description = "The invitation can no longer be accepted."), Problems),
    extensions(("x-hexabase-action" = json!("invitations.manage"))))]
async fn withdraw(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<InvitationPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.invitations().withdraw(&caller, path.org, path.inv).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept an invitation
///
/// It must have been sent to a verified e-mail address of the caller, and can be accepted once.
#[utoipa::path(post, path = "/api/v1/invitations/accept", tag = "Organizations", request_body = Acceptance,
    responses((status = 200, body = OwnOrganization), Problems))]
async fn accept(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Body(body): Body<Acceptance>,
) -> ApiResult<ApiResponse<OwnOrganization>> {
    let invitations = platform.invitations();
    let joined = match body.parse()? {
        InvitationReference::Token(token) => invitations.accept(&caller, &token).await?,
        InvitationReference::Id(id) => invitations.accept_by_id(&caller, id).await?,
    };
    Ok(ApiResponse::ok(joined.value.into()).replayed(joined.replayed))
}
