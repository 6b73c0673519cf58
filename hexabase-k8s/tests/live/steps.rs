//! A real tenant on its way, and in harm's: whoever watches its host is told, and need not ask all the time.

use std::time::Duration;

use hexabase_core::desired::TenantCluster;
use hexabase_core::fixture;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState, Observation};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Api;
use kube::api::DeleteParams;
use tokio::time::{sleep, timeout};

use super::OnHost;
use super::host::admin;

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until another look is worth it, and says whether that was announced.
async fn wait_after(host: &OnHost, observation: &Observation) -> bool {
    match observation.announced {
        true => timeout(PATIENCE, host.moved.notified()).await.expect("word of the next step"),
        false => sleep(Duration::from_millis(100)).await,
    }
    observation.announced
}

/// Looks at a tenant that is up until it is all it should be, and there is no news of it.
async fn comes_to_rest(host: &OnHost, tenant: &TenantCluster) {
    loop {
        let announced = host.provisioner.observe(&tenant.target).await.unwrap().announced;
        host.provisioner.apply(tenant).await.unwrap();
        if announced && timeout(Duration::from_secs(1), host.moved.notified()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn word_comes_when_a_real_tenant_gets_further_or_comes_to_harm() {
    let host = OnHost::start().await;
    let provisioner = &host.provisioner;
    let tenant = fixture::tenant_cluster("one");
    let (mut looks, mut announced) = (0, 0);
    loop {
        let observation = provisioner.observe(&tenant.target).await.unwrap();
        let applied = provisioner.apply(&tenant).await;
        if observation.control_plane == ControlPlaneState::Ready
            && applied.is_ok_and(|applied| applied.tenant)
        {
            break;
        }
        looks += 1;
        announced += usize::from(wait_after(&host, &observation).await);
    }
    assert!(announced > 0, "none of {looks} looks learnt that there will be word of the next step");

    let name = &tenant.target.name;
    let walls: Api<NetworkPolicy> = Api::namespaced(admin().await, name);
    comes_to_rest(&host, &tenant).await;
    walls.delete("default-deny", &DeleteParams::default()).await.unwrap();
    timeout(PATIENCE, host.moved.notified()).await.expect("word of a wall that fell");
    comes_to_rest(&host, &tenant).await;
    walls.get("default-deny").await.unwrap();

    let control_planes: Api<StatefulSet> = Api::namespaced(admin().await, name);
    control_planes.delete(name, &DeleteParams::default()).await.unwrap();
    timeout(PATIENCE, host.moved.notified()).await.expect("word of the harm");
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
        wait_after(&host, &observation).await;
    }
}
