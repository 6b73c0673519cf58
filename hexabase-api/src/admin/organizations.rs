//! All organizations of the installation, for operators.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{BillingStanding, Organization, OrganizationSummary};
use hexabase_core::platform::Idempotent;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::require_operator;
use super::requests::{NewSuspension, OrganizationQuery};
use crate::caller::Authenticated;
use crate::extract::{Body, Path, Query};
use crate::organizations::organization::OrganizationView;
use crate::path_params::OrganizationPath;
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, Pager};
use crate::schema::SubscriptionState;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(suspend)).routes(routes!(resume))
}

/// Organization as operators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrganizationSummary)]
struct SummaryView {
    #[serde(flatten)]
    organization: OrganizationView,
    /// Number of members who are persons.
    members: u32,
    /// Number of workspaces, including those being deleted.
    workspaces: u32,
    /// Consequence of the payments.
    billing_standing: StandingName,
    /// State of the subscription at the payment provider; null if there is none.
    #[schema(required)]
    subscription_state: Option<SubscriptionState>,
}

/// Consequence of the payments of an organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = BillingStandingName)]
enum StandingName {
    /// No payment is missing.
    Good,
    /// A payment is missing; everything continues for a while.
    Grace,
    /// The workspaces are suspended until a payment arrives.
    Suspended,
}

impl From<BillingStanding> for StandingName {
    fn from(standing: BillingStanding) -> Self {
        match standing {
            BillingStanding::Good => Self::Good,
            BillingStanding::Grace { .. } => Self::Grace,
            BillingStanding::Suspended { .. } => Self::Suspended,
        }
    }
}

impl From<OrganizationSummary> for SummaryView {
    fn from(summary: OrganizationSummary) -> Self {
        Self {
            organization: summary.organization.into(),
            members: summary.members,
            workspaces: summary.workspaces,
            billing_standing: summary.standing.into(),
            subscription_state: summary.subscription.map(|subscription| subscription.state.into()),
        }
    }
}

/// List all organizations
///
/// Oldest first, with the numbers of members and workspaces and the state of billing.
#[utoipa::path(get, path = "/api/v1/admin/organizations", tag = "Operators", params(OrganizationQuery),
    responses((status = 200, body = List<SummaryView>), Problems))]
async fn list(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    pager: Pager,
    Query(query): Query<OrganizationQuery>,
) -> ApiResult<Json<List<SummaryView>>> {
    require_operator(&platform, &authenticated).await?;
    let (page, text) = (pager.request(&query.page())?, query.parse()?);
    let page = platform.organization_admin().list(text.as_ref(), &page).await?;
    pager.list(page, SummaryView::from)
}

/// Suspend an organization
///
/// Suspends its workspaces and rejects new ones (`organization_suspended`) until an operator resumes it. A payment does
/// not end the suspension. Nothing is deleted.
#[utoipa::path(post, path = "/api/v1/admin/organizations/{org}/suspend", tag = "Operators",
    params(OrganizationPath), request_body = Option<NewSuspension>,
    responses((status = 202, body = OrganizationView), Problems))]
async fn suspend(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Path(path): Path<OrganizationPath>,
    body: Option<Body<NewSuspension>>,
) -> ApiResult<ApiResponse<OrganizationView>> {
    require_operator(&platform, &authenticated).await?;
    let reason = body.and_then(|Body(body)| body.reason);
    let caller = &authenticated.0;
    let suspended = platform.organization_admin().suspend(Some(caller), path.org, reason.as_deref()).await?;
    tracing::info!(organization = %path.org, by = %caller.principal.user_id, "organization suspended");
    Ok(accepted(suspended))
}

/// Resume an organization
///
/// Its workspaces resume unless they are suspended for another reason, such as a missing payment.
#[utoipa::path(post, path = "/api/v1/admin/organizations/{org}/resume", tag = "Operators",
    params(OrganizationPath), responses((status = 202, body = OrganizationView), Problems))]
async fn resume(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<ApiResponse<OrganizationView>> {
    require_operator(&platform, &authenticated).await?;
    let caller = &authenticated.0;
    let resumed = platform.organization_admin().resume(Some(caller), path.org).await?;
    tracing::info!(organization = %path.org, by = %caller.principal.user_id, "organization resumed");
    Ok(accepted(resumed))
}

fn accepted(changed: Idempotent<Organization>) -> ApiResponse<OrganizationView> {
    let Idempotent { value: organization, replayed } = changed;
    let location = format!("/api/v1/admin/organizations?q={}", organization.id);
    let version = organization.version;
    ApiResponse::accepted(location, organization.into()).version(version).replayed(replayed)
}
