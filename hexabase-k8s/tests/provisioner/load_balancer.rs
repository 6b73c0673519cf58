//! A tenant exposed by a load balancer of its own.

use hexabase_core::fixture;
use hexabase_core::model::{Wait, WaitReason};
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_k8s::{Exposure, HostConfig, VClusterProvisioner};
use k8s_openapi::api::core::v1::Service;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::host_setup::{eventually, sandbox_with};

#[tokio::test]
async fn the_endpoint_is_the_address_of_the_load_balancer() {
    let sandbox = sandbox_with(&[]).await;
    let config = HostConfig { exposure: Exposure::LoadBalancer, ..HostConfig::default() };
    let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
    let cluster = fixture::tenant_cluster("shop");
    eventually("applied", || async { provisioner.apply(&cluster).await.map(|applied| applied.tenant) })
        .await
        .unwrap();
    let observed = async || provisioner.observe(&cluster.target).await.unwrap();
    let waiting = ControlPlaneState::Starting(Wait::new(WaitReason::LoadBalancerPending));
    assert_eq!(observed().await.control_plane, waiting);

    let name = &cluster.target.name;
    let services: Api<Service> = Api::namespaced(sandbox.host_client(), name);
    let endpoint_for = async |ingress: Value| {
        let status = Patch::Merge(json!({ "status": { "loadBalancer": { "ingress": [ingress] } } }));
        services.patch_status(name, &PatchParams::default(), &status).await.unwrap();
        observed().await.api_endpoint
    };
    for (ingress, endpoint) in [
        (json!({ "ip": "192.0.2.7" }), "https://192.0.2.7:443"),
        (json!({ "ip": "2001:db8::7" }), "https://[2001:db8::7]:443"),
        (json!({ "hostname": "a.balancers.example" }), "https://a.balancers.example:443"),
    ] {
        assert_eq!(endpoint_for(ingress).await.as_deref(), Some(endpoint));
    }
    assert_eq!(observed().await.control_plane, ControlPlaneState::Ready);
    assert_eq!(services.get(name).await.unwrap().spec.unwrap().type_.as_deref(), Some("LoadBalancer"));
    assert_eq!(provisioner.plan(&cluster).await.unwrap(), []);
}
