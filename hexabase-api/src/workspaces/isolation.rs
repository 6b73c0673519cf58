//! Isolation checks of workspaces: latest report, and requests of new ones.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{ConditionStatus, IsolationCondition, IsolationReport};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::Path;
use crate::path_params::WorkspacePath;
use crate::problem::{ApiResult, Problems};
use crate::response::ApiResponse;
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(report, request))
}

/// Results of the isolation checks of a workspace. Each check attempts what a tenant must not be able to do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IsolationReport)]
struct ReportView {
    /// Time of the checks; null before the first one.
    #[schema(required)]
    collected_at: Option<Timestamp>,
    /// `True` if every check passed, `False` if one failed, `Unknown` otherwise.
    status: schema::ConditionStatus,
    /// Result of each check.
    conditions: Vec<IsolationConditionView>,
}

/// Result of an isolation check, as a condition of the Kubernetes API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IsolationCondition)]
struct IsolationConditionView {
    /// Type of the condition, in `CamelCase`.
    #[serde(rename = "type")]
    #[schema(example = "PrivilegedPodsRejected")]
    kind: String,
    /// Attempt of the check.
    #[schema(example = "Run a privileged pod")]
    title: String,
    /// Damage if the check fails.
    severity: schema::IsolationSeverity,
    /// `True` if the intended barrier rejects the attempt, `False` if the attempt is admitted, `Unknown` if the check
    /// could not decide.
    status: schema::ConditionStatus,
    /// Reason of the status, in `CamelCase`.
    #[schema(example = "Rejected")]
    reason: String,
    /// Description of the reason.
    message: String,
    /// Next step for the operator; empty if the check passed.
    remedy: String,
    /// Time of the last change of the status.
    last_transition_time: Timestamp,
}

impl From<IsolationCondition> for IsolationConditionView {
    fn from(IsolationCondition { result, last_transition_time }: IsolationCondition) -> Self {
        Self {
            kind: result.kind,
            title: result.title,
            severity: result.severity.into(),
            status: result.status.into(),
            reason: result.reason,
            message: result.message,
            remedy: result.remedy,
            last_transition_time,
        }
    }
}

impl From<Option<IsolationReport>> for ReportView {
    fn from(report: Option<IsolationReport>) -> Self {
        let Some(report) = report else {
            let status = ConditionStatus::Unknown.into();
            return Self { collected_at: None, status, conditions: Vec::new() };
        };
        Self {
            collected_at: Some(report.collected_at),
            status: report.status().into(),
            conditions: report.conditions.into_iter().map(IsolationConditionView::from).collect(),
        }
    }
}

/// Requested isolation check.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IsolationRequest)]
struct RequestView {
    /// Time of the request. The check is complete once `collected_at` of the report is not before it.
    requested_at: Timestamp,
}

/// Get the isolation report of a workspace
///
/// Workers attempt what a tenant must not be able to do, once a day and on request. All attempts are dry runs.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/isolation", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = ReportView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn report(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<ReportView>> {
    Ok(Json(platform.isolation().report(&caller, path.org, path.ws).await?.into()))
}

/// Request an isolation check of a workspace
///
/// A worker runs the check soon. At most one check of a workspace per minute can be requested.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/isolation", tag = "Workspaces",
    params(WorkspacePath), responses((status = 202, body = RequestView), Problems),
    extensions(("x-hexabase-action" = json!("isolation.check"))))]
async fn request(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<ApiResponse<RequestView>> {
    let requested = platform.isolation().request(&caller, path.org, path.ws).await?;
    let location = format!("/api/v1/organizations/{}/workspaces/{}/isolation", path.org, path.ws);
    let view = RequestView { requested_at: requested.value.requested_at };
    Ok(ApiResponse::accepted(location, view).replayed(requested.replayed))
}
