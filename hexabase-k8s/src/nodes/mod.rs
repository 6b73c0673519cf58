//! Dedicated nodes of tenants: selection, assignment and release. Pure functions.
//!
//! An operator dedicates nodes to workspaces by a label. An assigned node has the workspace id as a label, which the
//! tenant's pods select, and a taint without it, which keeps all other pods away. A node that is released is first cordoned,
//! then drained, and is free for other workspaces only when no pod of the tenant is left on it.

use hexabase_core::desired::TenantNodePool;
use hexabase_core::id::{NodePoolId, TypedId as _};
use hexabase_core::model::{DriftEntry, DriftScope, Wait, WaitReason};
use hexabase_core::provisioner::TenantNodes;
use serde_json::{Value, json};

use crate::labels::Labels;

/// Node of the host cluster.
#[derive(Debug, Clone)]
pub(crate) struct HostNode {
    pub(crate) name: String,
    resource_version: String,
    class: Option<String>,
    workspace: Option<String>,
    pool: Option<String>,
    pub(crate) releasing: bool,
    cordoned: bool,
    ready: bool,
    taints: Vec<Value>,
}

/// Change of one node.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Assigns the node to a pool of the tenant.
    Assign(HostNode, NodePoolId),
    /// Cordons the node, so that no new pods are scheduled on it.
    Cordon(HostNode),
    /// Evicts the tenant's pods from the node, and releases it when none is left.
    Drain(HostNode),
}

/// Changes of a tenant's nodes, and the nodes of its pools after them.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) steps: Vec<Step>,
    pub(crate) nodes: TenantNodes,
    /// Requested nodes for which no free node exists, as text.
    missing: Vec<String>,
}

impl Decision {
    /// Returns the pending changes as drift entries.
    pub(crate) fn drift(&self, labels: &Labels) -> Vec<DriftEntry> {
        let entry = |object: String, actual: Option<String>, desired: Option<String>| DriftEntry {
            scope: DriftScope::Host,
            object,
            field: format!("metadata.labels.{}", labels.node_pool()),
            actual,
            desired,
            managers: Vec::new(),
        };
        let step_entry = |step: &Step| match step {
            Step::Assign(node, pool) => entry(format!("Node//{}", node.name), None, Some(pool.to_string())),
            Step::Cordon(node) | Step::Drain(node) => {
                entry(format!("Node//{}", node.name), node.pool.clone(), None)
            }
        };
        let missing =
            self.missing.iter().map(|missing| entry("Node//".to_owned(), None, Some(missing.clone())));
        self.steps.iter().map(step_entry).chain(missing).collect()
    }
}

impl HostNode {
    /// Parses a node object of the API server.
    pub(crate) fn of(body: &Value, labels: &Labels) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let metadata_value = |kind: &str, name: &str| {
            body.pointer(&format!("/metadata/{kind}"))?.get(name)?.as_str().map(str::to_owned)
        };
        let conditions = body.pointer("/status/conditions").and_then(Value::as_array);
        let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        Self {
            name: text("/metadata/name").unwrap_or_default(),
            resource_version: text("/metadata/resourceVersion").unwrap_or_default(),
            class: metadata_value("labels", labels.node_class()),
            workspace: metadata_value("labels", labels.workspace()),
            pool: metadata_value("labels", labels.node_pool()),
            releasing: metadata_value("annotations", labels.releasing()).is_some(),
            cordoned: body.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
            ready: conditions.is_some_and(|conditions| conditions.iter().any(ready)),
            taints: body.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default(),
        }
    }

    fn is_free(&self, class: &str) -> bool {
        self.class.as_deref() == Some(class) && self.workspace.is_none() && self.ready && !self.cordoned
    }

    /// Patch that assigns the node to a workspace, unless the node changed since it was read.
    pub(crate) fn assign_patch(&self, workspace: &str, pool: NodePoolId, labels: &Labels) -> Value {
        let mut taints = self.foreign_taints(labels);
        taints.push(json!({ "key": labels.dedicated(), "effect": "NoSchedule" }));
        let assignment = json!({ labels.workspace(): workspace, labels.node_pool(): pool.kubernetes_name() });
        json!({
            "metadata": { "resourceVersion": self.resource_version, "labels": assignment },
            "spec": { "taints": taints },
        })
    }

    /// Patch that cordons the node for its release, unless the node changed since it was read.
    pub(crate) fn cordon_patch(&self, labels: &Labels) -> Value {
        json!({
            "metadata": { "resourceVersion": self.resource_version, "annotations": { labels.releasing(): "true" } },
            "spec": { "unschedulable": true },
        })
    }

    /// Patch that releases the node, unless the node changed since it was read.
    pub(crate) fn release_patch(&self, labels: &Labels) -> Value {
        json!({
            "metadata": {
                "resourceVersion": self.resource_version,
                "labels": { labels.workspace(): null, labels.node_pool(): null },
                "annotations": { labels.releasing(): null },
            },
            "spec": { "unschedulable": null, "taints": self.foreign_taints(labels) },
        })
    }

    /// Returns the taints other than the one of assigned nodes.
    fn foreign_taints(&self, labels: &Labels) -> Vec<Value> {
        self.taints.iter().filter(|taint| taint["key"] != labels.dedicated()).cloned().collect()
    }
}

/// Decides the changes of a workspace's nodes from its pools, its assigned nodes and the free ones.
pub(crate) fn decide(workspace: &str, pools: &[TenantNodePool], nodes: &[HostNode]) -> Decision {
    let mut decision = Decision::default();
    let mut releasing_count = 0;
    let own = |node: &&HostNode| node.workspace.as_deref() == Some(workspace);
    let mut remaining: Vec<&HostNode> = nodes.iter().filter(own).collect();
    let mut free: Vec<&HostNode> = nodes.iter().filter(|node| node.workspace.is_none()).collect();
    free.sort_by(|one, other| one.name.cmp(&other.name));
    remaining.sort_by(|one, other| (one.releasing, &one.name).cmp(&(other.releasing, &other.name)));
    for pool in pools {
        let in_pool = |node: &&HostNode| node.pool.as_deref() == Some(pool.id.kubernetes_name().as_str());
        let (of_pool, others): (Vec<_>, Vec<_>) = remaining.into_iter().partition(in_pool);
        remaining = others;
        let desired = usize::from(pool.nodes);
        let (retained, surplus): (Vec<_>, Vec<_>) =
            of_pool.into_iter().enumerate().partition(|(index, node)| *index < desired && !node.releasing);
        remaining.extend(surplus.into_iter().map(|(_, node)| node));
        let entry = decision.nodes.pools.entry(pool.id).or_default();
        entry.assigned.extend(retained.into_iter().map(|(_, node)| node.name.clone()));
        while entry.assigned.len() < desired {
            let Some(index) = free.iter().position(|node| node.is_free(pool.class.as_str())) else { break };
            let node = free.remove(index).clone();
            entry.assigned.push(node.name.clone());
            decision.steps.push(Step::Assign(node, pool.id));
        }
        if entry.assigned.len() < desired {
            decision.missing.push(format!("{} more of class {}", desired - entry.assigned.len(), pool.class));
        }
    }
    for node in remaining {
        releasing_count += 1;
        if let Some(pool) = node.pool.as_deref().and_then(pool_id) {
            decision.nodes.pools.entry(pool).or_default().releasing.push(node.name.clone());
        }
        let is_cordoned = node.releasing && node.cordoned;
        decision.steps.push(if is_cordoned { Step::Drain(node.clone()) } else { Step::Cordon(node.clone()) });
    }
    decision.nodes.waiting = waiting(&decision.missing, releasing_count);
    decision
}

/// Returns the obstacle if the nodes do not match the pools yet.
fn waiting(missing: &[String], releasing_count: usize) -> Option<Wait> {
    if !missing.is_empty() {
        return Some(Wait::with_detail(WaitReason::NoFreeNodes, missing.join(" and ")));
    }
    (releasing_count > 0)
        .then(|| Wait::with_detail(WaitReason::ReleasingNodes, format!("{releasing_count} nodes")))
}

fn pool_id(name: &str) -> Option<NodePoolId> {
    name.replacen('-', "_", 1).parse().ok()
}

#[cfg(test)]
mod tests;
