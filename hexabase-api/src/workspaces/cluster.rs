//! Tenant cluster of a workspace: kubeconfig, conditions, drift and usage.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hexabase_auth::{Auth, KubeconfigAuth, kubeconfig as render_kubeconfig};
use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::model::{Drift, DriftEntry};
use hexabase_core::platform::ClusterAccess;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{KubeconfigQuery, KubeconfigSource};
use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::WorkspacePath;
use crate::problem::{ApiResult, Problems};
use crate::response::List;
use crate::schema::{self, ResourceAmounts};
use crate::workspaces::workspace::ConditionView;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    Arc<Auth>: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(kubeconfig))
        .routes(routes!(conditions))
        .routes(routes!(drift))
        .routes(routes!(usage))
}

/// Get a kubeconfig for the caller
///
/// The groups of the caller determine the permissions in the cluster.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/kubeconfig", tag = "Workspaces",
    params(WorkspacePath, KubeconfigQuery),
    responses((status = 200, content_type = "application/yaml", body = String), Problems),
    extensions(("x-hexabase-action" = json!("cluster.access"))))]
async fn kubeconfig(
    State(platform): State<Platform>,
    State(auth): State<Arc<Auth>>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Query(query): Query<KubeconfigQuery>,
) -> ApiResult<Response> {
    let access = platform.workspaces().cluster_access(&caller, path.org, path.ws).await?;
    let (text, _) = kubeconfig_of(&auth, &access, query.auth).await?;
    Ok(([(CONTENT_TYPE, "application/yaml")], text).into_response())
}

/// Renders the kubeconfig of a user for a workspace. With [`KubeconfigSource::Token`] it contains a token, and the time at
/// which that expires is returned, too.
///
/// # Errors
/// - `Conflict` with code `workspace_not_ready` if the workspace has no API endpoint yet.
/// - `Unsupported` with [`KubeconfigSource::Exec`] if the platform has no exec plugin.
/// - `QuotaExceeded` if the user is in more groups than a token can carry.
pub async fn kubeconfig_of(
    auth: &Auth,
    access: &ClusterAccess,
    source: KubeconfigSource,
) -> Result<(String, Option<Timestamp>)> {
    let config = auth.platform().config();
    let token;
    let mut expires_at = None;
    let source = match source {
        KubeconfigSource::Exec => KubeconfigAuth::Exec {
            plugin: config.credential_plugin.as_ref(),
            server_url: &config.public_url,
            certificate_authority: config.issuer.certificate_authority.as_deref(),
        },
        KubeconfigSource::Token => {
            token = auth.issuer().cluster_token(access).await?;
            expires_at = Some(token.expires_at);
            KubeconfigAuth::Token(&token)
        }
        KubeconfigSource::Kubelogin => KubeconfigAuth::Kubelogin {
            issuer: &config.issuer.url,
            certificate_authority: config.issuer.certificate_authority.as_deref(),
        },
    };
    Ok((render_kubeconfig(&access.workspace, &source)?, expires_at))
}

/// List the conditions of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/conditions", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = List<ConditionView>), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn conditions(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<List<ConditionView>>> {
    let workspace = platform.workspaces().get(&caller, path.org, path.ws).await?;
    Ok(Json(List::complete(workspace.status.conditions.into_iter().map(ConditionView::from).collect())))
}

/// Differences between the cluster and its desired state at the last comparison. They have been repaired since.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Drift)]
struct DriftView {
    /// Time of the comparison; null before the first one.
    #[schema(required)]
    checked_at: Option<Timestamp>,
    /// Fields that differed.
    entries: Vec<DriftEntryView>,
}

/// Difference between a field and its desired state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DriftEntry)]
struct DriftEntryView {
    /// Location of the object.
    scope: schema::DriftScope,
    /// Object, as `kind/namespace/name`.
    object: String,
    /// Path of the field; empty if the whole object was missing or superfluous.
    field: String,
    /// Actual value; null if it was missing.
    #[schema(required)]
    actual: Option<String>,
    /// Desired value; null if it should not exist.
    #[schema(required)]
    desired: Option<String>,
    /// Other field managers of the field, by their names at the API server. A manager that appears repeatedly should
    /// stop managing the field.
    #[schema(example = json!(["kubectl-edit"]))]
    managers: Vec<String>,
}

impl From<Drift> for DriftView {
    fn from(drift: Drift) -> Self {
        let entry = |entry: DriftEntry| DriftEntryView {
            scope: entry.scope.into(),
            object: entry.object,
            field: entry.field,
            actual: entry.actual,
            desired: entry.desired,
            managers: entry.managers,
        };
        Self { checked_at: Some(drift.checked_at), entries: drift.entries.into_iter().map(entry).collect() }
    }
}

/// Get the drift of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/drift", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = DriftView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn drift(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<DriftView>> {
    let workspace = platform.workspaces().get(&caller, path.org, path.ws).await?;
    Ok(Json(workspace.status.drift.map(DriftView::from).unwrap_or_default()))
}

/// Resource usage of a workspace, with the quota of its plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceUsage)]
struct UsageView {
    /// Time of the measurement; null before the first one.
    #[schema(required)]
    observed_at: Option<Timestamp>,
    /// Quota of the plan for workloads.
    quota: ResourceAmounts,
    /// Usage of the whole workspace, including its control plane.
    used: ResourceAmounts,
    /// Usage of each project, by project id.
    projects: BTreeMap<String, ResourceAmounts>,
}

/// Get the resource usage of a workspace
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/usage", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = UsageView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn usage(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<UsageView>> {
    let workspace = platform.workspaces().get(&caller, path.org, path.ws).await?;
    let quota = ResourceAmounts::from(&platform.current_plans().await?.get(&workspace.plan_id)?.quota);
    let Some(usage) = workspace.status.usage else {
        let (used, projects) = (ResourceAmounts::default(), BTreeMap::new());
        return Ok(Json(UsageView { observed_at: None, quota, used, projects }));
    };
    Ok(Json(UsageView {
        observed_at: Some(usage.observed_at),
        quota,
        used: (&usage.workspace).into(),
        projects: usage.projects.iter().map(|(id, used)| (id.to_string(), used.into())).collect(),
    }))
}
