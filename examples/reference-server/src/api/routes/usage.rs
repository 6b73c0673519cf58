//! What workspaces used, and what that costs.

use axum::Json;
use axum::extract::State;
use hexabase_core::error::Error;
use hexabase_core::id::WorkspaceId;
use hexabase_core::metering::BillLine;
use hexabase_core::model::{Currency, Meter, Money, Month, Reading};
use hexabase_core::platform::{MonthlyUsage, UsageStatement};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::InOrganization;
use super::plans::MoneyView;
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::Reply;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(set_budget, remove_budget))
}

/// An amount as people count it: whole where it is whole.
pub(super) fn units(thousandths: u64) -> Number {
    #[expect(clippy::cast_precision_loss, reason = "what is lost is not worth a coin")]
    match thousandths.is_multiple_of(1_000) {
        true => Number::from(thousandths / 1_000),
        false => Number::from_f64(thousandths as f64 / 1_000.0).unwrap_or_else(|| Number::from(0)),
    }
}

/// What was used in a time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageView {
    /// From then on: the first hour that begins in the time asked for.
    from: Timestamp,
    /// Until then.
    to: Timestamp,
    /// What all workspaces used together.
    total: Vec<MeterView>,
    /// What each of them used.
    workspaces: Vec<WorkspaceUsageView>,
}

/// What a workspace used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceUsage)]
struct WorkspaceUsageView {
    /// Which workspace; it may be gone by now.
    workspace_id: String,
    /// Its name; null once it is gone.
    name: Option<String>,
    /// What it used.
    meters: Vec<MeterView>,
}

/// How much of something was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MeterReading)]
struct MeterView {
    /// `cpu`, `memory`, `storage`, `network_receive`, `network_transmit` or `api_requests`.
    meter: &'static str,
    /// `core_hours`, `gib_hours`, `gib` or `thousand_requests`.
    unit: &'static str,
    /// How much. What was not measured is not in it.
    #[schema(value_type = f64, example = 12.5)]
    amount: Number,
    /// For how many minutes it was not measured, of those that each workspace was there.
    unmeasured_minutes: u64,
}

fn meter_view(hours: u64, meter: Meter, reading: Reading) -> MeterView {
    MeterView {
        meter: meter.as_str(),
        unit: meter.unit(),
        amount: units(reading.amount),
        unmeasured_minutes: (hours * 60).saturating_sub(reading.minutes),
    }
}

impl From<UsageStatement> for UsageView {
    fn from(statement: UsageStatement) -> Self {
        let total = statement.total();
        let hours = statement.workspaces.iter().map(|(_, usage)| usage.hours).sum();
        let (from, to) = (statement.from.start(), statement.until.start());
        let of =
            |(name, usage): (Option<hexabase_core::name::Slug>, hexabase_core::model::WorkspaceUsage)| {
                let meters = usage.readings.iter();
                WorkspaceUsageView {
                    workspace_id: usage.workspace_id.to_string(),
                    name: name.map(|name| name.to_string()),
                    meters: meters.map(|(meter, reading)| meter_view(usage.hours, meter, *reading)).collect(),
                }
            };
        Self {
            from,
            to,
            total: total.iter().map(|(meter, reading)| meter_view(hours, meter, *reading)).collect(),
            workspaces: statement.workspaces.into_iter().map(of).collect(),
        }
    }
}

/// Of which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// From when; the beginning of the month if not said. Hours of the clock are added up, in UTC.
    from: Option<String>,
    /// Until when; now if not said. At most 400 days after `from`.
    to: Option<String>,
    /// Of one workspace alone: `ws_…`.
    workspace: Option<String>,
}

fn moment(field: &str, text: Option<&str>, otherwise: Timestamp) -> Answer<Timestamp> {
    let Some(text) = text else { return Ok(otherwise) };
    let wrong = |_| Error::invalid(field, "must be a time such as 2026-11-23T00:00:00Z");
    Ok(text.parse::<Timestamp>().map_err(wrong)?)
}

/// Show what the workspaces of an organization used, from the hours of the clock that are over and were read.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/usage", tag = "Billing",
    params(InOrganization, UsageQuery), responses((status = 200, body = UsageView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    Query(query): Query<UsageQuery>,
) -> Answer<Json<UsageView>> {
    let now = app.platform.clock().now();
    let from = moment("from", query.from.as_deref(), Month::of(now).start())?;
    let to = moment("to", query.to.as_deref(), now)?;
    let none = |_| Error::invalid("workspace", "must be the id of a workspace");
    let workspace = query.workspace.map(|id| id.parse::<WorkspaceId>()).transpose().map_err(none)?;
    let statement = app.platform.billing().usage(&caller, at.org, workspace, (from, to)).await?;
    Ok(Json(statement.into()))
}

/// What this month's usage costs beyond what is included.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MonthlyUsage)]
pub(super) struct MonthlyUsageView {
    /// Which month, in UTC.
    #[schema(example = "2026-11")]
    month: String,
    /// What is charged for, one by one; null while nothing is paid.
    meters: Option<Vec<ChargeView>>,
    /// What that comes to, by the present prices; null while nothing is paid.
    cost: Option<MoneyView>,
    /// What the organization wants to spend on it; null when it does not want to be warned.
    budget: Option<MoneyView>,
}

/// What this month's usage of something costs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageCharge)]
struct ChargeView {
    /// What was used.
    meter: &'static str,
    /// In which unit.
    unit: &'static str,
    /// How much.
    #[schema(value_type = f64, example = 620.25)]
    amount: Number,
    /// How much of it is included.
    #[schema(value_type = f64, example = 500)]
    included: Number,
    /// What the rest costs.
    cost: MoneyView,
}

impl From<BillLine> for ChargeView {
    fn from(line: BillLine) -> Self {
        Self {
            meter: line.meter.as_str(),
            unit: line.meter.unit(),
            amount: units(line.amount),
            included: units(line.included),
            cost: line.cost.into(),
        }
    }
}

impl From<MonthlyUsage> for MonthlyUsageView {
    fn from(usage: MonthlyUsage) -> Self {
        let (meters, cost) = usage.bill.map(|bill| (bill.lines, bill.total)).unzip();
        Self {
            month: usage.month.to_string(),
            meters: meters.map(|lines| lines.into_iter().map(ChargeView::from).collect()),
            cost: cost.map(MoneyView::from),
            budget: usage.budget.map(MoneyView::from),
        }
    }
}

/// How much an organization wants to spend in a month on usage beyond what is included.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// In the currency's smallest unit.
    #[schema(example = 20000)]
    amount: i64,
    /// The currency's ISO 4217 code, in lower case: one that plans are paid in.
    #[schema(example = "usd")]
    currency: String,
}

/// Set what an organization wants to spend in a month on usage beyond what its plan includes. Those who pay are told at 80
/// and at 100 percent of it; nothing is stopped.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/billing/budget", tag = "Billing",
    params(InOrganization), request_body = Budget, responses((status = 200, body = Budget), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn set_budget(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    expected: IfMatch,
    Body(wanted): Body<Budget>,
) -> Answer<Reply<Budget>> {
    let unknown = || Error::invalid("currency", "must be a currency code such as usd");
    let currency = Currency::parse(&wanted.currency).ok_or_else(unknown)?;
    let budget = Some(Money { amount: wanted.amount, currency });
    let account = app.platform.billing().set_budget(&caller, at.org, budget, expected.version()).await?;
    Ok(Reply::ok(wanted).version(account.version))
}

/// Remove the budget: nobody is told what usage costs any more.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/billing/budget", tag = "Billing",
    params(InOrganization), responses((status = 204, description = "There is none any more."), Problems),
    extensions(("x-hexabase-action" = json!("billing.manage"))))]
async fn remove_budget(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InOrganization>,
    expected: IfMatch,
) -> Answer<axum::http::StatusCode> {
    app.platform.billing().set_budget(&caller, at.org, None, expected.version()).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
