//! Nodes that a tenant has to itself, from a host that has some set aside until they are back there.

use std::time::Duration;

use hexabase_core::desired::{TenantCluster, TenantNodePool};
use hexabase_core::fixture::{self, id};
use hexabase_core::id::TypedId as _;
use hexabase_core::lifecycle::{self, Operation};
use hexabase_core::name::NodeClass;
use hexabase_core::provisioner::{Applied, ClusterProvisioner, ControlPlaneState, TenantNodes};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::host_setup::{get, send};

/// A host with nodes that are set aside, and a tenant.
struct Stage {
    sandbox: Sandbox,
    provisioner: VClusterProvisioner,
    tenant: TenantCluster,
}

/// Sets a node aside, as an operator does.
pub(crate) async fn set_aside(admin: &Client, name: &str) {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "hexabase.ai/node-class": "big" } },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    assert_eq!(send(admin, "POST", "/api/v1/nodes", &node).await, 201);
    assert_eq!(send(admin, "PUT", &format!("/api/v1/nodes/{name}/status"), &node).await, 200);
}

/// A pool of so many nodes.
pub(crate) fn pool(nodes: u16) -> TenantNodePool {
    TenantNodePool { id: id("pool"), class: NodeClass::parse("big").unwrap(), nodes }
}

impl Stage {
    async fn new(nodes: &[&str]) -> Self {
        let sandbox = Sandbox::start(SandboxOptions {
            startup: Duration::ZERO,
            termination: Duration::ZERO,
            ..SandboxOptions::default()
        });
        for name in nodes {
            set_aside(&sandbox.host_client(), name).await;
        }
        let provisioner =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
        Self { sandbox, provisioner, tenant: fixture::tenant_cluster("shop") }
    }

    /// Applies until a control plane with the wanted configuration runs.
    async fn apply(&self) -> Applied {
        loop {
            let applied = self.provisioner.apply(&self.tenant).await.unwrap();
            if applied.tenant && applied.nodes.is_some() {
                return applied;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn nodes(&self) -> TenantNodes {
        self.apply().await.nodes.unwrap()
    }

    async fn node(&self, name: &str) -> Value {
        get(&self.sandbox.host_client(), &format!("/api/v1/nodes/{name}")).await
    }

    /// Starts a pod of the tenant on a node.
    async fn run_on(&self, node: &str) -> String {
        let name = &self.tenant.target.name;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web", "labels": { "vcluster.loft.sh/managed-by": name } },
            "spec": { "nodeName": node, "containers": [{ "name": "a", "image": "a", "resources": {
                "requests": { "cpu": "1m", "memory": "1Mi", "ephemeral-storage": "1Mi" },
                "limits": { "cpu": "1m", "memory": "1Mi", "ephemeral-storage": "1Mi" },
            } }] },
        });
        let pods = format!("/api/v1/namespaces/{name}/pods");
        assert_eq!(send(&self.sandbox.host_client(), "POST", &pods, &pod).await, 201);
        format!("{pods}/web")
    }

    fn is_ours(&self, node: &Value) -> bool {
        let workspace = self.tenant.target.workspace_id.kubernetes_name();
        let labelled = node["metadata"]["labels"]["hexabase.ai/workspace-id"] == json!(workspace);
        let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let tainted = taints.iter().any(|taint| taint["value"] == json!(workspace));
        assert_eq!(labelled, tainted, "{node}");
        labelled
    }
}

#[tokio::test]
async fn a_tenant_gets_nodes_and_its_pods_are_sent_there() {
    let mut stage = Stage::new(&["one", "two"]).await;
    stage.tenant.node_pools = vec![pool(1)];
    let nodes = stage.nodes().await;
    assert_eq!(nodes.pools[&id("pool")].assigned, ["one"]);
    assert_eq!(nodes.waiting, None);
    assert!(stage.is_ours(&stage.node("one").await) && !stage.is_ours(&stage.node("two").await));
    assert_eq!(stage.provisioner.plan(&stage.tenant).await.unwrap(), []);
    let name = &stage.tenant.target.name;
    let secret = format!("/api/v1/namespaces/{name}/secrets/vc-config-{name}");
    let secret = get(&stage.sandbox.host_client(), &secret).await;
    let config = base64_decoded(secret["data"]["config.yaml"].as_str().unwrap());
    let workspace = stage.tenant.target.workspace_id.kubernetes_name();
    assert!(config.contains(&format!("hexabase.ai/workspace-id={workspace}:NoSchedule")), "{config}");
    assert!(config.contains(&format!("hexabase.ai/workspace-id: {workspace}")), "{config}");
}

fn base64_decoded(text: &str) -> String {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn what_a_tenant_waits_for_is_said_and_comes_when_it_is_there() {
    let mut stage = Stage::new(&["one"]).await;
    stage.tenant.node_pools = vec![pool(2)];
    let waiting = stage.nodes().await.waiting.unwrap();
    assert_eq!(waiting.0, "NoFreeNodes");
    set_aside(&stage.sandbox.host_client(), "two").await;
    assert_ne!(stage.provisioner.plan(&stage.tenant).await.unwrap(), []);
    let nodes = stage.nodes().await;
    assert_eq!((nodes.pools[&id("pool")].assigned.len(), nodes.waiting), (2, None));
}

#[tokio::test]
async fn a_node_that_is_gone_is_missed() {
    let mut stage = Stage::new(&["one"]).await;
    stage.tenant.node_pools = vec![pool(1)];
    stage.nodes().await;
    assert_eq!(send(&stage.sandbox.host_client(), "DELETE", "/api/v1/nodes/one", &Value::Null).await, 200);
    let drift = stage.provisioner.plan(&stage.tenant).await.unwrap();
    assert_eq!(drift[0].desired.as_deref(), Some("1 more of class big"), "{drift:?}");
    assert_eq!(stage.nodes().await.waiting.unwrap().0, "NoFreeNodes");
}

#[tokio::test]
async fn a_node_is_given_back_only_when_nothing_of_the_tenant_is_left_on_it() {
    let mut stage = Stage::new(&["one"]).await;
    stage.tenant.node_pools = vec![pool(1)];
    stage.nodes().await;
    let pod = stage.run_on("one").await;
    stage.tenant.node_pools.clear();
    assert_eq!(stage.nodes().await.pools[&id("pool")].releasing, ["one"]);
    let closed = stage.node("one").await;
    assert!(closed["spec"]["unschedulable"] == true && stage.is_ours(&closed));
    assert_eq!(send(&stage.sandbox.host_client(), "GET", &pod, &Value::Null).await, 200);

    stage.nodes().await;
    assert_eq!(send(&stage.sandbox.host_client(), "GET", &pod, &Value::Null).await, 404);
    assert!(stage.is_ours(&stage.node("one").await), "somebody was asked to go a moment ago");
    stage.nodes().await;
    let freed = stage.node("one").await;
    assert!(!stage.is_ours(&freed) && freed["spec"]["unschedulable"].is_null(), "{freed}");
    assert_eq!(stage.nodes().await, TenantNodes::default());
}

#[tokio::test]
async fn two_tenants_never_share_a_node() {
    let mut stage = Stage::new(&["one"]).await;
    stage.tenant.node_pools = vec![pool(1)];
    stage.nodes().await;
    let other = TenantCluster { node_pools: vec![pool(1)], ..fixture::tenant_cluster("other") };
    let other = Stage { tenant: other, ..stage };
    assert_eq!(other.nodes().await.waiting.unwrap().0, "NoFreeNodes");
}

#[tokio::test]
async fn a_tenant_whose_namespace_somebody_removed_is_made_anew_on_its_nodes() {
    let mut stage = Stage::new(&["one"]).await;
    stage.tenant.node_pools = vec![pool(1)];
    stage.nodes().await;
    let namespace = format!("/api/v1/namespaces/{}", stage.tenant.target.name);
    let admin = stage.sandbox.host_client();
    assert_eq!(send(&admin, "DELETE", &namespace, &Value::Null).await, 200);
    while send(&admin, "GET", &namespace, &Value::Null).await != 404 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seen = stage.provisioner.observe(&stage.tenant.target).await.unwrap().control_plane;
    let workspace = fixture::workspace("shop");
    assert_eq!(lifecycle::next_operation(&workspace, &seen), Operation::ResumeAndApply);
    stage.provisioner.resume(&stage.tenant.target).await.unwrap();
    assert_eq!(stage.nodes().await.pools[&id("pool")].assigned, ["one"]);
}

#[tokio::test]
async fn a_tenant_that_is_removed_leaves_its_nodes_to_others() {
    let mut stage = Stage::new(&["one"]).await;
    stage.tenant.node_pools = vec![pool(1)];
    stage.nodes().await;
    let target = &stage.tenant.target;
    while stage.provisioner.observe(target).await.unwrap().control_plane != ControlPlaneState::Absent {
        stage.provisioner.delete(target).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!stage.is_ours(&stage.node("one").await));
}
