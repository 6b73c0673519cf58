//! The tenant cluster of a workspace: the way into it, and how it is.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use hexabase_auth::{KubeconfigAuth, kubeconfig as write_kubeconfig};
use hexabase_core::model::{Drift, DriftEntry};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::InWorkspace;
use super::plans::{QuotaView, quota_view};
use super::workspaces::ConditionView;
use crate::api::edge::SignedIn;
use crate::api::extract::{Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::List;
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(kubeconfig))
        .routes(routes!(conditions))
        .routes(routes!(drift))
        .routes(routes!(usage))
}

/// How a kubeconfig gets its tokens.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KubeconfigKind {
    /// It runs `hexabase credential`.
    #[default]
    Exec,
    /// It runs `kubectl oidc-login`.
    Kubelogin,
    /// It holds a token that is valid for ten minutes.
    Token,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KubeconfigQuery {
    /// How it gets its tokens.
    #[serde(default)]
    #[param(inline)]
    auth: KubeconfigKind,
}

/// Get a kubeconfig for yourself. What you may do with it comes from your groups.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/kubeconfig", tag = "Workspaces",
    params(InWorkspace, KubeconfigQuery),
    responses((status = 200, content_type = "application/yaml", body = String), Problems),
    extensions(("x-hexabase-action" = json!("cluster.access"))))]
async fn kubeconfig(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    Query(query): Query<KubeconfigQuery>,
) -> Answer<Response> {
    let access = app.platform.workspaces().cluster_access(&caller, at.org, at.ws).await?;
    let settings = app.platform.settings();
    let token;
    let auth = match query.auth {
        KubeconfigKind::Exec => KubeconfigAuth::Exec {
            server_url: &settings.public_url,
            certificate_authority: settings.issuer.certificate_authority.as_deref(),
        },
        KubeconfigKind::Token => {
            token = app.auth.cluster_token(&access).await?;
            KubeconfigAuth::Token(&token)
        }
        KubeconfigKind::Kubelogin => KubeconfigAuth::Kubelogin {
            issuer: &settings.issuer.url,
            certificate_authority: settings.issuer.certificate_authority.as_deref(),
        },
    };
    let text = write_kubeconfig(&access.workspace, &auth)?;
    Ok(([(CONTENT_TYPE, "application/yaml")], text).into_response())
}

/// Show the single observations of a workspace.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/conditions", tag = "Workspaces",
    params(InWorkspace), responses((status = 200, body = List<ConditionView>), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn conditions(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Json<List<ConditionView>>> {
    let workspace = app.platform.workspaces().get(&caller, at.org, at.ws).await?;
    Ok(Json(List::whole(workspace.status.conditions.into_iter().map(ConditionView::from).collect())))
}

/// What the cluster had against what it should have, when that was last compared. What differed has been
/// repaired since.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Drift)]
struct DriftView {
    /// When it was compared; null while it never was.
    checked_at: Option<Timestamp>,
    /// Every field that differed.
    entries: Vec<DriftEntryView>,
}

/// One field that differed from what it should be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DriftEntry)]
struct DriftEntryView {
    /// `host`, or `tenant` for an object inside the tenant cluster.
    scope: String,
    /// The object: kind, namespace and name, with slashes between them.
    object: String,
    /// The field, as a path; empty when the whole object was missing or too much.
    field: String,
    /// What the cluster had; null when it was missing.
    actual: Option<String>,
    /// What it should have; null when it should not be there.
    desired: Option<String>,
    /// Who else has a say in the field, by the names that the API server knows them by: whoever is named here time and again
    /// should let go of it.
    #[schema(example = json!(["kubectl-edit"]))]
    managers: Vec<String>,
}

impl From<Drift> for DriftView {
    fn from(drift: Drift) -> Self {
        let entry = |entry: DriftEntry| DriftEntryView {
            scope: entry.scope,
            object: entry.object,
            field: entry.field,
            actual: entry.actual,
            desired: entry.desired,
            managers: entry.managers,
        };
        Self { checked_at: Some(drift.checked_at), entries: drift.entries.into_iter().map(entry).collect() }
    }
}

/// Show what the cluster had against what it should have.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/drift", tag = "Workspaces",
    params(InWorkspace), responses((status = 200, body = DriftView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn drift(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Json<DriftView>> {
    let workspace = app.platform.workspaces().get(&caller, at.org, at.ws).await?;
    Ok(Json(workspace.status.drift.map(DriftView::from).unwrap_or_default()))
}

/// What a workspace uses, against its plan's quota.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkspaceUsage)]
struct UsageView {
    /// When it was measured; null while it never was.
    observed_at: Option<Timestamp>,
    /// What the plan gives to workloads.
    quota: QuotaView,
    /// What is used, the control plane included.
    used: QuotaView,
    /// What each project uses, by its id.
    projects: BTreeMap<String, QuotaView>,
}

/// Show what a workspace uses, against its plan's quota.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/usage", tag = "Workspaces",
    params(InWorkspace), responses((status = 200, body = UsageView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn usage(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Json<UsageView>> {
    let workspace = app.platform.workspaces().get(&caller, at.org, at.ws).await?;
    let quota = quota_view(&app.platform.plans().of(&workspace.plan_id)?.quota);
    let Some(usage) = workspace.status.usage else {
        let (used, projects) = (QuotaView::new(), BTreeMap::new());
        return Ok(Json(UsageView { observed_at: None, quota, used, projects }));
    };
    Ok(Json(UsageView {
        observed_at: Some(usage.observed_at),
        quota,
        used: quota_view(&usage.workspace),
        projects: usage.projects.iter().map(|(id, used)| (id.to_string(), quota_view(used))).collect(),
    }))
}
