use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::TypedId as _;
use hexabase_core::provisioner::TenantNodes;
use kube::api::ListParams;
use serde_json::Value;

use super::{VClusterProvisioner, text};
use crate::labels;
use crate::nodes::{Decision, HostNode, Step, decide};
use crate::object::Kind;

impl VClusterProvisioner {
    /// What is to be done about a tenant's nodes, and the nodes it has. None where Hexabase may not know of nodes and
    /// nobody asks for any.
    pub(super) async fn decide_nodes(&self, desired: &TenantCluster) -> Result<Option<Decision>> {
        let workspace = desired.target.workspace_id.kubernetes_name();
        let listed = match desired.node_pools.is_empty() {
            // Those of pools that are gone may still have to be given back.
            true => self.own_nodes(&desired.target).await,
            false => self.host.list(Kind::NODE, None, labels::NODE_CLASS).await,
        };
        let nodes = match listed {
            Err(error) if error.kind() == ErrorKind::Forbidden && desired.node_pools.is_empty() => {
                return Ok(None);
            }
            listed => listed?,
        };
        let nodes: Vec<HostNode> = nodes.iter().map(HostNode::of).collect();
        Ok(Some(decide(&workspace, &desired.node_pools, &nodes)))
    }

    async fn own_nodes(&self, target: &TenantTarget) -> Result<Vec<Value>> {
        let own = format!("{}={}", labels::WORKSPACE, target.workspace_id.kubernetes_name());
        self.host.list(Kind::NODE, None, &own).await
    }

    /// Does what can be done about a tenant's nodes now. Somebody who was faster makes a difference at the next look.
    pub(super) async fn tend_nodes(&self, desired: &TenantCluster) -> Result<Option<TenantNodes>> {
        let Some(Decision { steps, mut nodes, .. }) = self.decide_nodes(desired).await? else {
            return Ok(None);
        };
        for step in &steps {
            match self.take(&desired.target, step).await {
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::RateLimited) => {
                    tracing::debug!(%error, cluster = %desired.target.name, "a node is not ready for its next step");
                    let again = || ("ChangingNodes".to_owned(), "its nodes are being changed".to_owned());
                    nodes.waiting.get_or_insert_with(again);
                }
                outcome => outcome?,
            }
        }
        Ok(Some(nodes))
    }

    async fn take(&self, target: &TenantTarget, step: &Step) -> Result<()> {
        let workspace = target.workspace_id.kubernetes_name();
        let (node, change) = match step {
            Step::Assign(node, pool) => (node, node.assigned(&workspace, *pool)),
            Step::Close(node) => (node, node.closed()),
            Step::Empty(node) => match self.move_away(target, node).await? {
                true => (node, node.freed()),
                false => return Ok(()),
            },
        };
        self.host.merge(Kind::NODE, "", &node.name, &change).await.map(drop)
    }

    /// Asks the tenant's pods on a node to go, as far as their disruption budgets let them, and says whether all are gone.
    async fn move_away(&self, target: &TenantTarget, node: &HostNode) -> Result<bool> {
        let there = ListParams::default().fields(&format!("spec.nodeName={}", node.name));
        let pods = self.host.list_by(Kind::POD, Some(&target.name), there).await?;
        for pod in pods.iter().filter(|pod| pod.pointer("/metadata/deletionTimestamp").is_none()) {
            match self.host.evict(&target.name, text(pod, "/metadata/name")).await {
                Err(error) if error.kind() == ErrorKind::RateLimited => {
                    tracing::debug!(%error, node = node.name, "a pod may not be disrupted now");
                }
                outcome => outcome?,
            }
        }
        Ok(pods.is_empty())
    }

    /// Gives back every node of a tenant of which nothing is left.
    pub(super) async fn free_nodes(&self, target: &TenantTarget) -> Result<()> {
        for node in self.nodes_left(target).await? {
            self.host.merge(Kind::NODE, "", &node.name, &node.freed()).await?;
        }
        Ok(())
    }

    /// The nodes that a tenant has; none where Hexabase may not know of nodes.
    pub(super) async fn nodes_left(&self, target: &TenantTarget) -> Result<Vec<HostNode>> {
        match self.own_nodes(target).await {
            Err(error) if error.kind() == ErrorKind::Forbidden => Ok(Vec::new()),
            nodes => Ok(nodes?.iter().map(HostNode::of).collect()),
        }
    }
}
