//! Node pools: dedicated nodes of workspaces.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::id::{OrganizationId, TaskId, WorkspaceId};
use hexabase_core::model::{NodePool, PoolNodes};
use hexabase_core::platform::PoolState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::NewNodePool;
use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path};
use crate::path_params::{NodePoolPath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(delete))
}

/// Dedicated nodes of a workspace. All pods of a workspace with node pools run on them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodePool)]
struct NodePoolView {
    /// Id of the node pool.
    id: schema::NodePoolId,
    /// Name, unique in the workspace. Its nodes carry the label `node-pool` of the host's label domain, by default
    /// `hexabase.ai/node-pool`, by which pods select a pool.
    #[schema(example = "gpu")]
    name: String,
    /// Class of the nodes.
    #[schema(example = "a100")]
    class: String,
    /// Desired number of nodes.
    nodes: u16,
    /// Names of the nodes that run pods of the workspace.
    assigned: Vec<String>,
    /// Names of the nodes that are being drained before they are released.
    releasing: Vec<String>,
    /// Creation time.
    created_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<PoolState> for NodePoolView {
    fn from(PoolState { pool, nodes }: PoolState) -> Self {
        Self {
            id: pool.id.into(),
            name: pool.name.to_string(),
            class: pool.class.to_string(),
            nodes: pool.nodes,
            assigned: nodes.assigned,
            releasing: nodes.releasing,
            created_at: pool.created_at,
            version: pool.version.number(),
        }
    }
}

/// Node pool, and the task that provides its nodes.
#[derive(Debug, Serialize, ToSchema)]
struct NodePoolWithTask {
    /// Created node pool.
    #[serde(flatten)]
    pool: NodePoolView,
    /// Id of the task.
    task_id: schema::TaskId,
}

/// Task that releases the nodes of a pool.
#[derive(Debug, Serialize, ToSchema)]
struct NodePoolTask {
    /// Id of the task.
    task_id: schema::TaskId,
}

fn location(organization: OrganizationId, workspace: WorkspaceId, task: TaskId) -> String {
    format!("/api/v1/organizations/{organization}/workspaces/{workspace}/tasks/{task}")
}

/// Create a node pool
///
/// Requires a plan with dedicated nodes. Free nodes are assigned as they become available, and the pods of the
/// workspace move to them as they are recreated.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/node-pools", tag = "Workspaces",
    params(WorkspacePath), request_body = NewNodePool,
    responses((status = 202, body = NodePoolWithTask), Problems),
    extensions(("x-hexabase-action" = json!("node_pool.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
    Body(body): Body<NewNodePool>,
) -> ApiResult<ApiResponse<NodePoolWithTask>> {
    let created = platform.node_pools().create(&caller, path.org, path.ws, &body.parse()?).await?;
    let (pool, task): (NodePool, TaskId) = (created.value.pool, created.value.task_id);
    let version = pool.version;
    let pool = PoolState { pool, nodes: PoolNodes::default() }.into();
    let view = NodePoolWithTask { pool, task_id: task.into() };
    Ok(ApiResponse::accepted(location(path.org, path.ws, task), view)
        .version(version)
        .replayed(created.replayed))
}

/// List the node pools of a workspace, with their nodes
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/node-pools", tag = "Workspaces",
    params(WorkspacePath), responses((status = 200, body = List<NodePoolView>), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<List<NodePoolView>>> {
    let pools = platform.node_pools().list(&caller, path.org, path.ws).await?;
    Ok(Json(List::complete(pools.into_iter().map(NodePoolView::from).collect())))
}

/// Delete a node pool
///
/// Its nodes are cordoned, drained, and then available to other workspaces.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/node-pools/{id}", tag = "Workspaces",
    params(NodePoolPath), responses((status = 202, body = NodePoolTask), Problems),
    extensions(("x-hexabase-action" = json!("node_pools.manage"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<NodePoolPath>,
    expected: IfMatch,
) -> ApiResult<ApiResponse<NodePoolTask>> {
    let pools = platform.node_pools();
    let task = pools.delete(&caller, path.org, path.ws, path.id, expected.version()).await?;
    Ok(ApiResponse::accepted(location(path.org, path.ws, task), NodePoolTask { task_id: task.into() }))
}
