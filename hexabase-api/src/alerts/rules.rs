//! Alert rules.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::error::{Check, Result};
use hexabase_core::model::{AlertCondition, AlertLimit, AlertRule};
use hexabase_core::name::{Email, Slug};
use hexabase_core::platform::{CreateAlertRule, UpdateAlertRule};
use hexabase_core::quantity::Quantity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::optional_field::parse_optional;
use crate::path_params::{AlertRulePath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, PageQuery, Pager};
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
    metric: schema::AlertMetric,
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

/// Alert rule to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAlertRule {
    /// Name, unique in the workspace: a DNS label.
    #[schema(example = "memory-high")]
    name: String,
    /// Id of the project whose metric is compared; the workspace as a whole by default.
    #[schema(value_type = Option<schema::ProjectId>)]
    project: Option<String>,
    /// Metric that is compared.
    #[schema(value_type = schema::AlertMetric)]
    metric: String,
    /// Side of the limit on which the rule fires.
    #[schema(value_type = schema::AlertComparison)]
    comparison: String,
    /// Limit in the unit of the metric, zero or more. Either this or `percent_of_quota` is set.
    threshold: Option<f64>,
    /// Limit as a percentage, 1 to 100, of the quota for the metric: that of the project, or of the plan if the rule has
    /// no project or its project has no such quota.
    #[schema(example = 80)]
    percent_of_quota: Option<u8>,
    /// Time for which the comparison must hold before the rule fires.
    #[serde(rename = "for")]
    #[schema(value_type = schema::AlertDuration)]
    duration: String,
    /// Severity of the alert.
    #[schema(value_type = schema::AlertSeverity)]
    severity: String,
    /// Addresses of the members who are notified, at most 10. Each is the verified address of a person in the
    /// organization.
    #[serde(default)]
    #[schema(example = json!(["ann@example.com"]))]
    notify: Vec<String>,
}

/// Parses an amount in the unit of a metric.
fn parse_threshold(check: &mut Check, threshold: f64) -> Option<Quantity> {
    let parsed = threshold.to_string().parse::<Quantity>();
    check.field("threshold", parsed.map_err(|_| "must be zero or more, and less than 2^63"))
}

/// Parses a limit, of which a request has one form at most.
fn parse_limit(check: &mut Check, threshold: Option<f64>, percent: Option<u8>) -> Option<AlertLimit> {
    match (threshold, percent) {
        (Some(_), Some(_)) => {
            check.refuse("percent_of_quota", "must be absent if threshold is set");
            None
        }
        (Some(threshold), None) => parse_threshold(check, threshold).map(AlertLimit::Threshold),
        (None, Some(percent)) => Some(AlertLimit::PercentOfQuota(percent)),
        (None, None) => None,
    }
}

fn parse_addresses(check: &mut Check, addresses: &[String]) -> Vec<Email> {
    let parse =
        |(index, address): (usize, &String)| check.field(format!("notify[{index}]"), Email::parse(address));
    addresses.iter().enumerate().filter_map(parse).collect()
}

impl NewAlertRule {
    fn parse(&self) -> Result<CreateAlertRule> {
        let mut check = Check::default();
        let name = check.field("name", Slug::parse(&self.name));
        let project_id = check.field("project", parse_optional(&self.project, str::parse));
        let metric = check.field("metric", self.metric.parse());
        let comparison = check.field("comparison", self.comparison.parse());
        let duration = check.field("for", self.duration.parse());
        let severity = check.field("severity", self.severity.parse());
        let is_limited = self.threshold.is_some() || self.percent_of_quota.is_some();
        check.require(is_limited, "threshold", "must be set unless percent_of_quota is set");
        let limit = parse_limit(&mut check, self.threshold, self.percent_of_quota);
        let notify = parse_addresses(&mut check, &self.notify);
        let condition = (|| {
            let (metric, comparison) = (metric?, comparison?);
            Some(AlertCondition { metric, comparison, limit: limit?, duration: duration? })
        })();
        let (name, project_id, condition, severity) = check.all((name, project_id, condition, severity))?;
        Ok(CreateAlertRule { name, project_id, condition, severity, notify })
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

/// Changes to an alert rule. Absent fields stay unchanged; the project of a rule cannot change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AlertRulePatch {
    /// Name, unique in the workspace: a DNS label.
    name: Option<String>,
    /// Metric that is compared.
    #[schema(value_type = Option<schema::AlertMetric>)]
    metric: Option<String>,
    /// Side of the limit on which the rule fires.
    #[schema(value_type = Option<schema::AlertComparison>)]
    comparison: Option<String>,
    /// Limit in the unit of the metric, zero or more; replaces a percentage.
    threshold: Option<f64>,
    /// Limit as a percentage of the quota, 1 to 100; replaces an amount.
    percent_of_quota: Option<u8>,
    /// Time for which the comparison must hold before the rule fires.
    #[serde(rename = "for")]
    #[schema(value_type = Option<schema::AlertDuration>)]
    duration: Option<String>,
    /// Severity of the alert.
    #[schema(value_type = Option<schema::AlertSeverity>)]
    severity: Option<String>,
    /// Addresses of the members who are notified; replaces all addresses.
    notify: Option<Vec<String>>,
}

impl AlertRulePatch {
    fn parse(&self) -> Result<UpdateAlertRule> {
        let mut check = Check::default();
        let name = check.field("name", parse_optional(&self.name, Slug::parse));
        let metric = check.field("metric", parse_optional(&self.metric, str::parse));
        let comparison = check.field("comparison", parse_optional(&self.comparison, str::parse));
        let limit = parse_limit(&mut check, self.threshold, self.percent_of_quota);
        let duration = check.field("for", parse_optional(&self.duration, str::parse));
        let severity = check.field("severity", parse_optional(&self.severity, str::parse));
        let notify = self.notify.as_ref().map(|addresses| parse_addresses(&mut check, addresses));
        let (name, metric, comparison, duration, severity) =
            check.all((name, metric, comparison, duration, severity))?;
        Ok(UpdateAlertRule { name, metric, comparison, limit, duration, severity, notify })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_number_that_the_store_keeps_exactly() {
        for (number, expected) in [
            (0.0, Some("0")),
            (0.25, Some("250m")),
            (1e12, Some("1T")),
            (-1.0, None),
            (-0.0, None),
            (1e300, None),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ] {
            let mut check = Check::default();
            let parsed = parse_threshold(&mut check, number);
            assert_eq!(parsed, expected.map(|text| text.parse().unwrap()), "{number}");
            assert_eq!(check.done().is_ok(), expected.is_some(), "{number}");
        }
    }
}
