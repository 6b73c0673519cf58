use super::*;
use hexabase_core::fixture::id;
use hexabase_core::name::NodeClass;

const WS: &str = "ws-ours";

fn pool(name: &str, class: &str, nodes: u16) -> TenantNodePool {
    TenantNodePool { id: id(name), class: NodeClass::parse(class).unwrap(), nodes }
}

/// A node that is set aside and belongs to nobody.
fn node(name: &str, class: &str) -> Value {
    json!({
        "metadata": { "name": name, "resourceVersion": "7", "labels": { labels::NODE_CLASS: class } },
        "spec": { "taints": [{ "key": labels::NODE_CLASS, "value": class, "effect": "NoSchedule" }] },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

/// The same in the hands of a workspace.
fn taken(mut node: Value, workspace: &str, pool: &str) -> Value {
    let pool: NodePoolId = id(pool);
    node["metadata"]["labels"][labels::WORKSPACE] = json!(workspace);
    node["metadata"]["labels"][labels::NODE_POOL] = json!(pool.kubernetes_name());
    node
}

/// The same on its way out.
fn closed(mut node: Value) -> Value {
    node["metadata"]["annotations"] = json!({ labels::RELEASING: "true" });
    node["spec"]["unschedulable"] = json!(true);
    node
}

/// What is to be done, in words.
fn steps(pools: &[TenantNodePool], nodes: &[Value]) -> Vec<String> {
    let nodes: Vec<HostNode> = nodes.iter().map(HostNode::of).collect();
    let word = |step: &Step| match step {
        Step::Assign(node, _) => format!("assign {}", node.name),
        Step::Close(node) => format!("close {}", node.name),
        Step::Empty(node) => format!("empty {}", node.name),
    };
    decide(WS, pools, &nodes).steps.iter().map(word).collect()
}

fn decision(pools: &[TenantNodePool], nodes: &[Value]) -> TenantNodes {
    decide(WS, pools, &nodes.iter().map(HostNode::of).collect::<Vec<_>>()).nodes
}

#[test]
fn free_nodes_of_the_class_are_given_in_the_order_of_their_names() {
    let nodes = [node("c", "big"), node("a", "small"), node("b", "big"), node("d", "big")];
    assert_eq!(steps(&[pool("p", "big", 2)], &nodes), ["assign b", "assign c"]);
    assert_eq!(steps(&[pool("p", "big", 1), pool("q", "big", 1)], &nodes), ["assign b", "assign c"]);
}

#[test]
fn nobody_elses_nodes_are_given_and_none_that_does_not_work() {
    let mut broken = node("b", "big");
    broken["status"]["conditions"][0]["status"] = json!("Unknown");
    let mut cordoned = node("c", "big");
    cordoned["spec"]["unschedulable"] = json!(true);
    let nodes = [taken(node("a", "big"), "ws-theirs", "x"), broken, cordoned];
    assert_eq!(steps(&[pool("p", "big", 1)], &nodes), Vec::<String>::new());
    let (reason, message) = decision(&[pool("p", "big", 1)], &nodes).waiting.unwrap();
    assert_eq!(reason, "NoFreeNodes");
    assert!(message.contains("1 more of class big"), "{message}");
}

#[test]
fn what_a_pool_has_it_keeps() {
    let nodes = [node("a", "big"), taken(node("b", "big"), WS, "p")];
    let pools = [pool("p", "big", 1)];
    assert_eq!(steps(&pools, &nodes), Vec::<String>::new());
    let nodes = decision(&pools, &nodes);
    assert_eq!((&nodes.pools[&pools[0].id].assigned, nodes.waiting), (&vec!["b".to_owned()], None));
}

#[test]
fn a_node_is_closed_then_emptied_and_counts_until_it_is_given_back() {
    let leaving = taken(node("a", "big"), WS, "p");
    assert_eq!(steps(&[], std::slice::from_ref(&leaving)), ["close a"]);
    assert_eq!(steps(&[], &[closed(leaving.clone())]), ["empty a"]);
    let nodes = decision(&[], &[closed(leaving)]);
    assert_eq!(nodes.pools[&id("p")].releasing, ["a"]);
    assert_eq!(nodes.waiting.unwrap().0, "ReleasingNodes");
}

#[test]
fn a_smaller_pool_gives_back_the_last_and_first_those_on_their_way() {
    let own = |name: &str| taken(node(name, "big"), WS, "p");
    assert_eq!(steps(&[pool("p", "big", 1)], &[own("b"), own("a")]), ["close b"]);
    assert_eq!(steps(&[pool("p", "big", 1)], &[closed(own("a")), own("b")]), ["empty a"]);
    // One that is going does not come back: another takes its place.
    let going = [closed(own("a")), node("c", "big")];
    assert_eq!(steps(&[pool("p", "big", 1)], &going), ["assign c", "empty a"]);
}

#[test]
fn changes_name_the_version_they_are_about_and_leave_other_taints() {
    let seen = HostNode::of(&node("a", "big"));
    let given = seen.assigned(WS, id("p"));
    assert_eq!(given["metadata"]["resourceVersion"], "7");
    let keys = |change: &Value| -> Vec<String> {
        let taints = change["spec"]["taints"].as_array().unwrap();
        taints.iter().map(|taint| taint["key"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&given), [labels::NODE_CLASS, labels::WORKSPACE]);
    let mut theirs = taken(node("a", "big"), WS, "p");
    theirs["spec"]["taints"] = given["spec"]["taints"].clone();
    let freed = HostNode::of(&closed(theirs)).freed();
    assert_eq!(keys(&freed), [labels::NODE_CLASS]);
    assert_eq!(freed["metadata"]["labels"][labels::WORKSPACE], Value::Null);
}
