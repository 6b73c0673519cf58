//! Nodes that workspaces have to themselves.

use axum::Json;
use axum::extract::State;
use hexabase_core::error::Check;
use hexabase_core::id::{OrganizationId, TaskId, WorkspaceId};
use hexabase_core::model::{NodePool, PoolNodes};
use hexabase_core::name::{NodeClass, Slug};
use hexabase_core::platform::{CreateNodePool, PoolState};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::place::{AtNodePool, InWorkspace};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(create, list)).routes(routes!(delete))
}

/// Nodes that a workspace has to itself. All pods of a workspace that has any run on them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NodePool)]
struct NodePoolView {
    /// Which pool.
    #[schema(example = "npl_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Its name, unique in the workspace. Pods choose a pool by the label `hexabase.ai/node-pool` of its nodes.
    #[schema(example = "gpu")]
    name: String,
    /// What kind of nodes.
    #[schema(example = "a100")]
    class: String,
    /// How many nodes it should have.
    nodes: u16,
    /// The nodes it has.
    assigned: Vec<String>,
    /// Nodes that are being emptied, to be given back.
    releasing: Vec<String>,
    /// When it was asked for.
    created_at: Timestamp,
    /// Raised by every change.
    version: u64,
}

impl From<PoolState> for NodePoolView {
    fn from(PoolState { pool, nodes }: PoolState) -> Self {
        Self {
            id: pool.id.to_string(),
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

/// A pool, and the task that brings its nodes.
#[derive(Debug, Serialize, ToSchema)]
struct NodePoolWithTask {
    /// The pool.
    #[serde(flatten)]
    pool: NodePoolView,
    /// The task that shows how far it is.
    task_id: String,
}

/// A task that nodes wait for.
#[derive(Debug, Serialize, ToSchema)]
struct NodePoolTask {
    /// The task that shows how far it is.
    task_id: String,
}

fn location(organization: OrganizationId, workspace: WorkspaceId, task: TaskId) -> String {
    format!("/api/v1/organizations/{organization}/workspaces/{workspace}/tasks/{task}")
}

/// What a new pool is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNodePool {
    /// Its name, unique in the workspace: a DNS label.
    #[schema(example = "gpu")]
    name: String,
    /// What kind of nodes, in the words of whoever operates the installation.
    #[schema(example = "a100")]
    class: String,
    /// How many, 1 to 100.
    #[schema(example = 2)]
    nodes: u16,
}

/// Give a workspace nodes of its own, if its plan has them. They come as far as there are free ones, and the workspace's pods
/// move there as they are made anew.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/node-pools", tag = "Workspaces",
    params(InWorkspace), request_body = NewNodePool,
    responses((status = 202, body = NodePoolWithTask), Problems),
    extensions(("x-hexabase-action" = json!("node_pools.manage"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    Body(wanted): Body<NewNodePool>,
) -> Answer<Reply<NodePoolWithTask>> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(&wanted.name));
    let class = check.field("class", NodeClass::parse(&wanted.class));
    let (name, class) = check.all((name, class))?;
    let command = CreateNodePool { name, class, nodes: wanted.nodes };
    let made = app.platform.node_pools().create(&caller, at.org, at.ws, &command).await?;
    let (pool, task): (NodePool, TaskId) = (made.value.pool, made.value.task_id);
    let version = pool.version;
    let pool = PoolState { pool, nodes: PoolNodes::default() }.into();
    let shown = NodePoolWithTask { pool, task_id: task.to_string() };
    Ok(Reply::accepted(location(at.org, at.ws, task), shown).version(version).replayed(made.replayed))
}

/// List the pools of a workspace, with the nodes they have.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/node-pools", tag = "Workspaces",
    params(InWorkspace), responses((status = 200, body = List<NodePoolView>), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Json<List<NodePoolView>>> {
    let pools = app.platform.node_pools().list(&caller, at.org, at.ws).await?;
    Ok(Json(List::whole(pools.into_iter().map(NodePoolView::from).collect())))
}

/// Give nodes back: they take nothing new, are emptied, and are others' to have then.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/node-pools/{id}", tag = "Workspaces",
    params(AtNodePool), responses((status = 202, body = NodePoolTask), Problems),
    extensions(("x-hexabase-action" = json!("node_pools.manage"))))]
async fn delete(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtNodePool>,
    expected: IfMatch,
) -> Answer<Reply<NodePoolTask>> {
    let pools = app.platform.node_pools();
    let task = pools.delete(&caller, at.org, at.ws, at.id, expected.version()).await?;
    Ok(Reply::accepted(location(at.org, at.ws, task), NodePoolTask { task_id: task.to_string() }))
}
