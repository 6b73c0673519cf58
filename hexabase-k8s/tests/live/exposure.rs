//! Exposed tenants: their routes are created, and their API servers present a certificate for the exposed name.

use hexabase_core::fixture;
use hexabase_core::model::WaitReason;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::secret::ExposeSecret as _;
use hexabase_k8s::{Exposure, HostConfig};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use crate::HostHarness;
use crate::host::admin;
use crate::user_access::{eventually, start_tenant};

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_api_server_serves_only_its_own_host_name() {
    let exposed = HostConfig {
        endpoint: "https://{name}.tenants.example".to_owned(),
        exposure: Exposure::Ingress { class: "passthrough".to_owned() },
        ..HostConfig::default()
    };
    let host = HostHarness::with_config(exposed).await;
    let cluster = fixture::tenant_cluster("one");
    drop(start_tenant(&host, &cluster).await);
    let name = &cluster.target.name;
    let observed = host.provisioner.observe(&cluster.target).await.unwrap();
    assert_eq!(observed.api_endpoint, Some(format!("https://{name}.tenants.example")));

    let ingresses: Api<Ingress> = Api::namespaced(admin().await, name);
    let ingress = ingresses.get(name).await.unwrap().spec.unwrap();
    assert_eq!(ingress.ingress_class_name.as_deref(), Some("passthrough"));
    assert_eq!(ingress.rules.unwrap()[0].host, Some(format!("{name}.tenants.example")));

    // TLS passthrough connects to this address and keeps the server name.
    let access = host.provisioner.admin_access(&cluster.target).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(access.kubeconfig.expose_secret()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.cluster_url = format!("https://{name}.{name}.svc:443").parse().unwrap();
    for (server_name, is_served) in
        [(format!("{name}.tenants.example"), true), ("other.tenants.example".to_owned(), false)]
    {
        config.tls_server_name = Some(server_name.clone());
        let version = Client::try_from(config.clone()).unwrap().apiserver_version().await;
        assert_eq!(version.is_ok(), is_served, "{server_name}: {version:?}");
    }

    // The Ingress is deleted once the host does not expose tenants any more.
    let internal = HostHarness::without_cleanup(HostConfig::default()).await;
    internal.provisioner.apply(&cluster).await.unwrap();
    assert!(ingresses.get_opt(name).await.unwrap().is_none());
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_api_server_serves_the_address_of_its_load_balancer() {
    let balanced = HostConfig { exposure: Exposure::LoadBalancer, ..HostConfig::default() };
    let host = HostHarness::with_config(balanced).await;
    let cluster = fixture::tenant_cluster("one");
    let (target, name) = (&cluster.target, &cluster.target.name);
    let services: Api<Service> = Api::namespaced(admin().await, name);
    eventually("the control plane waits for an address", async || {
        let _ = host.provisioner.apply(&cluster).await;
        let observed = host.provisioner.observe(target).await;
        observed.is_ok_and(|observed| {
            matches!(
                observed.control_plane,
                ControlPlaneState::Starting(wait) if wait.reason == WaitReason::LoadBalancerPending
            )
        })
    })
    .await;
    let address = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } } });
    services.patch_status(name, &PatchParams::default(), &Patch::Merge(address)).await.unwrap();
    drop(start_tenant(&host, &cluster).await);
    let observed = host.provisioner.observe(target).await.unwrap();
    assert_eq!(observed.api_endpoint.as_deref(), Some("https://192.0.2.7:443"));

    // vCluster adds the address to its certificate once it observes it.
    let access = host.provisioner.admin_access(target).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(access.kubeconfig.expose_secret()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.cluster_url = format!("https://{name}.{name}.svc:443").parse().unwrap();
    config.tls_server_name = Some("192.0.2.7".to_owned());
    eventually("the certificate includes the address", async || {
        Client::try_from(config.clone()).unwrap().apiserver_version().await.is_ok()
    })
    .await;
}
