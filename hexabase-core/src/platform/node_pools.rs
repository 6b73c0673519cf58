use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::Action;
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::{NodePoolId, OrganizationId, TaskId, WorkspaceId};
use crate::limits;
use crate::model::{NodePool, PoolNodes, TaskKind, Workspace};
use crate::name::{NodeClass, Slug};
use crate::version::Version;

/// Node pools of workspaces.
#[derive(Debug, Clone, Copy)]
pub struct NodePools<'a>(pub(super) &'a PlatformInner);

/// Command to create a node pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateNodePool {
    /// Name, unique in the workspace.
    pub name: Slug,
    /// Class of the nodes.
    pub class: NodeClass,
    /// Number of nodes.
    pub nodes: u16,
}

/// Node pool with the state of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// Requested pool.
    pub pool: NodePool,
    /// Observed nodes.
    pub nodes: PoolNodes,
}

/// New node pool and the task that provides its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePoolTask {
    /// New pool, without nodes yet.
    pub pool: NodePool,
    /// Id of the task.
    pub task_id: TaskId,
}

impl NodePools<'_> {
    /// Lists the node pools of a workspace, oldest first.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<PoolState>> {
        let root = self.0.permit_in(caller, organization, workspace, None, Action::WorkspaceRead).await?;
        let Workspace { node_pools, mut status, .. } = root;
        let state = |pool: NodePool| {
            let nodes = status.node_pools.remove(&pool.id).unwrap_or_default();
            PoolState { pool, nodes }
        };
        Ok(node_pools.into_iter().map(state).collect())
    }

    /// Creates a node pool. The pods of the workspace move to its nodes as they are recreated.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `AlreadyExists` if the name is taken in the workspace.
    /// - `QuotaExceeded` if the plan has no dedicated nodes (with code `not_in_plan`), or the limit of pools is
    ///   reached.
    /// - `Invalid` if the number of nodes is zero or too large.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateNodePool,
    ) -> Result<Idempotent<NodePoolTask>> {
        let authorization = Authorization::Workspace((organization, workspace, None), Action::NodePoolCreate);
        self.0
            .run_idempotent(caller, authorization, || async {
                let scope = (organization, workspace, None);
                let mut change = self.0.begin(caller, scope, Action::NodePoolCreate).await?;
                let existing = &change.workspace.node_pools;
                let plans = self.0.plans().await?;
                let plan = plans.get(&change.workspace.plan_id)?;
                limits::check_node_pool_limit(existing.len(), command.nodes, plan)?;
                if existing.iter().any(|pool| pool.name == command.name) {
                    return Err(Error::already_exists("node pool"));
                }
                let pool = NodePool {
                    id: change.id(),
                    name: command.name.clone(),
                    class: command.class.clone(),
                    nodes: command.nodes,
                    created_by: caller.principal.user_id,
                    created_at: change.now,
                    version: Version::FIRST,
                };
                change.workspace.node_pools.push(pool.clone());
                let task_id = change.task(TaskKind::Update).await?;
                change.audit("node_pool.create", format!("{workspace}/{}", pool.id), (), &pool);
                let billing_message = self.0.node_billing_message(organization, &plans);
                let changeset = billing_message.into_iter().fold(change.finish().0, Changeset::message);
                Ok((changeset, NodePoolTask { pool, task_id }))
            })
            .await
    }

    /// Deletes a node pool and returns the task: its nodes are cordoned, drained, and then available to other
    /// workspaces.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role.
    /// - `Conflict` with code `workspace_deleting` or `precondition_failed`.
    pub async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: NodePoolId,
        expected: Option<Version>,
    ) -> Result<TaskId> {
        self.0
            .transact(|| async {
                let scope = (organization, workspace, None);
                let mut change = self.0.begin(caller, scope, Action::NodePoolsManage).await?;
                let pools = &mut change.workspace.node_pools;
                let position = pools.iter().position(|pool| pool.id == id);
                let pool = pools.remove(position.ok_or_else(|| Error::not_found("node pool"))?);
                require_version(expected, pool.version)?;
                let task_id = change.task(TaskKind::Update).await?;
                change.audit("node_pool.delete", format!("{workspace}/{id}"), &pool, ());
                let billing_message = self.0.node_billing_message(organization, &*self.0.plans().await?);
                let changeset = billing_message.into_iter().fold(change.finish().0, Changeset::message);
                Ok((changeset, task_id))
            })
            .await
    }
}
