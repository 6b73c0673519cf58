//! Recovery of a tenant whose Service, and with it the kubeconfig Secret, is deleted.

use std::time::Duration;

use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Api;
use kube::api::DeleteParams;
use tokio::time::sleep;

use super::HostHarness;
use super::host::admin;

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_recovers_from_the_deletion_of_its_service() {
    let host = HostHarness::start().await;
    let provisioner = &host.provisioner;
    let tenant = fixture::tenant_cluster("one");
    let name = &tenant.target.name;
    let wait_until_ready = async || {
        loop {
            let observation = provisioner.observe(&tenant.target).await.unwrap();
            let applied = provisioner.apply(&tenant).await.unwrap();
            if observation.control_plane == ControlPlaneState::Ready && applied.tenant {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    wait_until_ready().await;

    // The Service owns the kubeconfig Secret, which is garbage collected with it.
    let services: Api<Service> = Api::namespaced(admin().await, name);
    services.delete(name, &DeleteParams::default()).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(admin().await, name);
    while secrets.get_opt(&format!("vc-{name}")).await.unwrap().is_some() {
        sleep(Duration::from_millis(100)).await;
    }
    wait_until_ready().await;

    provisioner.delete(&tenant.target).await.unwrap();
    while provisioner.observe(&tenant.target).await.unwrap().control_plane != ControlPlaneState::Absent {
        sleep(Duration::from_millis(100)).await;
    }
}
