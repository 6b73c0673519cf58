//! A control plane of three real replicas: it answers while one of them is gone, and all of it sleeps and wakes with its
//! objects.

use hexabase_core::fixture;
use hexabase_core::fixture::THEN;
use hexabase_core::model::ControlPlaneStore;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{from_value, json};

use crate::OnHost;
use crate::host::admin;
use crate::people::{bring_up, until};

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn a_control_plane_of_three_outlives_its_leader_and_its_own_sleep() {
    let host = OnHost::start().await;
    let mut cluster = fixture::tenant_cluster("one");
    cluster.control_plane.store = ControlPlaneStore::Etcd;
    cluster.control_plane.replicas = 3;
    let (target, name) = (cluster.target.clone(), cluster.target.name.clone());
    let tenant = bring_up(&host, &cluster).await;
    let sets: Api<StatefulSet> = Api::namespaced(admin().await, &name);
    let all_ready = async || {
        let all = sets.list(&ListParams::default()).await.unwrap().items;
        all.len() == 2 && all.iter().all(|set| set.status.as_ref().unwrap().ready_replicas == Some(3))
    };
    until("all replicas come up", all_ready).await;
    until("it comes to rest", async || host.provisioner.plan(&cluster).await.unwrap().is_empty()).await;

    let kept: ConfigMap =
        from_value(json!({ "metadata": { "name": "kept" }, "data": { "a": "b" } })).unwrap();
    let inside: Api<ConfigMap> = Api::namespaced(tenant, "default");
    inside.create(&PostParams::default(), &kept).await.unwrap();

    // One of them leads; the lease says which.
    let leases: Api<Lease> = Api::namespaced(admin().await, &name);
    let leader = async || {
        let all = leases.list(&ListParams::default()).await.unwrap().items;
        let mut holders = all.into_iter().filter_map(|lease| lease.spec?.holder_identity);
        holders.find_map(|holder| Some(holder.strip_suffix("-external-vcluster-controller")?.to_owned()))
    };
    until("somebody leads", async || leader().await.is_some()).await;
    let first = leader().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(admin().await, &name);
    pods.delete(&first, &DeleteParams::default().grace_period(0)).await.unwrap();
    let others = async || match inside.get("kept").await {
        Ok(found) => found.data == kept.data,
        Err(_) => false,
    };
    until("the others answer", others).await;
    until("it comes back", all_ready).await;

    until("it falls asleep", async || {
        host.provisioner.suspend(&target, THEN).await.unwrap();
        host.provisioner.observe(&target).await.unwrap().control_plane == ControlPlaneState::Stopped
    })
    .await;
    assert!(sets.list(&ListParams::default()).await.unwrap().iter().all(|set| {
        set.spec.as_ref().unwrap().replicas == Some(0) && set.status.as_ref().unwrap().replicas == 0
    }));
    host.provisioner.resume(&target).await.unwrap();
    let tenant = bring_up(&host, &cluster).await;
    let found = Api::<ConfigMap>::namespaced(tenant, "default").get("kept").await.unwrap();
    assert_eq!(found.data, kept.data);
    until("all replicas come up again", all_ready).await;

    // A plan with another store is refused, and nothing moves.
    let mut elsewhere = cluster.clone();
    elsewhere.control_plane = fixture::tenant_cluster("one").control_plane;
    assert_eq!(host.provisioner.apply(&elsewhere).await.unwrap_err().code(), "no_other_store");
    assert!(all_ready().await);
}
