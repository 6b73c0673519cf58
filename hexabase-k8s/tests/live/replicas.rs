//! A real control plane of three replicas: it responds while one of them is gone, and keeps its objects across a
//! suspension.

use hexabase_core::fixture;
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::model::ControlPlaneStore;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::{from_value, json};

use crate::HostHarness;
use crate::host::admin;
use crate::user_access::{eventually, start_tenant};

#[tokio::test]
#[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
async fn three_replicas_survive_the_loss_of_the_leader_and_a_suspension() {
    let host = HostHarness::start().await;
    let mut cluster = fixture::tenant_cluster("one");
    cluster.control_plane.store = ControlPlaneStore::Etcd;
    cluster.control_plane.replicas = 3;
    let (target, name) = (cluster.target.clone(), cluster.target.name.clone());
    let tenant = start_tenant(&host, &cluster).await;
    let stateful_sets: Api<StatefulSet> = Api::namespaced(admin().await, &name);
    let all_ready = async || {
        let all = stateful_sets.list(&ListParams::default()).await.unwrap().items;
        all.len() == 2 && all.iter().all(|set| set.status.as_ref().unwrap().ready_replicas == Some(3))
    };
    eventually("all replicas are ready", all_ready).await;
    eventually("no drift is left", async || host.provisioner.plan(&cluster).await.unwrap().is_empty()).await;

    let config_map: ConfigMap =
        from_value(json!({ "metadata": { "name": "persistent" }, "data": { "a": "b" } })).unwrap();
    let config_maps: Api<ConfigMap> = Api::namespaced(tenant, "default");
    config_maps.create(&PostParams::default(), &config_map).await.unwrap();

    // The lease names the leader.
    let leases: Api<Lease> = Api::namespaced(admin().await, &name);
    let leader = async || {
        let all = leases.list(&ListParams::default()).await.unwrap().items;
        let mut holders = all.into_iter().filter_map(|lease| lease.spec?.holder_identity);
        holders.find_map(|holder| Some(holder.strip_suffix("-external-vcluster-controller")?.to_owned()))
    };
    eventually("a leader is elected", async || leader().await.is_some()).await;
    let first = leader().await.unwrap();
    let pods: Api<Pod> = Api::namespaced(admin().await, &name);
    pods.delete(&first, &DeleteParams::default().grace_period(0)).await.unwrap();
    let remaining_replicas = async || match config_maps.get("persistent").await {
        Ok(found) => found.data == config_map.data,
        Err(_) => false,
    };
    eventually("the remaining replicas respond", remaining_replicas).await;
    eventually("the deleted replica is ready again", all_ready).await;

    eventually("the cluster is suspended", async || {
        host.provisioner.suspend(&target, FIXTURE_TIME).await.unwrap();
        host.provisioner.observe(&target).await.unwrap().control_plane == ControlPlaneState::Stopped
    })
    .await;
    assert!(stateful_sets.list(&ListParams::default()).await.unwrap().iter().all(|set| {
        set.spec.as_ref().unwrap().replicas == Some(0) && set.status.as_ref().unwrap().replicas == 0
    }));
    host.provisioner.resume(&target).await.unwrap();
    let tenant = start_tenant(&host, &cluster).await;
    let found = Api::<ConfigMap>::namespaced(tenant, "default").get("persistent").await.unwrap();
    assert_eq!(found.data, config_map.data);
    eventually("all replicas are ready again", all_ready).await;

    // A plan with another store is rejected without any change.
    let mut other_store = cluster.clone();
    other_store.control_plane = fixture::tenant_cluster("one").control_plane;
    assert_eq!(host.provisioner.apply(&other_store).await.unwrap_err().code(), "no_other_store");
    assert!(all_ready().await);
}
