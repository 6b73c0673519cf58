//! Subscription of an organization.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{BillingStanding, Subscription, SubscriptionChange};
use hexabase_core::platform::{BillingOverview, BillingState};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{Cancellation, PlanChoice, PlanChoiceOptions};
use crate::billing::invoices::InvoiceView;
use crate::billing::payments::PaymentMethodView;
use crate::billing::usage::MonthlyUsageView;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::OrganizationPath;
use crate::problem::{ApiResult, Problems};
use crate::response::ApiResponse;
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(get, choose, cancel)).routes(routes!(overview))
}

/// Subscription of an organization, with its plan and billing standing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrganizationSubscription)]
struct SubscriptionView {
    /// Id of the plan of the organization.
    #[schema(example = "team")]
    plan_id: String,
    /// Paid subscription; null if the organization never subscribed.
    #[schema(required)]
    subscription: Option<PaidView>,
    /// Billing standing.
    standing: StandingView,
    /// Order that is not carried out yet; null if there is none.
    #[schema(required)]
    order: Option<OrderView>,
    /// Client secret with which a browser confirms a payment that the bank has not authorized yet; null if no payment
    /// needs confirmation.
    #[schema(required)]
    payment_client_secret: Option<String>,
    /// Next invoice after the change; only with `dry_run`, and null for a free plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<Option<InvoiceView>>,
    /// Version, incremented by every change.
    version: u64,
}

/// Paid subscription.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaidSubscription)]
struct PaidView {
    /// Id of the plan that is paid for.
    plan_id: String,
    /// Billing interval.
    interval: schema::BillingInterval,
    /// State of the subscription.
    state: schema::SubscriptionState,
    /// Number of paid workspaces beyond the included ones; null if the plan does not charge for them.
    #[schema(required)]
    extra_workspaces: Option<u32>,
    /// Number of paid nodes beyond the included ones; null if the plan does not charge for them.
    #[schema(required)]
    extra_nodes: Option<u32>,
    /// End of the paid period.
    current_period_end: Timestamp,
    /// `true` if the subscription ends with the paid period.
    cancel_at_period_end: bool,
    /// End of the trial, until which nothing is charged; null if there was no trial.
    #[schema(required)]
    trial_end: Option<Timestamp>,
    /// `true` if a change is pending until the customer confirms its payment with their bank, which requires
    /// `payment_client_secret`.
    awaits_confirmation: bool,
}

impl From<Subscription> for PaidView {
    fn from(subscription: Subscription) -> Self {
        Self {
            plan_id: subscription.plan_id.to_string(),
            interval: subscription.interval.into(),
            state: subscription.state.into(),
            extra_workspaces: subscription.add_ons.workspaces,
            extra_nodes: subscription.add_ons.nodes,
            current_period_end: subscription.current_period_end,
            cancel_at_period_end: subscription.cancel_at_period_end,
            trial_end: subscription.trial_end,
            awaits_confirmation: subscription.awaits_confirmation,
        }
    }
}

/// State of a billing standing. `grace`: a payment is overdue and workspaces keep running. `suspended`: the workspaces
/// are suspended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BillingStandingState)]
enum StandingState {
    Good,
    Grace,
    Suspended,
}

/// Billing standing of an organization.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BillingStanding)]
struct StandingView {
    /// State of the standing.
    state: StandingState,
    /// Start of the standing; null for `good`.
    #[schema(required)]
    since: Option<Timestamp>,
    /// Time at which workspaces are suspended unless the payment arrives; only for `grace`, null otherwise.
    #[schema(required)]
    until: Option<Timestamp>,
}

impl From<BillingStanding> for StandingView {
    fn from(standing: BillingStanding) -> Self {
        let (state, since, until) = match standing {
            BillingStanding::Good => (StandingState::Good, None, None),
            BillingStanding::Grace { since, until, .. } => (StandingState::Grace, Some(since), Some(until)),
            BillingStanding::Suspended { since } => (StandingState::Suspended, Some(since), None),
        };
        Self { state, since, until }
    }
}

/// Order that is not carried out yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
struct OrderView {
    /// Id of the ordered plan; null for a cancellation.
    #[schema(required)]
    plan_id: Option<String>,
    /// Time of the order.
    asked_at: Timestamp,
}

impl From<BillingState> for SubscriptionView {
    fn from(state: BillingState) -> Self {
        let order = state.account.order.map(|order| OrderView {
            plan_id: match order.change {
                SubscriptionChange::Subscribe { plan_id, .. } => Some(plan_id.to_string()),
                SubscriptionChange::Cancel { .. } => None,
            },
            asked_at: order.requested_at,
        });
        Self {
            plan_id: state.plan_id.to_string(),
            subscription: state.account.subscription.map(PaidView::from),
            standing: state.account.standing.into(),
            order,
            payment_client_secret: state.payment_secret,
            preview: None,
            version: state.account.version.number(),
        }
    }
}

/// Returns 202 if the order is still pending, and 200 if it was carried out.
fn order_response(path: &OrganizationPath, state: BillingState) -> ApiResponse<SubscriptionView> {
    let (version, pending) = (state.account.version, state.account.order.is_some());
    let view = SubscriptionView::from(state);
    let location = format!("/api/v1/organizations/{}/billing/subscription", path.org);
    let response = if pending { ApiResponse::accepted(location, view) } else { ApiResponse::ok(view) };
    response.version(version)
}

/// Get the subscription of an organization
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/subscription", tag = "Billing",
    params(OrganizationPath), responses((status = 200, body = SubscriptionView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<ApiResponse<SubscriptionView>> {
    let state = platform.billing().state(&caller, path.org).await?;
    let version = state.account.version;
    Ok(ApiResponse::ok(SubscriptionView::from(state)).version(version))
}

/// Subscribe to a plan, or change the plan
///
/// The difference for the rest of the period is charged immediately for a larger plan, and credited to the next
/// invoice for a smaller one. While the payment provider is unavailable, the response is 202 with the `order`, which
/// is carried out once the provider is available again.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/billing/subscription", tag = "Billing",
    params(OrganizationPath, PlanChoiceOptions), request_body = PlanChoice,
    responses((status = 200, body = SubscriptionView), (status = 202, body = SubscriptionView), Problems),
    extensions(("x-hexabase-action" = json!("billing.order"))))]
async fn choose(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Query(query): Query<PlanChoiceOptions>,
    expected: IfMatch,
    Body(body): Body<PlanChoice>,
) -> ApiResult<ApiResponse<SubscriptionView>> {
    let (billing, command) = (platform.billing(), body.parse()?);
    if !query.dry_run {
        return Ok(order_response(
            &path,
            billing.choose_plan(&caller, path.org, &command, expected.version()).await?,
        ));
    }
    let preview = billing.preview(&caller, path.org, &command).await?.map(InvoiceView::from);
    let state = billing.state(&caller, path.org).await?;
    let version = state.account.version;
    let view = SubscriptionView { preview: Some(preview), ..SubscriptionView::from(state) };
    Ok(ApiResponse::ok(view).version(version))
}

/// Cancel the subscription
///
/// Takes effect at the end of the paid period, or immediately. Workspaces that the free plan does not cover are then
/// suspended; nothing is deleted. Subscribing again before the end revokes the cancellation.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/billing/subscription", tag = "Billing",
    params(OrganizationPath, Cancellation),
    responses((status = 200, body = SubscriptionView), (status = 202, body = SubscriptionView), Problems),
    extensions(("x-hexabase-action" = json!("billing.order"))))]
async fn cancel(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Query(query): Query<Cancellation>,
    expected: IfMatch,
) -> ApiResult<ApiResponse<SubscriptionView>> {
    let billing = platform.billing();
    let state = billing.cancel(&caller, path.org, !query.now, expected.version()).await?;
    Ok(order_response(&path, state))
}

/// Overview of the billing of an organization.
#[derive(Debug, Serialize, ToSchema)]
struct BillingOverviewView {
    /// Subscription, with plan and billing standing.
    #[serde(flatten)]
    subscription: SubscriptionView,
    /// Default payment method; null if there is none.
    #[schema(required)]
    payment_method: Option<PaymentMethodView>,
    /// Next invoice; null if there is none.
    #[schema(required)]
    upcoming_invoice: Option<InvoiceView>,
    /// Invoices that are not paid yet, newest first.
    open_invoices: Vec<InvoiceView>,
    /// Cost of this month's usage beyond the included amounts.
    usage: MonthlyUsageView,
}

/// Get an overview of the billing of an organization
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/overview", tag = "Billing",
    params(OrganizationPath), responses((status = 200, body = BillingOverviewView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn overview(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
) -> ApiResult<Json<BillingOverviewView>> {
    let billing = platform.billing();
    let found = billing.overview(&caller, path.org).await?;
    let usage = billing.this_month(&caller, path.org).await?;
    let BillingOverview { state, payment_method, upcoming, open } = found;
    Ok(Json(BillingOverviewView {
        subscription: state.into(),
        payment_method: payment_method.map(PaymentMethodView::from),
        upcoming_invoice: upcoming.map(InvoiceView::from),
        open_invoices: open.into_iter().map(InvoiceView::from).collect(),
        usage: usage.into(),
    }))
}
