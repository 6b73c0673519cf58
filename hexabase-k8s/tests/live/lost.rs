//! A real tenant of which somebody removes what leads into it.

use std::time::Duration;

use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Api;
use kube::api::DeleteParams;
use tokio::time::sleep;

use super::OnHost;
use super::host::admin;

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_tenant_whose_service_was_removed_is_reached_again() {
    let host = OnHost::start().await;
    let provisioner = &host.provisioner;
    let tenant = fixture::tenant_cluster("one");
    let name = &tenant.target.name;
    let comes_up = async || {
        loop {
            let observation = provisioner.observe(&tenant.target).await.unwrap();
            let applied = provisioner.apply(&tenant).await.unwrap();
            if observation.control_plane == ControlPlaneState::Ready && applied.tenant {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
    };
    comes_up().await;

    // The Secret that leads into the tenant belongs to the Service, and is collected with it.
    let services: Api<Service> = Api::namespaced(admin().await, name);
    services.delete(name, &DeleteParams::default()).await.unwrap();
    let secrets: Api<Secret> = Api::namespaced(admin().await, name);
    while secrets.get_opt(&format!("vc-{name}")).await.unwrap().is_some() {
        sleep(Duration::from_millis(100)).await;
    }
    comes_up().await;

    provisioner.delete(&tenant.target).await.unwrap();
    while provisioner.observe(&tenant.target).await.unwrap().control_plane != ControlPlaneState::Absent {
        sleep(Duration::from_millis(100)).await;
    }
}
