//! Nodes that a real tenant has to itself: its control plane takes the configuration that sends pods there, and the host
//! lets Hexabase give it nodes that are set aside, and no others.

use std::time::Duration;

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::conformance::cluster_provisioner::ClusterHarness as _;
use hexabase_core::desired::TenantNodePool;
use hexabase_core::fixture::{self, id};
use hexabase_core::name::NodeClass;
use hexabase_core::provisioner::{ControlPlaneState, TenantNodes};
use hexabase_k8s::labels::{NODE_CLASS, NODE_POOL};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::OnHost;
use super::host::{admin, as_hexabase};

const NAME: &str = "hexabase-test-node";

/// Says that the node works, as its kubelet would.
async fn beat(nodes: &Api<Node>) {
    let ready = json!({ "status": { "conditions": [{
        "type": "Ready", "status": "True", "lastHeartbeatTime": SystemClock.now(), "reason": "Test", "message": "",
    }] } });
    nodes.patch_status(NAME, &PatchParams::default(), &Patch::Strategic(ready)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_real_tenant_gets_a_node_of_its_own_and_gives_it_back() {
    let host = OnHost::start().await;
    let nodes: Api<Node> = Api::all(admin().await);
    let _ = nodes.delete(NAME, &DeleteParams::default()).await;
    let node = json!({ "metadata": { "name": NAME } });
    nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    // What nobody has set aside is not Hexabase's to give.
    let stolen = json!({ "metadata": { "labels": { NODE_CLASS: "test" } } });
    let hexabase: Api<Node> = Api::all(as_hexabase().await);
    let given_back = json!({ "metadata": { "labels": { NODE_CLASS: null } } });
    let mut tries = 0..100;
    // An API server heeds a policy a moment after it was applied.
    while !hexabase
        .patch(NAME, &PatchParams::default(), &Patch::Merge(&stolen))
        .await
        .is_err_and(|refused| refused.to_string().contains("set aside"))
    {
        nodes.patch(NAME, &PatchParams::default(), &Patch::Merge(&given_back)).await.unwrap();
        assert!(tries.next().is_some(), "the policy does not hold");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    nodes.patch(NAME, &PatchParams::default(), &Patch::Merge(&stolen)).await.unwrap();

    let mut tenant = fixture::tenant_cluster("one");
    tenant.node_pools =
        vec![TenantNodePool { id: id("pool"), class: NodeClass::parse("test").unwrap(), nodes: 1 }];
    let settled = async |tenant: &hexabase_core::desired::TenantCluster| -> TenantNodes {
        for _ in 0..600 {
            beat(&nodes).await;
            let observed = host.provisioner().observe(&tenant.target).await;
            let ready = observed.is_ok_and(|observed| observed.control_plane == ControlPlaneState::Ready);
            let applied = host.provisioner().apply(tenant).await;
            if let Some(nodes) = applied.ok().and_then(|applied| applied.nodes.filter(|_| ready))
                && nodes.waiting.is_none()
            {
                return nodes;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("its nodes do not come or go");
    };
    assert_eq!(settled(&tenant).await.pools[&id("pool")].assigned, [NAME]);
    let given = nodes.get(NAME).await.unwrap();
    assert!(given.metadata.labels.unwrap().contains_key(NODE_POOL));

    tenant.node_pools.clear();
    assert_eq!(settled(&tenant).await, TenantNodes::default());
    let freed = nodes.get(NAME).await.unwrap();
    assert!(!freed.metadata.labels.unwrap().contains_key(NODE_POOL));
    assert_ne!(freed.spec.unwrap().unschedulable, Some(true));
    nodes.delete(NAME, &DeleteParams::default()).await.unwrap();
}
