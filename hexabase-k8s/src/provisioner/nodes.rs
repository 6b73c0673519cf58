//! Dedicated nodes of a tenant: applies the assignments, cordons, drains and releases that are due on the host.

use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::model::{Wait, WaitReason};
use hexabase_core::provisioner::TenantNodes;
use kube::api::ListParams;
use serde_json::Value;

use super::{VClusterProvisioner, text};
use crate::nodes::{Decision, HostNode, Step, decide};
use crate::object::Kind;

impl VClusterProvisioner {
    /// Decides the changes of a tenant's nodes. Returns `None` if the tenant has no node pools and Hexabase has no
    /// permission to list nodes.
    pub(super) async fn decide_nodes(&self, desired: &TenantCluster) -> Result<Option<Decision>> {
        let workspace = desired.target.workspace_id.kubernetes_name();
        let listed = match desired.node_pools.is_empty() {
            // Nodes of deleted pools may still have to be released.
            true => self.own_nodes(&desired.target).await,
            false => self.host.list(Kind::NODE, None, self.config.labels.node_class()).await,
        };
        let nodes = match listed {
            Err(error) if error.kind() == ErrorKind::Forbidden && desired.node_pools.is_empty() => {
                return Ok(None);
            }
            listed => listed?,
        };
        let nodes: Vec<HostNode> = nodes.iter().map(|node| self.host_node(node)).collect();
        Ok(Some(decide(&workspace, &desired.node_pools, &nodes)))
    }

    fn host_node(&self, body: &Value) -> HostNode {
        HostNode::of(body, &self.config.labels)
    }

    async fn own_nodes(&self, target: &TenantTarget) -> Result<Vec<Value>> {
        let own = format!("{}={}", self.config.labels.workspace(), target.workspace_id.kubernetes_name());
        self.host.list(Kind::NODE, None, &own).await
    }

    /// Executes the changes of a tenant's nodes that are possible now. The next reconcile resolves conflicts with
    /// other changes.
    pub(super) async fn change_nodes(
        &self,
        target: &TenantTarget,
        Decision { steps, mut nodes, .. }: Decision,
    ) -> Result<TenantNodes> {
        for step in &steps {
            match self.execute_step(target, step).await {
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::RateLimited) => {
                    tracing::debug!(%error, cluster = %target.name, "changing a node failed; retrying at the next reconcile");
                    nodes.waiting.get_or_insert(Wait::new(WaitReason::ChangingNodes));
                }
                outcome => outcome?,
            }
        }
        Ok(nodes)
    }

    async fn execute_step(&self, target: &TenantTarget, step: &Step) -> Result<()> {
        let workspace = target.workspace_id.kubernetes_name();
        let labels = &self.config.labels;
        let (node, change) = match step {
            Step::Assign(node, pool) => (node, node.assign_patch(&workspace, *pool, labels)),
            Step::Cordon(node) => (node, node.cordon_patch(labels)),
            Step::Drain(node) => match self.evict_pods(target, node).await? {
                true => (node, node.release_patch(labels)),
                false => return Ok(()),
            },
        };
        self.host.merge(Kind::NODE, "", &node.name, &change).await.map(drop)
    }

    /// Evicts the tenant's pods from a node as far as their disruption budgets allow. Returns `true` if none is left.
    async fn evict_pods(&self, target: &TenantTarget, node: &HostNode) -> Result<bool> {
        let on_node = ListParams::default().fields(&format!("spec.nodeName={}", node.name));
        let pods = self.host.list_metadata(Kind::POD, &target.name, on_node).await?;
        for pod in pods.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()) {
            match self.host.evict(&target.name, text(pod, "/metadata/name")).await {
                Err(error) if error.kind() == ErrorKind::RateLimited => {
                    tracing::debug!(%error, node = node.name, "evicting a pod failed: disruption budget does not allow it");
                }
                outcome => outcome?,
            }
        }
        Ok(pods.is_empty())
    }

    /// Releases all nodes of a tenant that no longer exists on the host.
    pub(super) async fn release_nodes(&self, target: &TenantTarget) -> Result<()> {
        for node in self.remaining_nodes(target).await? {
            self.host.merge(Kind::NODE, "", &node.name, &node.release_patch(&self.config.labels)).await?;
        }
        Ok(())
    }

    /// Returns the nodes that are assigned to a tenant; none if Hexabase has no permission to list nodes.
    pub(super) async fn remaining_nodes(&self, target: &TenantTarget) -> Result<Vec<HostNode>> {
        match self.own_nodes(target).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(Vec::new()),
            nodes => Ok(nodes?.iter().map(|node| self.host_node(node)).collect()),
        }
    }
}
