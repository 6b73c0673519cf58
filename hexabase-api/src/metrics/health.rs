//! Health of workspaces.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::metrics::HealthCondition;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::Path;
use crate::path_params::WorkspacePath;
use crate::problem::{ApiResult, Problems};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(read_health))
}

/// Health of a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceHealth)]
struct HealthView {
    /// Conditions; `True` is healthy.
    conditions: Vec<HealthConditionView>,
}

/// Condition of a workspace's health.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HealthCondition)]
struct HealthConditionView {
    /// Type of the condition, in `CamelCase`.
    #[serde(rename = "type")]
    #[schema(example = "PodsScheduled")]
    kind: &'static str,
    /// `True` if healthy, `Unknown` if not measured.
    status: schema::ConditionStatus,
    /// Reason of the status, in `CamelCase`.
    #[schema(example = "Unschedulable")]
    reason: &'static str,
    /// Description of the reason, with the measured values.
    message: String,
    /// Next step; empty if the condition holds.
    remedy: &'static str,
    /// Start of the state; null if unknown.
    #[schema(required)]
    since: Option<Timestamp>,
}

impl From<HealthCondition> for HealthConditionView {
    fn from(condition: HealthCondition) -> Self {
        let HealthCondition { kind, status, reason, message, values: _, remedy, since } = condition;
        Self { kind, status: status.into(), reason, message, remedy, since }
    }
}

/// Get the health of a workspace
///
/// Conditions of the control plane, the DNS, the pods and the quota, with the next step for each that does not hold. They
/// are measured, so they are some seconds old.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/health", tag = "Metrics",
    params(WorkspacePath), responses((status = 200, body = HealthView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn read_health(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<HealthView>> {
    let conditions = platform.metrics().health(&caller, path.org, path.ws).await?;
    Ok(Json(HealthView { conditions: conditions.into_iter().map(Into::into).collect() }))
}
