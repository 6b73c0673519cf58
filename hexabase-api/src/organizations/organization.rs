//! Organizations.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::model::{Member, Organization, OrganizationCounts};
use hexabase_core::platform::Overview;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{NewOrganization, OrganizationDeletion, OrganizationPatch};
use crate::billing::plans::MoneyView;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::OrganizationPath;
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
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(overview))
}

/// Organization: members with roles, a plan, and workspaces.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub(crate) struct OrganizationView {
    /// Id of the organization.
    id: schema::OrganizationId,
    /// Name, unique in the installation.
    #[schema(example = "acme")]
    name: String,
    /// Name for display.
    #[schema(example = "ACME Inc.")]
    display_name: String,
    /// `true` if the organization was created for one person at their first sign-in.
    personal: bool,
    /// Id of the plan that limits the numbers of members and workspaces.
    #[schema(example = "starter")]
    plan_id: String,
    /// Time at which deletion with all workspaces was requested; null otherwise.
    #[schema(required)]
    deletion_requested_at: Option<Timestamp>,
    /// Suspension by an operator; null if there is none.
    #[schema(required)]
    suspension: Option<SuspensionView>,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change inside the organization.
    version: u64,
}

/// Suspension of an organization by an operator. Its workspaces are suspended, and no new ones are created. Nothing is
/// deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrganizationSuspension)]
struct SuspensionView {
    /// Start of the suspension.
    since: Timestamp,
    /// Reason, as the operator gave it; null if it was not given.
    #[schema(required)]
    reason: Option<String>,
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id.into(),
            name: organization.name.to_string(),
            display_name: organization.display_name.to_string(),
            personal: organization.personal,
            plan_id: organization.plan_id.to_string(),
            deletion_requested_at: organization.deletion_requested_at,
            suspension: organization
                .suspension
                .map(|suspension| SuspensionView { since: suspension.since, reason: suspension.reason }),
            created_at: organization.created_at,
            updated_at: organization.updated_at,
            version: organization.version.number(),
        }
    }
}

/// Organization with the role of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnOrganization {
    #[serde(flatten)]
    organization: OrganizationView,
    /// Role of the caller.
    role: schema::OrganizationRole,
}

impl From<(Organization, Member)> for OwnOrganization {
    fn from((organization, member): (Organization, Member)) -> Self {
        Self { organization: organization.into(), role: member.role.into() }
    }
}

/// Create an organization
///
/// The caller becomes its owner. The installation may reserve names, limit the number of organizations that a user
/// creates, and leave the creation to platform administrators.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "Organizations", request_body = NewOrganization,
    responses((status = 201, body = OrganizationView), Problems))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Body(body): Body<NewOrganization>,
) -> ApiResult<ApiResponse<OrganizationView>> {
    let created = platform.organizations().create(&caller, &body.parse()?).await?;
    let (version, location) = (created.value.version, format!("/api/v1/organizations/{}", created.value.id));
    Ok(ApiResponse::created(location, created.value.into()).version(version).replayed(created.replayed))
}

/// List the organizations of the caller
#[utoipa::path(get, path = "/api/v1/organizations", tag = "Organizations", params(PageQuery),
    responses((status = 200, body = List<OwnOrganization>), Problems))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<OwnOrganization>>> {
    let page = platform.organizations().list(&caller, &pager.request(&query)?).await?;
    pager.list(page, OwnOrganization::from)
}

/// Get an organization
#[utoipa::path(get, path = "/api/v1/organizations/{org}", tag = "Organizations", params(OrganizationPath),
    responses((status = 200, body = OrganizationView), Problems),
    extensions(("x-hexabase-action" = json!("organization.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<ApiResponse<OrganizationView>> {
    let found = platform.organizations().get(&caller, path.org).await?;
    let version = found.version;
    Ok(ApiResponse::ok(found.into()).version(version))
}

/// Update an organization
#[utoipa::path(patch, path = "/api/v1/organizations/{org}", tag = "Organizations", params(OrganizationPath),
    request_body = OrganizationPatch, responses((status = 200, body = OrganizationView), Problems),
    extensions(("x-hexabase-action" = json!("organization.update"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    expected: IfMatch,
    Body(body): Body<OrganizationPatch>,
) -> ApiResult<ApiResponse<OrganizationView>> {
    let organizations = platform.organizations();
    let changed = organizations.update(&caller, path.org, body.parse()?, expected.version()).await?;
    let version = changed.version;
    Ok(ApiResponse::ok(changed.into()).version(version))
}

/// Delete an organization
///
/// Fails while it has workspaces, unless `cascade=true`: then they are deleted first, and the organization is deleted
/// with the last one.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}", tag = "Organizations",
    params(OrganizationPath, OrganizationDeletion),
    responses((status = 204, description = "The organization is deleted."),
        (status = 202, description = "The workspaces of the organization are being deleted."), Problems),
    extensions(("x-hexabase-action" = json!("organization.delete"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    expected: IfMatch,
    Query(query): Query<OrganizationDeletion>,
) -> ApiResult<Response> {
    let organizations = platform.organizations();
    let deleted = organizations.delete(&caller, path.org, query.cascade, expected.version()).await?;
    Ok(if deleted { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED }.into_response())
}

/// Numbers of resources in an organization, with the limits of its plan.
#[derive(Debug, Serialize, ToSchema)]
struct OverviewView {
    /// Id of the organization.
    organization_id: schema::OrganizationId,
    /// Id of the plan.
    plan_id: String,
    /// Members, including open invitations.
    members: LimitUsage,
    /// Workspaces, including those that are being deleted.
    workspaces: LimitUsage,
    /// Number of invitations, open and expired.
    invitations: u32,
    /// Number of service accounts.
    service_accounts: u32,
    /// Cost of the current month so far, at the current prices and without taxes; null without a paid subscription,
    /// and for callers who may not read billing data.
    #[schema(required)]
    month_to_date_cost: Option<MoneyView>,
}

/// Use of a limit.
#[derive(Debug, Serialize, ToSchema)]
struct LimitUsage {
    /// Number of existing resources.
    used: u32,
    /// Maximum number of the plan.
    limit: u32,
}

impl From<Overview> for OverviewView {
    fn from(overview: Overview) -> Self {
        let OrganizationCounts { members, invitations, service_accounts, workspaces, .. } = overview.counts;
        let limits = overview.plan.limits;
        Self {
            organization_id: overview.organization.id.into(),
            plan_id: overview.plan.id.to_string(),
            members: LimitUsage { used: members + invitations, limit: limits.members },
            workspaces: LimitUsage { used: workspaces, limit: limits.workspaces },
            invitations: invitations.saturating_add(overview.expired_invitations),
            service_accounts,
            month_to_date_cost: overview.cost.map(MoneyView::from),
        }
    }
}

/// Get the numbers of resources in an organization
///
/// With the limits of its plan and the cost of the month.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/overview", tag = "Organizations",
    params(OrganizationPath), responses((status = 200, body = OverviewView), Problems),
    extensions(("x-hexabase-action" = json!("overview.read"))))]
async fn overview(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<Json<OverviewView>> {
    Ok(Json(platform.organizations().overview(&caller, path.org).await?.into()))
}
