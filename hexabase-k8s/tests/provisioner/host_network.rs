//! Addresses of the host's API server: detected, followed when they change, and the only ones of their kind that control
//! planes reach.

use std::time::Duration;

use hexabase_core::fixture;
use hexabase_core::provisioner::ClusterProvisioner as _;
use hexabase_k8s::VClusterProvisioner;
use hexabase_k8s::render::host_setup;
use hexabase_k8s::{HostConfig, HostIdentity};
use kube::Client;
use serde_json::{Value, json};

use super::host_setup::{eventually, get, restricted_host, sandbox_with, send};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";

/// EndpointSlice of an API server with this address.
fn slice(address: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": { "name": "kubernetes", "namespace": "default" },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [address] }],
        "ports": [{ "name": "https", "port": 6443 }],
    })
}

#[tokio::test(start_paused = true)]
async fn control_planes_reach_the_current_addresses_of_the_hosts_api_server() {
    let sandbox = sandbox_with(&host_setup(&HostConfig::default())).await;
    let admin = sandbox.host_client();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "kubernetes", "namespace": "default" },
        "spec": { "clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{ "port": 443 }] },
    });
    assert_eq!(send(&admin, "POST", "/api/v1/namespaces/default/services", &service).await, 201);
    assert_eq!(send(&admin, "POST", SLICES, &slice("192.168.7.2")).await, 201);
    let config = HostConfig { identity: Some(HostIdentity::default()), ..HostConfig::default() };
    let client = Client::new(restricted_host(&sandbox), "default");
    let provisioner = VClusterProvisioner::new(client, sandbox.connector(), config);
    let cluster = fixture::tenant_cluster("shop");
    let name = &cluster.target.name;
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/vc-cp-{name}");
    let allowed = async || get(&admin, &path).await["spec"]["egress"].to_string();
    eventually("cluster applied", || async {
        provisioner.apply(&cluster).await.map(|applied| applied.tenant)
    })
    .await
    .unwrap();
    assert!(allowed().await.contains("\"192.168.7.2/32\"") && allowed().await.contains("\"10.96.0.1/32\""));
    assert_eq!(provisioner.plan(&cluster).await.unwrap(), []);

    // A managed host replaces its API server.
    assert_eq!(send(&admin, "PUT", &format!("{SLICES}/kubernetes"), &slice("192.168.7.3")).await, 200);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_ne!(provisioner.plan(&cluster).await.unwrap(), []);
    provisioner.apply(&cluster).await.unwrap();
    assert!(allowed().await.contains("\"192.168.7.3/32\"") && !allowed().await.contains("192.168.7.2"));

    // The policies stay as they are while it has no endpoints.
    assert_eq!(send(&admin, "DELETE", &format!("{SLICES}/kubernetes"), &Value::Null).await, 200);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(provisioner.plan(&cluster).await.unwrap(), []);
}
