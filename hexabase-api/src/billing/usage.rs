//! Usage of workspaces and its cost.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::metering::BillLine;
use hexabase_core::model::{Meter, Reading};
use hexabase_core::platform::{MonthlyUsage, UsageStatement};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{Budget, UsagePeriod, UsageQuery};
use crate::billing::plans::MoneyView;
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
    OpenApiRouter::new().routes(routes!(get)).routes(routes!(set_budget, remove_budget))
}

/// Converts thousandths of a unit to units: an integer if there is no remainder.
pub(crate) fn decimal_units(thousandths: u64) -> Number {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the lost amount is worth less than one minor unit of a currency"
    )]
    match thousandths.is_multiple_of(1_000) {
        true => Number::from(thousandths / 1_000),
        false => Number::from_f64(thousandths as f64 / 1_000.0).unwrap_or_else(|| Number::from(0)),
    }
}

/// Usage of an organization in a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageView {
    /// Start of the period: the first hour that begins at or after the requested time.
    from: Timestamp,
    /// End of the period, exclusive.
    to: Timestamp,
    /// Total usage of all workspaces.
    total: Vec<MeterView>,
    /// Usage by workspace.
    workspaces: Vec<WorkspaceUsageView>,
}

/// Usage of a workspace in a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceMeterReadings)]
struct WorkspaceUsageView {
    /// Id of the workspace, which may have been deleted.
    workspace_id: schema::WorkspaceId,
    /// Name of the workspace; null if it has been deleted.
    #[schema(required)]
    name: Option<String>,
    /// Usage by meter.
    meters: Vec<MeterView>,
}

/// Usage that a meter recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MeterReading)]
struct MeterView {
    /// Kind of usage.
    meter: schema::Meter,
    /// Unit of the meter.
    unit: schema::MeterUnit,
    /// Amount in units. It excludes unmeasured time.
    #[schema(value_type = f64, example = 12.5)]
    amount: Number,
    /// Number of minutes without measurements, within the time that each workspace existed.
    unmeasured_minutes: u64,
}

fn meter_view(hours: u64, meter: Meter, reading: Reading) -> MeterView {
    MeterView {
        meter: meter.into(),
        unit: meter.into(),
        amount: decimal_units(reading.amount),
        unmeasured_minutes: (hours * 60).saturating_sub(reading.minutes),
    }
}

impl From<UsageStatement> for UsageView {
    fn from(statement: UsageStatement) -> Self {
        let total = statement.total();
        let hours = statement.workspaces.iter().map(|(_, usage)| usage.hours).sum();
        let (from, to) = (statement.from.start(), statement.until.start());
        let view =
            |(name, usage): (Option<hexabase_core::name::Slug>, hexabase_core::model::WorkspaceUsage)| {
                let meters = usage.readings.iter();
                WorkspaceUsageView {
                    workspace_id: usage.workspace_id.into(),
                    name: name.map(|name| name.to_string()),
                    meters: meters.map(|(meter, reading)| meter_view(usage.hours, meter, *reading)).collect(),
                }
            };
        Self {
            from,
            to,
            total: total.iter().map(|(meter, reading)| meter_view(hours, meter, *reading)).collect(),
            workspaces: statement.workspaces.into_iter().map(view).collect(),
        }
    }
}

/// Get the usage of an organization
///
/// Covers complete hours that were measured.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/billing/usage", tag = "Billing",
    params(OrganizationPath, UsageQuery), responses((status = 200, body = UsageView), Problems),
    extensions(("x-hexabase-action" = json!("billing.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Query(query): Query<UsageQuery>,
) -> ApiResult<Json<UsageView>> {
    let UsagePeriod { workspace, from, to } = query.parse(platform.clock().now())?;
    let statement = platform.billing().usage(&caller, path.org, workspace, (from, to)).await?;
    Ok(Json(statement.into()))
}

/// Cost of this month's usage beyond the included amounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MonthlyUsage)]
pub(crate) struct MonthlyUsageView {
    /// Month of the usage, in UTC.
    #[schema(example = "2026-11")]
    month: String,
    /// Cost by meter, for the meters that are charged; null without a paid subscription.
    #[schema(required)]
    meters: Option<Vec<ChargeView>>,
    /// Total cost at the current prices; null without a paid subscription.
    #[schema(required)]
    cost: Option<MoneyView>,
    /// Monthly budget for this cost; null if there is none.
    #[schema(required)]
    budget: Option<MoneyView>,
}

/// Cost of this month's usage of a meter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageCharge)]
struct ChargeView {
    /// Kind of usage.
    meter: schema::Meter,
    /// Unit of the meter.
    unit: schema::MeterUnit,
    /// Used amount in units.
    #[schema(value_type = f64, example = 620.25)]
    amount: Number,
    /// Included amount in units.
    #[schema(value_type = f64, example = 500)]
    included: Number,
    /// Cost of the amount beyond the included one.
    cost: MoneyView,
}

impl From<BillLine> for ChargeView {
    fn from(line: BillLine) -> Self {
        Self {
            meter: line.meter.into(),
            unit: line.meter.into(),
            amount: decimal_units(line.amount),
            included: decimal_units(line.included),
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

/// Set the monthly budget for usage beyond the included amounts
///
/// Usage alerts are sent to owners and billing members at 80 and 100 percent; usage is never stopped.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/billing/budget", tag = "Billing",
    params(OrganizationPath), request_body = Budget, responses((status = 200, body = Budget), Problems),
    extensions(("x-hexabase-action" = json!("billing.budget"))))]
async fn set_budget(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    expected: IfMatch,
    Body(body): Body<Budget>,
) -> ApiResult<ApiResponse<Budget>> {
    let (billing, budget) = (platform.billing(), Some(body.clone().parse()?));
    let account = billing.set_budget(&caller, path.org, budget, expected.version()).await?;
    Ok(ApiResponse::ok(body).version(account.version))
}

/// Remove the budget
///
/// No more usage alerts are sent for it.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/billing/budget", tag = "Billing",
    params(OrganizationPath), responses((status = 204, description = "The budget is removed."), Problems),
    extensions(("x-hexabase-action" = json!("billing.budget"))))]
async fn remove_budget(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    expected: IfMatch,
) -> ApiResult<axum::http::StatusCode> {
    platform.billing().set_budget(&caller, path.org, None, expected.version()).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}
