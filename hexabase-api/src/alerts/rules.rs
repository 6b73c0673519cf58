//! Alert rules.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::model::{AlertCondition, AlertLimit, AlertRule};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{AlertRulePatch, NewAlertRule};
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

/// Create an alert rule
///
/// A rule of a project is deleted with the project. The number of rules of a workspace is limited by the plan.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/alert-rules", tag = "Alerts",
    params(WorkspacePath), request_body = NewAlertRule,
    responses((status = 201, body = AlertRuleView), Problems),
    extensions(("x-hexabase-action" = json!("alert_rule.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Body(body): Body<NewAlertRule>,
) -> ApiResult<ApiResponse<AlertRuleView>> {
    let created = platform.alert_rules().create(&caller, path.org, path.ws, &body.parse()?).await?;
    let location =
        format!("/api/v1/organizations/{}/workspaces/{}/alert-rules/{}", path.org, path.ws, created.value.id);
    let version = created.value.version;
    Ok(ApiResponse::created(location, created.value.into()).version(version).replayed(created.replayed))
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
