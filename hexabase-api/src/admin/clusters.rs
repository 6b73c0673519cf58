//! Host clusters of the installation, for operators.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::platform::KnownHost;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::require_operator;
use super::requests::{ClusterPatch, NewCluster};
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path};
use crate::path_params::ClusterPath;
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(register, list)).routes(routes!(get, update, unregister))
}

/// Host cluster, which runs tenant clusters.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cluster)]
struct ClusterView {
    /// Name of the host cluster.
    #[schema(value_type = schema::HostClusterName)]
    name: String,
    /// Region of the host cluster; null if it has none.
    #[schema(example = "eu", required)]
    region: Option<String>,
    /// Labels that plans can require.
    #[schema(example = json!({"gpu": "a100"}))]
    labels: BTreeMap<String, String>,
    /// Maximum number of workspaces; null for no limit.
    #[schema(required)]
    capacity: Option<u32>,
    /// Number of workspaces on the host cluster.
    workspaces: u32,
    /// `true` if the host cluster accepts no new workspaces.
    cordoned: bool,
    /// `true` if the host cluster is the sandbox, which runs no workload.
    sandbox: bool,
    /// Registration; null for a host cluster from the configuration of the server, which is changed there.
    #[schema(required)]
    registration: Option<RegistrationView>,
}

/// Registration of a host cluster.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ClusterRegistration)]
struct RegistrationView {
    /// Parameters that differ from the options of the server, by the names of those options.
    #[schema(example = json!({"tenant_endpoint": "https://{name}.fra-1.tenants.example"}))]
    settings: BTreeMap<String, String>,
    /// Health of the host cluster.
    health: schema::HostClusterHealth,
    /// Reason for which the host cluster is unreachable; empty otherwise.
    message: String,
    /// Time since which the health is unchanged.
    since: Timestamp,
    /// Time of the registration.
    created_at: Timestamp,
    /// Time of the last change, including changes of the health.
    updated_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<KnownHost> for ClusterView {
    fn from(known: KnownHost) -> Self {
        let KnownHost { host, workspaces, registration } = known;
        let registration = registration.map(|registration| RegistrationView {
            settings: registration.settings,
            health: registration.health.state.into(),
            message: registration.health.message,
            since: registration.health.since,
            created_at: registration.created_at,
            updated_at: registration.updated_at,
            version: registration.version.number(),
        });
        Self {
            name: host.name.to_string(),
            region: host.region.map(|region| region.to_string()),
            labels: host.labels,
            capacity: Some(host.capacity).filter(|capacity| *capacity < u32::MAX),
            workspaces,
            cordoned: host.cordoned,
            sandbox: host.sandbox,
            registration,
        }
    }
}

/// Returns the response with a host cluster, and its version if it is registered.
fn cluster_response(
    known: KnownHost,
    response: impl FnOnce(ClusterView) -> ApiResponse<ClusterView>,
) -> ApiResponse<ClusterView> {
    let version = known.registration.as_ref().map(|registration| registration.version);
    let response = response(known.into());
    match version {
        Some(version) => response.version(version),
        None => response,
    }
}

/// Register a host cluster
///
/// New workspaces may be placed on it immediately. Its health is known after the first request of a worker.
#[utoipa::path(post, path = "/api/v1/admin/clusters", tag = "Operators", request_body = NewCluster,
    responses((status = 201, body = ClusterView), Problems))]
async fn register(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Body(body): Body<NewCluster>,
) -> ApiResult<ApiResponse<ClusterView>> {
    require_operator(&platform, &authenticated).await?;
    let command = body.parse()?;
    let created = platform.hosts().register(&authenticated.0, &command).await?;
    tracing::info!(host = %command.host.name, by = %authenticated.0.principal.user_id, "host cluster registered");
    let location = format!("/api/v1/admin/clusters/{}", command.host.name);
    Ok(cluster_response(created.value, |view| ApiResponse::created(location, view))
        .replayed(created.replayed))
}

/// List the host clusters
///
/// Returns those of the configuration of the server, then the registered ones.
#[utoipa::path(get, path = "/api/v1/admin/clusters", tag = "Operators",
    responses((status = 200, body = List<ClusterView>), Problems))]
async fn list(
    State(platform): State<Platform>,
    authenticated: Authenticated,
) -> ApiResult<Json<List<ClusterView>>> {
    require_operator(&platform, &authenticated).await?;
    let all = platform.hosts().list().await?;
    Ok(Json(List::complete(all.into_iter().map(ClusterView::from).collect())))
}

/// Get a host cluster
#[utoipa::path(get, path = "/api/v1/admin/clusters/{cluster}", tag = "Operators", params(ClusterPath),
    responses((status = 200, body = ClusterView), Problems))]
async fn get(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Path(path): Path<ClusterPath>,
) -> ApiResult<ApiResponse<ClusterView>> {
    require_operator(&platform, &authenticated).await?;
    Ok(cluster_response(platform.hosts().get(&path.cluster).await?, ApiResponse::ok))
}

/// Update a registered host cluster
///
/// Existing workspaces stay on it.
#[utoipa::path(patch, path = "/api/v1/admin/clusters/{cluster}", tag = "Operators", params(ClusterPath),
    request_body = ClusterPatch, responses((status = 200, body = ClusterView), Problems))]
async fn update(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Path(path): Path<ClusterPath>,
    expected: IfMatch,
    Body(body): Body<ClusterPatch>,
) -> ApiResult<ApiResponse<ClusterView>> {
    require_operator(&platform, &authenticated).await?;
    let changed = platform.hosts().update(&path.cluster, &body.parse()?, expected.version()).await?;
    tracing::info!(host = %path.cluster, by = %authenticated.0.principal.user_id, "host cluster updated");
    Ok(cluster_response(changed, ApiResponse::ok))
}

/// Unregister a host cluster
///
/// It must be cordoned and have no workspaces. Objects on it are not changed.
#[utoipa::path(delete, path = "/api/v1/admin/clusters/{cluster}", tag = "Operators", params(ClusterPath),
    responses((status = 204, description = "The host cluster is no longer registered."), Problems))]
async fn unregister(
    State(platform): State<Platform>,
    authenticated: Authenticated,
    Path(path): Path<ClusterPath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    require_operator(&platform, &authenticated).await?;
    platform.hosts().unregister(&path.cluster, expected.version()).await?;
    tracing::info!(host = %path.cluster, by = %authenticated.0.principal.user_id, "host cluster unregistered");
    Ok(StatusCode::NO_CONTENT)
}
