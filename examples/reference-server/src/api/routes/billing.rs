//! What an organization is subscribed to.

use axum::Json;
use axum::extract::State;
use hexabase_core::error::Check;
use hexabase_core::model::{Interval, Standing, Subscription, Wish};
use hexabase_core::name::PlanId;
use hexabase_core::platform::{BillingOverview, BillingState, ChoosePlan};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::invoices::InvoiceView;
use super::payments::PaymentMethodView;
use super::place::InOrganization;
use super::usage::MonthlyUsageView;
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::Reply;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get, choose, cancel)).routes(routes!(overview))
}

/// What an organization is subscribed to, and what follows from how it pays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscription)]
struct SubscriptionView {
    /// The plan that the organization is on.
    #[schema(example = "team")]
    plan_id: String,
    /// What it pays; null when it never subscribed.
    subscription: Option<PaidView>,
    /// What follows from how it pays.
    standing: StandingView,
    /// What was ordered and is not carried out yet; null when nothing is.
    order: Option<OrderView>,
    /// What a browser needs to confirm a payment for which the bank waits; null when it waits for nothing.
    payment_client_secret: Option<String>,
    /// The invoice that would follow; only with `dry_run`, and null where none would.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<Option<InvoiceView>>,
    /// Raised by every change.
    version: u64,
}

/// What an organization pays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PaidSubscription)]
struct PaidView {
    /// The plan that is paid for.
    plan_id: String,
    /// `month` or `year`.
    interval: String,
    /// `incomplete`, `incomplete_expired`, `trialing`, `active`, `past_due`, `unpaid`, `paused` or `canceled`.
    state: String,
    /// How many workspaces are paid for beyond those included; null where the plan does not charge for them.
    extra_workspaces: Option<u32>,
    /// How many nodes are paid for beyond those included; null where the plan does not charge for them.
    extra_nodes: Option<u32>,
    /// When the paid period ends.
    current_period_end: Timestamp,
    /// Whether it ends then.
    cancel_at_period_end: bool,
    /// Until when nothing is charged; null when it did not begin with a trial.
    trial_end: Option<Timestamp>,
    /// Whether a change waits until the customer has confirmed its payment with their bank; it needs
    /// `payment_client_secret` for that.
    awaits_confirmation: bool,
}

impl From<Subscription> for PaidView {
    fn from(subscription: Subscription) -> Self {
        Self {
            plan_id: subscription.plan_id.to_string(),
            interval: subscription.interval.to_string(),
            state: subscription.state.to_string(),
            extra_workspaces: subscription.extras.workspaces,
            extra_nodes: subscription.extras.nodes,
            current_period_end: subscription.current_period_end,
            cancel_at_period_end: subscription.cancel_at_period_end,
            trial_end: subscription.trial_end,
            awaits_confirmation: subscription.awaits_confirmation,
        }
    }
}

/// What follows from how an organization pays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Standing)]
struct StandingView {
    /// `good`; `grace` while a payment is missing and everything goes on; `suspended` once workspaces sleep.
    state: &'static str,
    /// Since when; null for `good`.
    since: Option<Timestamp>,
    /// When workspaces are put to sleep unless it is paid; only for `grace`.
    until: Option<Timestamp>,
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        let (state, since, until) = match standing {
            Standing::Good => ("good", None, None),
            Standing::Grace { since, until, .. } => ("grace", Some(since), Some(until)),
            Standing::Suspended { since } => ("suspended", Some(since), None),
        };
        Self { state, since, until }
    }
}

/// What was ordered and is not carried out yet.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
struct OrderView {
    /// The plan that was ordered; null for an order to end the subscription.
    plan_id: Option<String>,
    /// When.
    asked_at: Timestamp,
}

impl From<BillingState> for SubscriptionView {
    fn from(state: BillingState) -> Self {
        let order = state.account.order.map(|order| OrderView {
            plan_id: match order.wish {
                Wish::Subscribe { plan_id, .. } => Some(plan_id.to_string()),
                Wish::Cancel { .. } => None,
            },
            asked_at: order.asked_at,
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

/// An order that is not carried out yet was taken in: 202. Otherwise it is done: 200.
fn answer(at: &InOrganization, state: BillingState) -> Reply<SubscriptionView> {
    let (version, pending) = (state.account.version, state.account.order.is_some());
    let view = SubscriptionView::from(state);
    let location = format!("/api/v1/organizations/{}/billing/subscription", at.org);
    let reply = if pending { Reply::accepted(location, view) } else { Reply::ok(view) };
    reply.version(version)
}

/// Show what an organization is subscribed to.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/subscription", tag = "Billing",
    params(InOrganization), responses((status = 200, body = SubscriptionView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Reply<SubscriptionView>> {
    let state = app.platform.billing().state(&caller, at.org).await?;
    let version = state.account.version;
    Ok(Reply::ok(SubscriptionView::from(state)).version(version))
}

/// Which plan to subscribe to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanChoice {
    /// The plan. A free one ends the subscription when what was paid for is over.
    #[schema(example = "team")]
    plan_id: String,
    /// `month` or `year`; as before, or else `month`, if not said.
    interval: Option<String>,
    /// A coupon to redeem, by the payment provider's name for it.
    coupon: Option<String>,
}

/// Whether to only show what would happen.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct DryRun {
    /// Order nothing, and show the invoice that would follow.
    #[serde(default)]
    dry_run: bool,
}

/// Subscribe to a plan, or move the subscription to it. What a larger plan costs more for the rest of the period is
/// charged at once; what a smaller one costs less is taken off the next invoice. While the payment provider is away the
/// answer is 202 with the `order`, which is carried out once it is back.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/billing/subscription", tag = "Billing",
    params(InOrganization, DryRun), request_body = PlanChoice,
    responses((status = 200, body = SubscriptionView), (status = 202, body = SubscriptionView), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn choose(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Query(query): Query<DryRun>,
    expected: IfMatch,
    Body(wanted): Body<PlanChoice>,
) -> Answer<Reply<SubscriptionView>> {
    let mut check = Check::default();
    let plan_id = check.field("plan_id", PlanId::parse(&wanted.plan_id));
    let interval = check.field("interval", wanted.interval.map(|word| word.parse::<Interval>()).transpose());
    let (plan_id, interval) = check.all((plan_id, interval))?;
    let command = ChoosePlan { plan_id, interval, coupon: wanted.coupon };
    let billing = app.platform.billing();
    if !query.dry_run {
        return Ok(answer(&at, billing.choose_plan(&caller, at.org, &command, expected.version()).await?));
    }
    let preview = billing.preview(&caller, at.org, &command).await?.map(InvoiceView::from);
    let state = billing.state(&caller, at.org).await?;
    let version = state.account.version;
    let view = SubscriptionView { preview: Some(preview), ..SubscriptionView::from(state) };
    Ok(Reply::ok(view).version(version))
}

/// When to end a subscription.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct End {
    /// End it at once instead of when what was paid for is over.
    #[serde(default)]
    now: bool,
}

/// End the subscription, when what was paid for is over or at once. Workspaces that the free plan does not cover sleep
/// then; nothing is deleted. Subscribing again before the end takes it back.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/billing/subscription", tag = "Billing",
    params(InOrganization, End),
    responses((status = 200, body = SubscriptionView), (status = 202, body = SubscriptionView), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn cancel(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Query(query): Query<End>,
    expected: IfMatch,
) -> Answer<Reply<SubscriptionView>> {
    let billing = app.platform.billing();
    let state = billing.cancel(&caller, at.org, !query.now, expected.version()).await?;
    Ok(answer(&at, state))
}

/// Everything about an organization's money at a glance.
#[derive(Debug, Serialize, ToSchema)]
struct BillingOverviewView {
    /// What it is subscribed to, and what follows from how it pays.
    #[serde(flatten)]
    subscription: SubscriptionView,
    /// The default way to pay; null when there is none.
    payment_method: Option<PaymentMethodView>,
    /// The invoice that comes next; null when none does.
    upcoming_invoice: Option<InvoiceView>,
    /// Invoices that are to be paid, newest first.
    open_invoices: Vec<InvoiceView>,
    /// What this month's usage costs beyond what is included.
    usage: MonthlyUsageView,
}

/// Show everything about an organization's money at a glance.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/overview", tag = "Billing",
    params(InOrganization), responses((status = 200, body = BillingOverviewView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn overview(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
) -> Answer<Json<BillingOverviewView>> {
    let billing = app.platform.billing();
    let found = billing.overview(&caller, at.org).await?;
    let usage = billing.this_month(&caller, at.org).await?;
    let BillingOverview { state, payment_method, upcoming, open } = found;
    Ok(Json(BillingOverviewView {
        subscription: state.into(),
        payment_method: payment_method.map(PaymentMethodView::from),
        upcoming_invoice: upcoming.map(InvoiceView::from),
        open_invoices: open.into_iter().map(InvoiceView::from).collect(),
        usage: usage.into(),
    }))
}
