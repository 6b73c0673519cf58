//! Dedicated nodes of a real tenant: its control plane accepts the configuration that schedules pods there, and the
//! host allows Hexabase to assign reserved nodes only.

use std::time::Duration;

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::conformance::cluster_provisioner::ClusterHarness as _;
use hexabase_core::desired::TenantNodePool;
use hexabase_core::fixture::{self, id};
use hexabase_core::name::NodeClass;
use hexabase_core::provisioner::{ControlPlaneState, TenantNodes};
use hexabase_k8s::Labels;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::HostHarness;
use super::host::{admin, hexabase_client};

const NAME: &str = "hexabase-test-node";

/// Reports the node as ready, as its kubelet would.
async fn report_node_ready(nodes: &Api<Node>) {
    let ready = json!({ "status": { "conditions": [{
        "type": "Ready", "status": "True", "lastHeartbeatTime": SystemClock.now(), "reason": "Test", "message": "",
    }] } });
    nodes.patch_status(NAME, &PatchParams::default(), &Patch::Strategic(ready)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_gets_a_dedicated_node_and_releases_it() {
    let host = HostHarness::start().await;
    let nodes: Api<Node> = Api::all(admin().await);
    let _ = nodes.delete(NAME, &DeleteParams::default()).await;
    let node = json!({ "metadata": { "name": NAME } });
    nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    let keys = Labels::default();
    // Hexabase may not reserve a node itself.
    let reserve = json!({ "metadata": { "labels": { keys.node_class(): "test" } } });
    let hexabase: Api<Node> = Api::all(hexabase_client().await);
    let unreserve = json!({ "metadata": { "labels": { keys.node_class(): null } } });
    let mut attempts = 0..100;
    // An API server enforces a new policy only after a moment.
    while !hexabase
        .patch(NAME, &PatchParams::default(), &Patch::Merge(&reserve))
        .await
        .is_err_and(|error| error.to_string().contains("set aside"))
    {
        nodes.patch(NAME, &PatchParams::default(), &Patch::Merge(&unreserve)).await.unwrap();
        assert!(attempts.next().is_some(), "the policy is not enforced");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    nodes.patch(NAME, &PatchParams::default(), &Patch::Merge(&reserve)).await.unwrap();

    let mut tenant = fixture::tenant_cluster("one");
    tenant.node_pools =
        vec![TenantNodePool { id: id("pool"), class: NodeClass::parse("test").unwrap(), nodes: 1 }];
    let wait_until_settled = async |tenant: &hexabase_core::desired::TenantCluster| -> TenantNodes {
        for _ in 0..600 {
            report_node_ready(&nodes).await;
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
        panic!("the nodes are neither assigned nor released in time");
    };
    assert_eq!(wait_until_settled(&tenant).await.pools[&id("pool")].assigned, [NAME]);
    let assigned = nodes.get(NAME).await.unwrap();
    assert!(assigned.metadata.labels.unwrap().contains_key(keys.node_pool()));

    tenant.node_pools.clear();
    assert_eq!(wait_until_settled(&tenant).await, TenantNodes::default());
    let released = nodes.get(NAME).await.unwrap();
    assert!(!released.metadata.labels.unwrap().contains_key(keys.node_pool()));
    assert_ne!(released.spec.unwrap().unschedulable, Some(true));
    nodes.delete(NAME, &DeleteParams::default()).await.unwrap();
}
