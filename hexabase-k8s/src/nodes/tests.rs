use super::*;
use hexabase_core::fixture::id;
use hexabase_core::name::NodeClass;

const WS: &str = "ws-ours";

fn labels() -> Labels {
    Labels::default()
}

fn pool(name: &str, class: &str, nodes: u16) -> TenantNodePool {
    TenantNodePool { id: id(name), class: NodeClass::parse(class).unwrap(), nodes }
}

/// Ready, unassigned node of a class.
fn node(name: &str, class: &str) -> Value {
    json!({
        "metadata": { "name": name, "resourceVersion": "7", "labels": { labels().node_class(): class } },
        "spec": { "taints": [{ "key": labels().node_class(), "value": class, "effect": "NoSchedule" }] },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

/// Assigns the node to a workspace.
fn assigned(mut node: Value, workspace: &str, pool: &str) -> Value {
    let pool: NodePoolId = id(pool);
    node["metadata"]["labels"][labels().workspace()] = json!(workspace);
    node["metadata"]["labels"][labels().node_pool()] = json!(pool.kubernetes_name());
    node
}

/// Marks the node as cordoned for its release.
fn cordoned(mut node: Value) -> Value {
    node["metadata"]["annotations"] = json!({ labels().releasing(): "true" });
    node["spec"]["unschedulable"] = json!(true);
    node
}

fn host_node(body: &Value) -> HostNode {
    HostNode::of(body, &labels())
}

/// Decided steps, as text.
fn steps(pools: &[TenantNodePool], nodes: &[Value]) -> Vec<String> {
    let nodes: Vec<HostNode> = nodes.iter().map(host_node).collect();
    let description = |step: &Step| match step {
        Step::Assign(node, _) => format!("assign {}", node.name),
        Step::Cordon(node) => format!("cordon {}", node.name),
        Step::Drain(node) => format!("drain {}", node.name),
    };
    decide(WS, pools, &nodes).steps.iter().map(description).collect()
}

fn decision(pools: &[TenantNodePool], nodes: &[Value]) -> TenantNodes {
    decide(WS, pools, &nodes.iter().map(host_node).collect::<Vec<_>>()).nodes
}

#[test]
fn free_nodes_of_the_class_are_assigned_in_the_order_of_their_names() {
    let nodes = [node("c", "big"), node("a", "small"), node("b", "big"), node("d", "big")];
    assert_eq!(steps(&[pool("p", "big", 2)], &nodes), ["assign b", "assign c"]);
    assert_eq!(steps(&[pool("p", "big", 1), pool("q", "big", 1)], &nodes), ["assign b", "assign c"]);
}

#[test]
fn nodes_of_other_workspaces_and_unready_nodes_are_not_assigned() {
    let mut broken = node("b", "big");
    broken["status"]["conditions"][0]["status"] = json!("Unknown");
    let mut unschedulable = node("c", "big");
    unschedulable["spec"]["unschedulable"] = json!(true);
    let nodes = [assigned(node("a", "big"), "ws-theirs", "x"), broken, unschedulable];
    assert_eq!(steps(&[pool("p", "big", 1)], &nodes), Vec::<String>::new());
    let Wait { reason, detail: message } = decision(&[pool("p", "big", 1)], &nodes).waiting.unwrap();
    assert_eq!(reason, WaitReason::NoFreeNodes);
    assert!(message.contains("1 more of class big"), "{message}");
}

#[test]
fn a_pool_keeps_its_nodes() {
    let nodes = [node("a", "big"), assigned(node("b", "big"), WS, "p")];
    let pools = [pool("p", "big", 1)];
    assert_eq!(steps(&pools, &nodes), Vec::<String>::new());
    let nodes = decision(&pools, &nodes);
    assert_eq!((&nodes.pools[&pools[0].id].assigned, nodes.waiting), (&vec!["b".to_owned()], None));
}

#[test]
fn a_node_is_cordoned_then_drained_and_counts_until_it_is_released() {
    let leaving = assigned(node("a", "big"), WS, "p");
    assert_eq!(steps(&[], std::slice::from_ref(&leaving)), ["cordon a"]);
    assert_eq!(steps(&[], &[cordoned(leaving.clone())]), ["drain a"]);
    let nodes = decision(&[], &[cordoned(leaving)]);
    assert_eq!(nodes.pools[&id("p")].releasing, ["a"]);
    assert_eq!(nodes.waiting.unwrap().reason, WaitReason::ReleasingNodes);
}

#[test]
fn a_smaller_pool_releases_cordoned_nodes_first_and_then_the_last_one() {
    let own = |name: &str| assigned(node(name, "big"), WS, "p");
    assert_eq!(steps(&[pool("p", "big", 1)], &[own("b"), own("a")]), ["cordon b"]);
    assert_eq!(steps(&[pool("p", "big", 1)], &[cordoned(own("a")), own("b")]), ["drain a"]);
    // A node that is being released is not assigned again: another one replaces it.
    let nodes = [cordoned(own("a")), node("c", "big")];
    assert_eq!(steps(&[pool("p", "big", 1)], &nodes), ["assign c", "drain a"]);
}

#[test]
fn patches_name_the_resource_version_and_keep_other_taints() {
    let existing = host_node(&node("a", "big"));
    let assignment = existing.assign_patch(WS, id("p"), &labels());
    assert_eq!(assignment["metadata"]["resourceVersion"], "7");
    let keys = |change: &Value| -> Vec<String> {
        let taints = change["spec"]["taints"].as_array().unwrap();
        taints.iter().map(|taint| taint["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&assignment), [labels().node_class(), labels().dedicated()]);
    // The scheduler shows taints to tenants whose pods do not fit.
    assert!(!assignment["spec"].to_string().contains(WS), "{assignment}");
    let mut own = assigned(node("a", "big"), WS, "p");
    own["spec"]["taints"] = assignment["spec"]["taints"].clone();
    let release = host_node(&cordoned(own)).release_patch(&labels());
    assert_eq!(keys(&release), [labels().node_class()]);
    assert_eq!(release["metadata"]["labels"][labels().workspace()], Value::Null);
}
