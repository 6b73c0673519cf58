//! Change notifications of a real tenant: the host watch reports progress and degradation, so that no polling is
//! needed.

use std::time::Duration;

use hexabase_core::desired::TenantCluster;
use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState, Observation};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::DeleteParams;
use tokio::time::{sleep, timeout};

use super::HostHarness;
use super::host::admin;

/// Maximum wait for a notification.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits until the next reconcile is due. Returns `true` if the observation promised a notification.
async fn wait_for_requeue(host: &HostHarness, observation: &Observation) -> bool {
    match observation.will_notify {
        true => timeout(NOTIFICATION_TIMEOUT, host.on_change.notified()).await.expect("progress is notified"),
        false => sleep(Duration::from_millis(100)).await,
    }
    observation.will_notify
}

/// Reconciles a ready tenant until no further notification arrives.
async fn reconcile_until_clean(host: &HostHarness, tenant: &TenantCluster) {
    loop {
        let will_notify = host.provisioner.observe(&tenant.target).await.unwrap().will_notify;
        host.provisioner.apply(tenant).await.unwrap();
        if will_notify && timeout(Duration::from_secs(1), host.on_change.notified()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn progress_and_degradation_of_a_tenant_are_notified() {
    let host = HostHarness::start().await;
    let provisioner = &host.provisioner;
    let tenant = fixture::tenant_cluster("one");
    let (mut reconciles, mut will_notify) = (0, 0);
    loop {
        let observation = provisioner.observe(&tenant.target).await.unwrap();
        let applied = provisioner.apply(&tenant).await;
        if observation.control_plane == ControlPlaneState::Ready
            && applied.is_ok_and(|applied| applied.tenant)
        {
            break;
        }
        reconciles += 1;
        will_notify += usize::from(wait_for_requeue(&host, &observation).await);
    }
    assert!(will_notify > 0, "none of {reconciles} observations promised a notification");

    let name = &tenant.target.name;
    let network_policies: Api<NetworkPolicy> = Api::namespaced(admin().await, name);
    reconcile_until_clean(&host, &tenant).await;
    network_policies.delete("default-deny", &DeleteParams::default()).await.unwrap();
    timeout(NOTIFICATION_TIMEOUT, host.on_change.notified())
        .await
        .expect("the deleted NetworkPolicy is notified");
    reconcile_until_clean(&host, &tenant).await;
    network_policies.get("default-deny").await.unwrap();

    let control_planes: Api<StatefulSet> = Api::namespaced(admin().await, name);
    control_planes.delete(name, &DeleteParams::default()).await.unwrap();
    timeout(NOTIFICATION_TIMEOUT, host.on_change.notified())
        .await
        .expect("the deleted control plane is notified");
    while control_planes
        .get_opt(name)
        .await
        .unwrap()
        .is_none_or(|set| set.metadata.deletion_timestamp.is_some())
    {
        provisioner.apply(&tenant).await.unwrap();
    }

    provisioner.delete(&tenant.target).await.unwrap();
    loop {
        let observation = provisioner.observe(&tenant.target).await.unwrap();
        if observation.control_plane == ControlPlaneState::Absent {
            break;
        }
        wait_for_requeue(&host, &observation).await;
    }
}
