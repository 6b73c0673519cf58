//! Alerts that are firing, and their silences.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::platform::{ActiveAlert, AlertSilence};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::NewSilence;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path};
use crate::path_params::{AlertRulePath, SilencePath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(silence))
        .routes(routes!(list_silences))
        .routes(routes!(end_silence))
}

/// Alert of an alert rule that is firing.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Alert)]
struct AlertView {
    /// Id of the alert, which is that of its rule: a rule has one alert at most.
    id: schema::AlertRuleId,
    /// Name of the rule.
    #[schema(example = "memory-high")]
    name: String,
    /// Id of the project whose metric is compared; null for the workspace as a whole.
    #[schema(required)]
    project: Option<schema::ProjectId>,
    /// Metric that is compared.
    metric: schema::MetricName,
    /// Severity of the alert.
    severity: schema::AlertSeverity,
    /// Time since which the condition of the rule has held.
    starts_at: Timestamp,
    /// Ids of the silences that apply to the alert. Those of operators cannot be ended here.
    silenced_by: Vec<schema::SilenceId>,
}

impl From<ActiveAlert> for AlertView {
    fn from(ActiveAlert { rule, starts_at, silenced_by }: ActiveAlert) -> Self {
        Self {
            id: rule.id.into(),
            name: rule.name.to_string(),
            project: rule.project_id.map(schema::ProjectId::from),
            metric: rule.condition.metric.into(),
            severity: rule.severity.into(),
            starts_at,
            silenced_by: silenced_by.into_iter().map(schema::SilenceId::from).collect(),
        }
    }
}

/// List the alerts of a workspace that are firing
///
/// The oldest rule comes first. An installation that evaluates no alert rules responds 503 with the code `unsupported`. The
/// number of concurrent requests of a workspace is limited: the error `too_many_alert_requests` has the status 429.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/alerts", tag = "Alerts",
    params(WorkspacePath), responses((status = 200, body = List<AlertView>), Problems),
    extensions(("x-hexabase-action" = json!("alerts.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<List<AlertView>>> {
    let alerts = platform.alerts().list(&caller, path.org, path.ws).await?;
    Ok(Json(List::complete(alerts.into_iter().map(AlertView::from).collect())))
}

/// Silence of the alerts of a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Silence)]
struct SilenceView {
    /// Id of the silence.
    id: schema::SilenceId,
    /// Id of the rule whose alerts are silenced.
    rule: schema::AlertRuleId,
    /// Id of the user who created the silence.
    created_by: schema::UserId,
    /// End of the silence.
    ends_at: Timestamp,
    /// Reason for the silence.
    comment: String,
}

impl From<AlertSilence> for SilenceView {
    fn from(AlertSilence { id, rule_id, created_by, ends_at, comment }: AlertSilence) -> Self {
        Self { id: id.into(), rule: rule_id.into(), created_by: created_by.into(), ends_at, comment }
    }
}

/// Silence the alerts of a rule
///
/// They are listed, but not notified, until the silence ends. The rule need not be firing.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/alerts/{id}/silence", tag = "Alerts",
    params(AlertRulePath), request_body = NewSilence,
    responses((status = 201, body = SilenceView), Problems),
    extensions(("x-hexabase-action" = json!("alert_rules.manage"))))]
async fn silence(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<AlertRulePath>,
    Body(body): Body<NewSilence>,
) -> ApiResult<ApiResponse<SilenceView>> {
    let command = body.parse();
    let created = platform.alerts().silence(&caller, (path.org, path.ws), path.id, &command).await?;
    let location =
        format!("/api/v1/organizations/{}/workspaces/{}/silences/{}", path.org, path.ws, created.value.id);
    Ok(ApiResponse::created(location, created.value.into()).replayed(created.replayed))
}

/// List the silences of a workspace
///
/// The first to end comes first. Silences that have ended, and those of operators, are not included. Limits and errors are
/// those of the list of alerts.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/silences", tag = "Alerts",
    params(WorkspacePath), responses((status = 200, body = List<SilenceView>), Problems),
    extensions(("x-hexabase-action" = json!("alerts.read"))))]
async fn list_silences(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<List<SilenceView>>> {
    let silences = platform.alerts().silences(&caller, path.org, path.ws).await?;
    Ok(Json(List::complete(silences.into_iter().map(SilenceView::from).collect())))
}

/// End a silence
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/silences/{id}", tag = "Alerts",
    params(SilencePath), responses((status = 204, description = "The silence has ended."), Problems),
    extensions(("x-hexabase-action" = json!("alert_rules.manage"))))]
async fn end_silence(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<SilencePath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    expected.require_any()?;
    platform.alerts().end_silence(&caller, (path.org, path.ws), path.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
