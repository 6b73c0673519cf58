//! Organizations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::error::Check;
use hexabase_core::model::{Member, Organization, OrganizationCounts};
use hexabase_core::name::{DisplayName, Slug};
use hexabase_core::platform::{CreateOrganization, Overview};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::optional;
use super::place::InOrganization;
use super::plans::MoneyView;
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(overview))
}

/// Who buys workspaces: people with roles, a plan, and what belongs to them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organization)]
pub(super) struct OrganizationView {
    /// Which organization.
    #[schema(example = "org_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Its name, unique in the installation.
    #[schema(example = "acme")]
    name: String,
    /// The name to show.
    #[schema(example = "ACME Inc.")]
    display_name: String,
    /// Whether it was made for one person at their first sign-in.
    personal: bool,
    /// The plan that limits how many members and workspaces it may have.
    #[schema(example = "starter")]
    plan_id: String,
    /// When deletion with everything in it was asked for.
    deletion_requested_at: Option<Timestamp>,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// Raised by every change to anything in it.
    version: u64,
}

impl From<Organization> for OrganizationView {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name.to_string(),
            display_name: organization.display_name.to_string(),
            personal: organization.personal,
            plan_id: organization.plan_id.to_string(),
            deletion_requested_at: organization.deletion_requested_at,
            created_at: organization.created_at,
            updated_at: organization.updated_at,
            version: organization.version.number(),
        }
    }
}

/// An organization, and what the caller is in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OwnOrganization {
    #[serde(flatten)]
    organization: OrganizationView,
    /// The caller's role.
    #[schema(example = "owner")]
    role: String,
}

impl From<(Organization, Member)> for OwnOrganization {
    fn from((organization, member): (Organization, Member)) -> Self {
        Self { organization: organization.into(), role: member.role.to_string() }
    }
}

/// What a new organization is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOrganization {
    /// Its name, unique in the installation: a DNS label.
    #[schema(example = "acme")]
    name: String,
    /// The name to show.
    #[schema(example = "ACME Inc.")]
    display_name: String,
}

/// Make an organization. The caller becomes its owner.
#[utoipa::path(post, path = "/api/v1/organizations", tag = "Organizations", request_body = NewOrganization,
    responses((status = 201, body = OrganizationView), Problems))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Body(wanted): Body<NewOrganization>,
) -> Answer<Reply<OrganizationView>> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(&wanted.name));
    let display_name = check.field("display_name", DisplayName::parse(&wanted.display_name));
    let (name, display_name) = check.all((name, display_name))?;
    let made =
        app.platform.organizations().create(&caller, &CreateOrganization { name, display_name }).await?;
    let (version, location) = (made.value.version, format!("/api/v1/organizations/{}", made.value.id));
    Ok(Reply::created(location, made.value.into()).version(version).replayed(made.replayed))
}

/// List the organizations that you belong to.
#[utoipa::path(get, path = "/api/v1/organizations", tag = "Organizations", params(PageQuery),
    responses((status = 200, body = List<OwnOrganization>), Problems))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<OwnOrganization>>> {
    let page = app.platform.organizations().list(&caller, &pager.request(&query)?).await?;
    pager.list(page, OwnOrganization::from)
}

/// Show an organization.
#[utoipa::path(get, path = "/api/v1/organizations/{org}", tag = "Organizations", params(InOrganization),
    responses((status = 200, body = OrganizationView), Problems),
    extensions(("x-hexabase-action" = json!("organization.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Reply<OrganizationView>> {
    let found = app.platform.organizations().get(&caller, at.org).await?;
    let version = found.version;
    Ok(Reply::ok(found.into()).version(version))
}

/// What to change about an organization.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrganizationChange {
    /// The name to show.
    display_name: Option<String>,
}

/// Change an organization.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}", tag = "Organizations", params(InOrganization),
    request_body = OrganizationChange, responses((status = 200, body = OrganizationView), Problems),
    extensions(("x-hexabase-action" = json!("organization.update"))))]
async fn update(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    expected: IfMatch,
    Body(wanted): Body<OrganizationChange>,
) -> Answer<Reply<OrganizationView>> {
    let mut check = Check::default();
    let display_name = check.field("display_name", optional(&wanted.display_name, DisplayName::parse));
    let display_name = check.all(display_name)?;
    let organizations = app.platform.organizations();
    let changed = organizations.update(&caller, at.org, display_name, expected.version()).await?;
    let version = changed.version;
    Ok(Reply::ok(changed.into()).version(version))
}

/// How to remove an organization.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DeleteQuery {
    /// Whether to remove the workspaces in it, too.
    #[serde(default)]
    cascade: bool,
}

/// Remove an organization. While there are workspaces in it, this is refused unless `cascade=true`; then they
/// are removed first, and the organization goes with the last one.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}", tag = "Organizations",
    params(InOrganization, DeleteQuery),
    responses((status = 204, description = "It is gone."),
        (status = 202, description = "Its workspaces are being removed."), Problems),
    extensions(("x-hexabase-action" = json!("organization.delete"))))]
async fn delete(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    expected: IfMatch,
    Query(query): Query<DeleteQuery>,
) -> Answer<Response> {
    let organizations = app.platform.organizations();
    let gone = organizations.delete(&caller, at.org, query.cascade, expected.version()).await?;
    Ok(if gone { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED }.into_response())
}

/// How much there is in an organization, against what its plan allows.
#[derive(Debug, Serialize, ToSchema)]
struct OverviewView {
    /// Which organization.
    organization_id: String,
    /// Its plan.
    plan_id: String,
    /// The people in it, open invitations included.
    members: Used,
    /// Its workspaces, those being removed included.
    workspaces: Used,
    /// Its open and expired invitations.
    invitations: u32,
    /// Its service accounts.
    service_accounts: u32,
    /// What this month costs so far, by the present prices and without taxes; null while nothing is paid, and for those
    /// who may not see it.
    month_to_date_cost: Option<MoneyView>,
}

/// How much of a limit is used.
#[derive(Debug, Serialize, ToSchema)]
struct Used {
    /// How many there are.
    used: u32,
    /// How many the plan allows.
    limit: u32,
}

impl From<Overview> for OverviewView {
    fn from(overview: Overview) -> Self {
        let OrganizationCounts { members, invitations, service_accounts, workspaces, .. } = overview.counts;
        let limits = overview.plan.limits;
        Self {
            organization_id: overview.organization.id.to_string(),
            plan_id: overview.plan.id.to_string(),
            members: Used { used: members + invitations, limit: limits.members },
            workspaces: Used { used: workspaces, limit: limits.workspaces },
            invitations,
            service_accounts,
            month_to_date_cost: overview.cost.map(MoneyView::from),
        }
    }
}

/// Show how much there is in an organization, against what its plan allows.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/overview", tag = "Organizations",
    params(InOrganization), responses((status = 200, body = OverviewView), Problems),
    extensions(("x-hexabase-action" = json!("overview.read"))))]
async fn overview(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Json<OverviewView>> {
    Ok(Json(app.platform.organizations().overview(&caller, at.org).await?.into()))
}
