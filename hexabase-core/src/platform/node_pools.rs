use serde::{Deserialize, Serialize};

use super::commit::require_version;
use super::{Caller, Done, Parts};
use crate::access::Action;
use crate::changeset::Changeset;
use crate::error::{Error, Result};
use crate::id::{NodePoolId, OrganizationId, TaskId, WorkspaceId};
use crate::limits;
use crate::model::{NodePool, PoolNodes, TaskKind, Workspace};
use crate::name::{NodeClass, Slug};
use crate::version::Version;

/// Nodes that workspaces have to themselves.
#[derive(Debug, Clone, Copy)]
pub struct NodePools<'a>(pub(super) &'a Parts);

/// What a new pool is like.
#[derive(Debug, Clone)]
pub struct CreateNodePool {
    /// Its name, unique in the workspace.
    pub name: Slug,
    /// What kind of nodes.
    pub class: NodeClass,
    /// How many.
    pub nodes: u16,
}

/// A pool with the nodes it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// What was asked for.
    pub pool: NodePool,
    /// What became of it.
    pub nodes: PoolNodes,
}

/// A pool that was asked for, and the task that brings its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePoolTask {
    /// The pool, without nodes yet.
    pub pool: NodePool,
    /// The task.
    pub task_id: TaskId,
}

impl NodePools<'_> {
    /// The pools of a workspace, in the order in which they were asked for.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` as the caller's role and groups say.
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

    /// Asks for nodes. The workspace's pods move to nodes of its own as they are made anew.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
    /// - `AlreadyExists` when the name is taken in the workspace.
    /// - `QuotaExceeded` when the plan has no dedicated nodes, or there are too many pools.
    /// - `Invalid` for no nodes, or too many.
    /// - `Conflict` with code `workspace_deleting`.
    pub async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        command: &CreateNodePool,
    ) -> Result<Done<NodePoolTask>> {
        self.0
            .once(caller, || async {
                let place = (organization, workspace, None);
                let mut change = self.0.begin(caller, place, Action::NodePoolsManage).await?;
                let there = &change.workspace.node_pools;
                let plan = self.0.plans.of(&change.workspace.plan_id)?;
                limits::another_node_pool(there.len(), command.nodes, plan)?;
                if there.iter().any(|pool| pool.name == command.name) {
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
                let task_id = change.task(TaskKind::Update);
                change.audit("node_pool.create", format!("{workspace}/{}", pool.id), (), &pool);
                let changeset = self
                    .0
                    .bill_for_nodes(organization)
                    .into_iter()
                    .fold(change.finish().0, Changeset::message);
                Ok((changeset, NodePoolTask { pool, task_id }))
            })
            .await
    }

    /// Gives nodes back: they take nothing new, are emptied, and are free for others then. Answers the task.
    ///
    /// # Errors
    /// - `NotFound`, `Forbidden` as the caller's role says.
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
                let place = (organization, workspace, None);
                let mut change = self.0.begin(caller, place, Action::NodePoolsManage).await?;
                let pools = &mut change.workspace.node_pools;
                let position = pools.iter().position(|pool| pool.id == id);
                let pool = pools.remove(position.ok_or_else(|| Error::not_found("node pool"))?);
                require_version(expected, pool.version)?;
                let task_id = change.task(TaskKind::Update);
                change.audit("node_pool.delete", format!("{workspace}/{id}"), &pool, ());
                let changeset = self
                    .0
                    .bill_for_nodes(organization)
                    .into_iter()
                    .fold(change.finish().0, Changeset::message);
                Ok((changeset, task_id))
            })
            .await
    }
}
