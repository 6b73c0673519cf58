//! A tenant that is reached from outside: what leads to it is made, and its API server shows a certificate for the name by
//! which it is reached.

use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_core::secret::ExposeSecret as _;
use hexabase_k8s::{Exposure, HostSettings};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

use crate::OnHost;
use crate::host::admin;
use crate::people::{bring_up, until};

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_answers_by_its_own_name_and_no_other() {
    let exposed = HostSettings {
        endpoint: "https://{name}.tenants.example".to_owned(),
        exposure: Exposure::Ingress { class: "passthrough".to_owned() },
        ..HostSettings::default()
    };
    let host = OnHost::with(exposed).await;
    let cluster = fixture::tenant_cluster("one");
    drop(bring_up(&host, &cluster).await);
    let name = &cluster.target.name;
    let observed = host.provisioner.observe(&cluster.target).await.unwrap();
    assert_eq!(observed.api_endpoint, Some(format!("https://{name}.tenants.example")));

    let ingresses: Api<Ingress> = Api::namespaced(admin().await, name);
    let ingress = ingresses.get(name).await.unwrap().spec.unwrap();
    assert_eq!(ingress.ingress_class_name.as_deref(), Some("passthrough"));
    assert_eq!(ingress.rules.unwrap()[0].host, Some(format!("{name}.tenants.example")));

    // Whatever hands TLS through connects here and leaves the name as it is.
    let access = host.provisioner.admin_access(&cluster.target).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(access.kubeconfig.expose_secret()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.cluster_url = format!("https://{name}.{name}.svc:443").parse().unwrap();
    for (asked_for, is_theirs) in
        [(format!("{name}.tenants.example"), true), ("other.tenants.example".to_owned(), false)]
    {
        config.tls_server_name = Some(asked_for.clone());
        let version = Client::try_from(config.clone()).unwrap().apiserver_version().await;
        assert_eq!(version.is_ok(), is_theirs, "{asked_for}: {version:?}");
    }

    // Nothing leads there any more once nothing should.
    let hidden = OnHost::keeping(HostSettings::default()).await;
    hidden.provisioner.apply(&cluster).await.unwrap();
    assert!(ingresses.get_opt(name).await.unwrap().is_none());
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_answers_by_the_address_that_its_load_balancer_is_given() {
    let balanced = HostSettings { exposure: Exposure::LoadBalancer, ..HostSettings::default() };
    let host = OnHost::with(balanced).await;
    let cluster = fixture::tenant_cluster("one");
    let (target, name) = (&cluster.target, &cluster.target.name);
    let services: Api<Service> = Api::namespaced(admin().await, name);
    until("it waits for an address", async || {
        let _ = host.provisioner.apply(&cluster).await;
        let observed = host.provisioner.observe(target).await;
        observed.is_ok_and(|observed| {
            matches!(
                observed.control_plane,
                ControlPlaneState::Starting { message } if message.contains("load balancer")
            )
        })
    })
    .await;
    let given = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }] } } });
    services.patch_status(name, &PatchParams::default(), &Patch::Merge(given)).await.unwrap();
    drop(bring_up(&host, &cluster).await);
    let observed = host.provisioner.observe(target).await.unwrap();
    assert_eq!(observed.api_endpoint.as_deref(), Some("https://192.0.2.7:443"));

    // vCluster takes the address into its certificate once it hears of it.
    let access = host.provisioner.admin_access(target).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(access.kubeconfig.expose_secret()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.cluster_url = format!("https://{name}.{name}.svc:443").parse().unwrap();
    config.tls_server_name = Some("192.0.2.7".to_owned());
    until("it shows a certificate for its address", async || {
        Client::try_from(config.clone()).unwrap().apiserver_version().await.is_ok()
    })
    .await;
}
