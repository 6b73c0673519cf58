//! A replaced control plane is ready again only once the new one responds.

use std::time::Duration;

use hexabase_core::fixture;
use hexabase_core::name::KubernetesVersion;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::host_setup::eventually;

#[tokio::test(start_paused = true)]
async fn a_cluster_is_not_ready_until_its_new_control_plane_is() {
    // Long enough to mistake the old control plane for the new one.
    let (startup, termination) = (Duration::from_millis(20), Duration::from_millis(20));
    let sandbox = Sandbox::start(SandboxOptions { startup, termination, ..SandboxOptions::default() });
    let provisioner =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
    let mut cluster = fixture::tenant_cluster("shop");
    cluster.kubernetes_version = KubernetesVersion::parse("1.35").unwrap();
    let target = cluster.target.clone();
    let reconcile = async |cluster: &_| {
        let observed = provisioner.observe(&target).await?.control_plane;
        let applied = provisioner.apply(cluster).await?;
        Ok::<_, hexabase_core::error::Error>(observed == ControlPlaneState::Ready && applied.tenant)
    };
    eventually("ready", || reconcile(&cluster)).await.unwrap();

    cluster.kubernetes_version = KubernetesVersion::parse("1.36").unwrap();
    eventually("ready again", || reconcile(&cluster)).await.unwrap();
    let pods: Api<Pod> = Api::namespaced(sandbox.host_client(), &target.name);
    let pod = pods.get(&format!("{}-0", target.name)).await.unwrap();
    let image = pod.spec.unwrap().init_containers.unwrap().remove(0).image.unwrap();
    assert!(image.contains(":v1.36."), "{image}");
    assert!(provisioner.plan(&cluster).await.unwrap().is_empty());
}
