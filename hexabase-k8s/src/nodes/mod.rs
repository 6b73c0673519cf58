//! Nodes that a tenant has to itself: which ones, and how they come and go. Pure functions.
//!
//! An operator sets nodes aside by a label. One that is given to a workspace carries its id as a label, by which the
//! tenant's pods are sent there, and as a taint, which keeps everybody else's away. One that is given back takes nothing
//! new first, is emptied then, and is free for others only when nothing of the tenant is left on it.

use hexabase_core::desired::TenantNodePool;
use hexabase_core::id::{NodePoolId, TypedId as _};
use hexabase_core::model::DriftEntry;
use hexabase_core::provisioner::TenantNodes;
use serde_json::{Value, json};

use crate::labels;

/// A node of the host.
#[derive(Debug, Clone)]
pub(crate) struct HostNode {
    pub(crate) name: String,
    version: String,
    class: Option<String>,
    workspace: Option<String>,
    pool: Option<String>,
    pub(crate) releasing: bool,
    cordoned: bool,
    ready: bool,
    taints: Vec<Value>,
}

/// One thing to do with a node.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Give it to the tenant, for a pool.
    Assign(HostNode, NodePoolId),
    /// Let nothing new come to it.
    Close(HostNode),
    /// Move away what is on it, and give it back once nothing is.
    Empty(HostNode),
}

/// What to do about the nodes of a tenant, and how they will be.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) steps: Vec<Step>,
    pub(crate) nodes: TenantNodes,
    /// Nodes that there are none for, in words.
    missing: Vec<String>,
}

impl Decision {
    /// The same for people, as differences between what is and what should be.
    pub(crate) fn drift(&self) -> Vec<DriftEntry> {
        let entry = |object: String, actual: Option<String>, desired: Option<String>| DriftEntry {
            scope: "host".to_owned(),
            object,
            field: format!("metadata.labels.{}", labels::NODE_POOL),
            actual,
            desired,
            managers: Vec::new(),
        };
        let of_step = |step: &Step| match step {
            Step::Assign(node, pool) => entry(format!("Node//{}", node.name), None, Some(pool.to_string())),
            Step::Close(node) | Step::Empty(node) => {
                entry(format!("Node//{}", node.name), node.pool.clone(), None)
            }
        };
        let missing =
            self.missing.iter().map(|missing| entry("Node//".to_owned(), None, Some(missing.clone())));
        self.steps.iter().map(of_step).chain(missing).collect()
    }
}

impl HostNode {
    /// A node as the API server shows it.
    pub(crate) fn of(body: &Value) -> Self {
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let kept = |kind: &str, name: &str| {
            body.pointer(&format!("/metadata/{kind}"))?.get(name)?.as_str().map(str::to_owned)
        };
        let conditions = body.pointer("/status/conditions").and_then(Value::as_array);
        let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        Self {
            name: text("/metadata/name").unwrap_or_default(),
            version: text("/metadata/resourceVersion").unwrap_or_default(),
            class: kept("labels", labels::NODE_CLASS),
            workspace: kept("labels", labels::WORKSPACE),
            pool: kept("labels", labels::NODE_POOL),
            releasing: kept("annotations", labels::RELEASING).is_some(),
            cordoned: body.pointer("/spec/unschedulable") == Some(&Value::Bool(true)),
            ready: conditions.is_some_and(|conditions| conditions.iter().any(ready)),
            taints: body.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default(),
        }
    }

    fn is_free(&self, class: &str) -> bool {
        self.class.as_deref() == Some(class) && self.workspace.is_none() && self.ready && !self.cordoned
    }

    /// The change that gives it to a workspace, if it is still as it was seen.
    pub(crate) fn assigned(&self, workspace: &str, pool: NodePoolId) -> Value {
        let mut taints = self.foreign_taints();
        taints.push(json!({ "key": labels::WORKSPACE, "value": workspace, "effect": "NoSchedule" }));
        let given = json!({ labels::WORKSPACE: workspace, labels::NODE_POOL: pool.kubernetes_name() });
        json!({
            "metadata": { "resourceVersion": self.version, "labels": given },
            "spec": { "taints": taints },
        })
    }

    /// The change that lets nothing new come to it, if it is still as it was seen.
    pub(crate) fn closed(&self) -> Value {
        json!({
            "metadata": { "resourceVersion": self.version, "annotations": { labels::RELEASING: "true" } },
            "spec": { "unschedulable": true },
        })
    }

    /// The change that gives it back, if it is still as it was seen.
    pub(crate) fn freed(&self) -> Value {
        json!({
            "metadata": {
                "resourceVersion": self.version,
                "labels": { labels::WORKSPACE: null, labels::NODE_POOL: null },
                "annotations": { labels::RELEASING: null },
            },
            "spec": { "unschedulable": null, "taints": self.foreign_taints() },
        })
    }

    /// The taints that are not about whose it is.
    fn foreign_taints(&self) -> Vec<Value> {
        self.taints.iter().filter(|taint| taint["key"] != labels::WORKSPACE).cloned().collect()
    }
}

/// What to do about the nodes of a workspace, by the nodes that it has and those that are set aside.
pub(crate) fn decide(workspace: &str, pools: &[TenantNodePool], nodes: &[HostNode]) -> Decision {
    let mut decision = Decision::default();
    let mut leaving = 0;
    let own = |node: &&HostNode| node.workspace.as_deref() == Some(workspace);
    let mut left: Vec<&HostNode> = nodes.iter().filter(own).collect();
    let mut free: Vec<&HostNode> = nodes.iter().filter(|node| node.workspace.is_none()).collect();
    free.sort_by(|one, other| one.name.cmp(&other.name));
    left.sort_by(|one, other| (one.releasing, &one.name).cmp(&(other.releasing, &other.name)));
    for pool in pools {
        let in_pool = |node: &&HostNode| node.pool.as_deref() == Some(pool.id.kubernetes_name().as_str());
        let (of_pool, others): (Vec<_>, Vec<_>) = left.into_iter().partition(in_pool);
        left = others;
        let wanted = usize::from(pool.nodes);
        let (kept, surplus): (Vec<_>, Vec<_>) =
            of_pool.into_iter().enumerate().partition(|(place, node)| *place < wanted && !node.releasing);
        left.extend(surplus.into_iter().map(|(_, node)| node));
        let entry = decision.nodes.pools.entry(pool.id).or_default();
        entry.assigned.extend(kept.into_iter().map(|(_, node)| node.name.clone()));
        while entry.assigned.len() < wanted {
            let Some(place) = free.iter().position(|node| node.is_free(pool.class.as_str())) else { break };
            let node = free.remove(place).clone();
            entry.assigned.push(node.name.clone());
            decision.steps.push(Step::Assign(node, pool.id));
        }
        if entry.assigned.len() < wanted {
            decision.missing.push(format!("{} more of class {}", wanted - entry.assigned.len(), pool.class));
        }
    }
    for node in left {
        leaving += 1;
        if let Some(pool) = node.pool.as_deref().and_then(pool_id) {
            decision.nodes.pools.entry(pool).or_default().releasing.push(node.name.clone());
        }
        let closed = node.releasing && node.cordoned;
        decision.steps.push(if closed { Step::Empty(node.clone()) } else { Step::Close(node.clone()) });
    }
    decision.nodes.waiting = waiting(&decision.missing, leaving);
    decision
}

/// Why nodes are not as they should be yet.
fn waiting(missing: &[String], leaving: usize) -> Option<(String, String)> {
    if !missing.is_empty() {
        let message = format!("the host has no free nodes for {}", missing.join(" and "));
        return Some(("NoFreeNodes".to_owned(), message));
    }
    (leaving > 0).then(|| ("ReleasingNodes".to_owned(), format!("{leaving} nodes are being emptied")))
}

fn pool_id(name: &str) -> Option<NodePoolId> {
    name.replacen('-', "_", 1).parse().ok()
}

#[cfg(test)]
mod tests;
