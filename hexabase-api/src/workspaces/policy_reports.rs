//! Violations of policies of the host by the objects of a workspace.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{PolicyFinding, PolicyReport};
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
    OpenApiRouter::new().routes(routes!(get))
}

/// Violations of policies of the host by the objects of a workspace.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyReport)]
struct PolicyReportView {
    /// Time at which a worker read the reports of the host; null before the first collection, and on hosts whose policies
    /// write no reports.
    #[schema(required)]
    collected_at: Option<Timestamp>,
    /// `true` if there were more findings than the 500 that a report contains, or more reports than a worker reads.
    truncated: bool,
    /// Findings in the namespaces whose pod logs the caller may read, sorted by namespace, kind and name.
    items: Vec<PolicyFindingView>,
}

/// Violation of a policy of the host by an object of a workspace, by the names of the tenant cluster.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyFinding)]
struct PolicyFindingView {
    /// Namespace of the object.
    #[schema(example = "shop")]
    namespace: String,
    /// Kind of the object.
    #[schema(example = "Pod")]
    kind: String,
    /// Name of the object.
    #[schema(example = "web-0")]
    name: String,
    /// Name of the policy.
    #[schema(example = "require-signed-images")]
    policy: String,
    /// Name of the rule; empty if the policy has none.
    rule: String,
    /// Result of the policy.
    result: schema::PolicyResult,
    /// Message of the policy.
    message: String,
    /// Time of the evaluation; null if the report has none.
    #[schema(required)]
    evaluated_at: Option<Timestamp>,
}

impl From<PolicyFinding> for PolicyFindingView {
    fn from(finding: PolicyFinding) -> Self {
        Self {
            namespace: finding.namespace,
            kind: finding.kind,
            name: finding.name,
            policy: finding.policy,
            rule: finding.rule,
            result: finding.result.into(),
            message: finding.message,
            evaluated_at: finding.evaluated_at,
        }
    }
}

impl From<Option<PolicyReport>> for PolicyReportView {
    fn from(report: Option<PolicyReport>) -> Self {
        match report {
            None => Self { collected_at: None, truncated: false, items: Vec::new() },
            Some(PolicyReport { collected_at, findings, truncated }) => Self {
                collected_at: Some(collected_at),
                truncated,
                items: findings.into_iter().map(PolicyFindingView::from).collect(),
            },
        }
    }
}

/// List the policy violations of a workspace
///
/// Workers read the PolicyReports about objects of the workspace on the host, at most every five minutes. Objects of its control
/// plane are left out. Members of its groups see the findings in the projects whose pod logs they may read; a role in the
/// workspace as a whole that allows `get pods/log` shows those of all namespaces.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/policy-reports", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = PolicyReportView), Problems),
    extensions(("x-hexabase-action" = json!("cluster.access"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<PolicyReportView>> {
    Ok(Json(platform.policy_reports().get(&caller, path.org, path.ws).await?.into()))
}
