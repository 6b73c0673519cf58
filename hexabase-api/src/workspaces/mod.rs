//! Workspaces: tenant clusters, their tasks, node pools, kubeconfigs, isolation reports and policy reports.

pub(crate) mod cluster;
pub(crate) mod isolation;
pub(crate) mod node_pools;
pub(crate) mod policy_reports;
pub mod requests;
pub(crate) mod tasks;
pub(crate) mod workspace;

use std::sync::Arc;

use axum::extract::FromRef;
use hexabase_auth::Auth;
use hexabase_core::Platform;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use cluster::kubeconfig_of;

/// Description of the tag of the area.
pub(crate) const TAG: &str = "Tenant clusters.";

/// Tags and schemas of parameters of the area in the OpenAPI document.
#[derive(OpenApi)]
#[openapi(tags((name = "Workspaces", description = TAG)), components(schemas(requests::KubeconfigSource)))]
struct Document;

/// Routes of workspaces. [`Auth`] issues the tokens in kubeconfigs.
pub fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    Arc<Auth>: FromRef<S>,
{
    let areas = [
        workspace::router(),
        cluster::router(),
        isolation::router(),
        policy_reports::router(),
        tasks::router(),
        node_pools::router(),
    ];
    areas.into_iter().fold(OpenApiRouter::with_openapi(Document::openapi()), OpenApiRouter::merge)
}

/// Returns the OpenAPI document of the area.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    crate::openapi::area(router())
}
