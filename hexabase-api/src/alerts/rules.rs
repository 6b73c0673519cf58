//! Alert rules.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::alerts::{EVALUATION_INTERVAL, FiringPeriod};
use hexabase_core::metrics::Metric;
use hexabase_core::model::{AlertCondition, AlertLimit, AlertRule};
use hexabase_core::platform::AlertBackTest;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{AlertRuleCreation, AlertRulePatch, NewAlertRule};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::path_params::{AlertRulePath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::requests::PageQuery;
use crate::response::{ApiResponse, List, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(get, update, delete))
}

/// Alert rule: a condition on a metric of a workspace or project, and the members who are notified.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertRule)]
struct AlertRuleView {
    /// Id of the rule.
    id: schema::AlertRuleId,
    /// Name, unique in the workspace.
    #[schema(example = "memory-high")]
    name: String,
    /// Id of the project whose metric is compared; null for the workspace as a whole.
    #[schema(required)]
    project: Option<schema::ProjectId>,
    /// Metric that is compared.
    metric: schema::MetricName,
    /// Side of the limit on which the rule fires.
    comparison: schema::AlertComparison,
    /// Limit in the unit of the metric; null if the limit is a percentage.
    #[schema(required, example = json!(null))]
    threshold: Option<f64>,
    /// Limit as a percentage of the quota of the project or plan; null if the limit is an amount.
    #[schema(required, example = 80)]
    percent_of_quota: Option<u8>,
    /// Time for which the comparison must hold before the rule fires.
    #[serde(rename = "for")]
    duration: schema::AlertDuration,
    /// Severity of the alert.
    severity: schema::AlertSeverity,
    /// Addresses of the members who are notified.
    #[schema(example = json!(["ann@example.com"]))]
    notify: Vec<String>,
    /// Id of the user who created the rule.
    created_by: schema::UserId,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<AlertRule> for AlertRuleView {
    fn from(rule: AlertRule) -> Self {
        let AlertCondition { metric, comparison, limit, duration } = rule.condition;
        let (threshold, percent_of_quota) = match limit {
            AlertLimit::Threshold(threshold) => (Some(threshold.as_f64()), None),
            AlertLimit::PercentOfQuota(percent) => (None, Some(percent)),
        };
        Self {
            id: rule.id.into(),
            name: rule.name.to_string(),
            project: rule.project_id.map(schema::ProjectId::from),
            metric: metric.into(),
            comparison: comparison.into(),
            threshold,
            percent_of_quota,
            duration: duration.into(),
            severity: rule.severity.into(),
            notify: rule.notify.iter().map(ToString::to_string).collect(),
            created_by: rule.created_by.into(),
            created_at: rule.created_at,
            updated_at: rule.updated_at,
            version: rule.version.number(),
        }
    }
}

/// Period in which the alert of a rule would have been firing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertFiringPeriod)]
struct FiringPeriodView {
    /// First evaluation at which the alert would have been firing.
    starts_at: Timestamp,
    /// First evaluation at which it would no longer have been firing; null if it would still be firing.
    #[schema(required)]
    ends_at: Option<Timestamp>,
    /// Lowest value in the period, in the unit of the metric.
    lowest: f64,
    /// Highest value in the period, in the unit of the metric.
    highest: f64,
}

impl From<FiringPeriod> for FiringPeriodView {
    fn from(FiringPeriod { starts_at, ends_at, range }: FiringPeriod) -> Self {
        Self { starts_at, ends_at, lowest: range.lowest, highest: range.highest }
    }
}

/// Evaluation of an alert rule over the last 24 hours, as if the rule had been created at their start.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AlertBackTest)]
struct BackTestView {
    /// Start of the evaluated time.
    start: Timestamp,
    /// End of the evaluated time.
    end: Timestamp,
    /// Interval between two evaluations.
    #[schema(example = "30s")]
    step: String,
    /// Unit of the values.
    unit: schema::MetricUnit,
    /// Limit with which the values are compared; a percentage of a quota is resolved.
    threshold: f64,
    /// Periods in which the rule had a value: pairs of start and end. The alert would not have been firing in others.
    #[schema(value_type = Vec<Vec<String>>)]
    measured: Vec<[Timestamp; 2]>,
    /// Lowest value; null if nothing was measured.
    #[schema(required)]
    lowest: Option<f64>,
    /// Highest value; null if nothing was measured.
    #[schema(required)]
    highest: Option<f64>,
    /// Number of periods in which the alert would have been firing.
    count: usize,
    /// The last 100 of these periods, oldest first.
    periods: Vec<FiringPeriodView>,
    /// `true` if the values are invented, because the server has a sandbox instead of host clusters.
    sandbox: bool,
}

impl BackTestView {
    fn new(metric: Metric, test: AlertBackTest) -> Self {
        let AlertBackTest { start, end, threshold, measured, range, count, periods, is_simulated } = test;
        Self {
            start,
            end,
            step: format!("{}s", EVALUATION_INTERVAL.as_secs()),
            unit: metric.unit().into(),
            threshold,
            measured,
            lowest: range.map(|range| range.lowest),
            highest: range.map(|range| range.highest),
            count,
            periods: periods.into_iter().map(FiringPeriodView::from).collect(),
            sandbox: is_simulated,
        }
    }
}

/// New alert rule, or its evaluation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CreatedOrEvaluated {
    Created(AlertRuleView),
    Evaluated(BackTestView),
}

/// Create an alert rule
///
/// A rule of a project is deleted with the project. The number of rules of a workspace is limited by the plan.
///
/// With `dry_run`, no rule is created, and the response is 200 with the periods of the last 24 hours in which the alert
/// would have been firing. The name may be that of an existing rule, to evaluate its change, and the limit of the plan
/// may be reached. A rule of a project has no values before the creation of the project. A dry run is a query of metrics: their limits and errors apply, such as `too_many_metric_queries`
/// with the status 429, and `unsupported` with the status 503. An idempotency key has no effect.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/alert-rules", tag = "Alerts",
    params(WorkspacePath, AlertRuleCreation), request_body = NewAlertRule,
    responses((status = 200, body = BackTestView), (status = 201, body = AlertRuleView), Problems),
    extensions(("x-hexabase-action" = json!("alert_rule.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Query(query): Query<AlertRuleCreation>,
    Body(body): Body<NewAlertRule>,
) -> ApiResult<ApiResponse<CreatedOrEvaluated>> {
    let (rules, command) = (platform.alert_rules(), body.parse()?);
    if query.dry_run {
        let test = rules.back_test(&caller, path.org, path.ws, &command).await?;
        let view = BackTestView::new(command.condition.metric, test);
        return Ok(ApiResponse::ok(CreatedOrEvaluated::Evaluated(view)));
    }
    let created = rules.create(&caller, path.org, path.ws, &command).await?;
    let location =
        format!("/api/v1/organizations/{}/workspaces/{}/alert-rules/{}", path.org, path.ws, created.value.id);
    let version = created.value.version;
    let view = CreatedOrEvaluated::Created(created.value.into());
    Ok(ApiResponse::created(location, view).version(version).replayed(created.replayed))
}

/// List the alert rules of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/alert-rules", tag = "Alerts",
    params(WorkspacePath, PageQuery), responses((status = 200, body = List<AlertRuleView>), Problems),
    extensions(("x-hexabase-action" = json!("alerts.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<AlertRuleView>>> {
    let page = pager.request(&query)?;
    let page = platform.alert_rules().list(&caller, path.org, path.ws, &page).await?;
    pager.list(page, AlertRuleView::from)
}

/// Get an alert rule
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/alert-rules/{id}", tag = "Alerts",
    params(AlertRulePath), responses((status = 200, body = AlertRuleView), Problems),
    extensions(("x-hexabase-action" = json!("alerts.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<AlertRulePath>,
) -> ApiResult<ApiResponse<AlertRuleView>> {
    let found = platform.alert_rules().get(&caller, path.org, path.ws, path.id).await?;
    let version = found.version;
    Ok(ApiResponse::ok(found.into()).version(version))
}

/// Update an alert rule
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/alert-rules/{id}", tag = "Alerts",
    params(AlertRulePath), request_body = AlertRulePatch,
    responses((status = 200, body = AlertRuleView), Problems),
    extensions(("x-hexabase-action" = json!("alert_rules.manage"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<AlertRulePath>,
    expected: IfMatch,
    Body(body): Body<AlertRulePatch>,
) -> ApiResult<ApiResponse<AlertRuleView>> {
    let (rules, scope) = (platform.alert_rules(), (path.org, path.ws));
    let changed = rules.update(&caller, scope, path.id, &body.parse()?, expected.version()).await?;
    let version = changed.version;
    Ok(ApiResponse::ok(changed.into()).version(version))
}

/// Delete an alert rule
///
/// An alert of the rule that is firing resolves with the next evaluation.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/alert-rules/{id}", tag = "Alerts",
    params(AlertRulePath), responses((status = 204, description = "The alert rule is deleted."), Problems),
    extensions(("x-hexabase-action" = json!("alert_rules.manage"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<AlertRulePath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    platform.alert_rules().delete(&caller, (path.org, path.ws), path.id, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}
