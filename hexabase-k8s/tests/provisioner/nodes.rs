//! Dedicated nodes of a tenant, from their assignment on a host with reserved nodes until their release.

use std::time::Duration;

use hexabase_core::desired::{TenantCluster, TenantNodePool};
use hexabase_core::fixture::{self, id};
use hexabase_core::id::TypedId as _;
use hexabase_core::lifecycle::{self, Operation};
use hexabase_core::model::WaitReason;
use hexabase_core::name::NodeClass;
use hexabase_core::provisioner::{Applied, ClusterProvisioner, ControlPlaneState, TenantNodes};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use kube::Client;
use serde_json::{Value, json};

use super::host_setup::{get, send};

/// Host with reserved nodes, and a tenant.
struct NodeSetup {
    sandbox: Sandbox,
    provisioner: VClusterProvisioner,
    tenant: TenantCluster,
}

/// Creates a node with a node class, as an operator reserves one.
pub(crate) async fn add_reserved_node(admin: &Client, name: &str) {
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": name, "labels": { "hexabase.ai/node-class": "big" } },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    assert_eq!(send(admin, "POST", "/api/v1/nodes", &node).await, 201);
    assert_eq!(send(admin, "PUT", &format!("/api/v1/nodes/{name}/status"), &node).await, 200);
}

/// Pool with this number of nodes.
pub(crate) fn pool(nodes: u16) -> TenantNodePool {
    TenantNodePool { id: id("pool"), class: NodeClass::parse("big").unwrap(), nodes }
}

impl NodeSetup {
    async fn new(nodes: &[&str]) -> Self {
        let sandbox = Sandbox::start(SandboxOptions {
            startup: Duration::ZERO,
            termination: Duration::ZERO,
            ..SandboxOptions::default()
        });
        for name in nodes {
            add_reserved_node(&sandbox.host_client(), name).await;
        }
        let provisioner =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
        Self { sandbox, provisioner, tenant: fixture::tenant_cluster("shop") }
    }

    /// Applies until a control plane with the desired configuration runs.
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

    /// Creates a pod of the tenant on a node.
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

    /// `true` if the node is assigned to the tenant, by label and taint alike.
    fn is_assigned(&self, node: &Value) -> bool {
        let workspace = self.tenant.target.workspace_id.kubernetes_name();
        let owner = &node["metadata"]["labels"]["hexabase.ai/workspace-id"];
        let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let tainted = taints.iter().any(|taint| taint["key"] == "hexabase.ai/dedicated");
        assert_eq!(!owner.is_null(), tainted, "{node}");
        *owner == json!(workspace)
    }
}

#[tokio::test]
async fn a_tenant_gets_nodes_and_its_pods_are_scheduled_there() {
    let mut setup = NodeSetup::new(&["one", "two"]).await;
    setup.tenant.node_pools = vec![pool(1)];
    let nodes = setup.nodes().await;
    assert_eq!(nodes.pools[&id("pool")].assigned, ["one"]);
    assert_eq!(nodes.waiting, None);
    assert!(setup.is_assigned(&setup.node("one").await) && !setup.is_assigned(&setup.node("two").await));
    assert_eq!(setup.provisioner.plan(&setup.tenant).await.unwrap(), []);
    let name = &setup.tenant.target.name;
    let secret = format!("/api/v1/namespaces/{name}/secrets/vc-config-{name}");
    let secret = get(&setup.sandbox.host_client(), &secret).await;
    let config = base64_decoded(secret["data"]["config.yaml"].as_str().unwrap());
    let workspace = setup.tenant.target.workspace_id.kubernetes_name();
    assert!(config.contains("hexabase.ai/dedicated:NoSchedule"), "{config}");
    assert!(config.contains(&format!("hexabase.ai/workspace-id: {workspace}")), "{config}");
}

fn base64_decoded(text: &str) -> String {
    use base64::Engine as _;
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap()
}

#[tokio::test]
async fn a_tenant_waits_for_free_nodes_and_gets_them_once_available() {
    let mut setup = NodeSetup::new(&["one"]).await;
    setup.tenant.node_pools = vec![pool(2)];
    let waiting = setup.nodes().await.waiting.unwrap();
    assert_eq!(waiting.reason, WaitReason::NoFreeNodes);
    add_reserved_node(&setup.sandbox.host_client(), "two").await;
    assert_ne!(setup.provisioner.plan(&setup.tenant).await.unwrap(), []);
    let nodes = setup.nodes().await;
    assert_eq!((nodes.pools[&id("pool")].assigned.len(), nodes.waiting), (2, None));
}

#[tokio::test]
async fn a_deleted_node_is_reported_as_drift() {
    let mut setup = NodeSetup::new(&["one"]).await;
    setup.tenant.node_pools = vec![pool(1)];
    setup.nodes().await;
    assert_eq!(send(&setup.sandbox.host_client(), "DELETE", "/api/v1/nodes/one", &Value::Null).await, 200);
    let drift = setup.provisioner.plan(&setup.tenant).await.unwrap();
    assert_eq!(drift[0].desired.as_deref(), Some("1 more of class big"), "{drift:?}");
    assert_eq!(setup.nodes().await.waiting.unwrap().reason, WaitReason::NoFreeNodes);
}

#[tokio::test]
async fn a_node_is_released_only_once_it_has_no_pods_of_the_tenant() {
    let mut setup = NodeSetup::new(&["one"]).await;
    setup.tenant.node_pools = vec![pool(1)];
    setup.nodes().await;
    let pod = setup.run_on("one").await;
    setup.tenant.node_pools.clear();
    assert_eq!(setup.nodes().await.pools[&id("pool")].releasing, ["one"]);
    let cordoned = setup.node("one").await;
    assert!(cordoned["spec"]["unschedulable"] == true && setup.is_assigned(&cordoned));
    assert_eq!(send(&setup.sandbox.host_client(), "GET", &pod, &Value::Null).await, 200);

    setup.nodes().await;
    assert_eq!(send(&setup.sandbox.host_client(), "GET", &pod, &Value::Null).await, 404);
    assert!(setup.is_assigned(&setup.node("one").await), "the pod was deleted only a moment ago");
    setup.nodes().await;
    let released = setup.node("one").await;
    assert!(!setup.is_assigned(&released) && released["spec"]["unschedulable"].is_null(), "{released}");
    assert_eq!(setup.nodes().await, TenantNodes::default());
}

#[tokio::test]
async fn two_tenants_never_share_a_node() {
    let mut setup = NodeSetup::new(&["one"]).await;
    setup.tenant.node_pools = vec![pool(1)];
    setup.nodes().await;
    let other = TenantCluster { node_pools: vec![pool(1)], ..fixture::tenant_cluster("other") };
    let other = NodeSetup { tenant: other, ..setup };
    assert_eq!(other.nodes().await.waiting.unwrap().reason, WaitReason::NoFreeNodes);
}

#[tokio::test]
async fn a_tenant_with_a_deleted_namespace_is_recreated_on_its_nodes() {
    let mut setup = NodeSetup::new(&["one"]).await;
    setup.tenant.node_pools = vec![pool(1)];
    setup.nodes().await;
    let namespace = format!("/api/v1/namespaces/{}", setup.tenant.target.name);
    let admin = setup.sandbox.host_client();
    assert_eq!(send(&admin, "DELETE", &namespace, &Value::Null).await, 200);
    while send(&admin, "GET", &namespace, &Value::Null).await != 404 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let state = setup.provisioner.observe(&setup.tenant.target).await.unwrap().control_plane;
    let workspace = fixture::workspace("shop");
    assert_eq!(lifecycle::next_operation(&workspace, &state), Operation::ResumeAndApply);
    setup.provisioner.resume(&setup.tenant.target).await.unwrap();
    assert_eq!(setup.nodes().await.pools[&id("pool")].assigned, ["one"]);
}

#[tokio::test]
async fn a_deleted_tenant_releases_its_nodes() {
    let mut setup = NodeSetup::new(&["one"]).await;
    setup.tenant.node_pools = vec![pool(1)];
    setup.nodes().await;
    let target = &setup.tenant.target;
    while setup.provisioner.observe(target).await.unwrap().control_plane != ControlPlaneState::Absent {
        setup.provisioner.delete(target).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(!setup.is_assigned(&setup.node("one").await));
}
