//! A control plane of several replicas, and the etcd beside it.

use hexabase_core::fixture::THEN;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::host_setup::{of_three, prepared, until};
use super::occupy::leave_room_for;

struct Stage {
    sandbox: Sandbox,
    provisioner: VClusterProvisioner,
}

impl Stage {
    /// A tenant of three replicas that is ready.
    async fn ready() -> Self {
        let sandbox = prepared(&[]).await;
        let provisioner =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
        let stage = Self { sandbox, provisioner };
        until("ready", || async {
            Ok(stage.provisioner.apply(&of_three("shop")).await?.tenant
                && stage.is(ControlPlaneState::Ready).await)
        })
        .await
        .unwrap();
        stage
    }

    async fn is(&self, state: ControlPlaneState) -> bool {
        self.provisioner.observe(&of_three("shop").target).await.unwrap().control_plane == state
    }

    /// The names of the tenant's own pods, without the tenant's.
    async fn pods(&self) -> Vec<String> {
        let name = of_three("shop").target.name;
        let pods: Api<Pod> = Api::namespaced(self.sandbox.host_client(), &name);
        let all = pods.list(&ListParams::default()).await.unwrap();
        let mut names: Vec<String> =
            all.into_iter().map(|pod| pod.metadata.name.unwrap().split_off(name.len())).collect();
        names.sort();
        names
    }

    fn sets(&self) -> Api<StatefulSet> {
        Api::namespaced(self.sandbox.host_client(), &of_three("shop").target.name)
    }

    async fn somebody_scales_to(&self, replicas: u8) {
        let scaled = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let name = of_three("shop").target.name;
        self.sets().patch(&name, &PatchParams::default(), &scaled).await.unwrap();
    }
}

const ALL: [&str; 6] = ["-0", "-1", "-2", "-etcd-0", "-etcd-1", "-etcd-2"];

#[tokio::test]
async fn all_of_it_sleeps_and_wakes() {
    let stage = Stage::ready().await;
    let target = of_three("shop").target;
    assert_eq!(stage.pods().await, ALL);

    until("asleep", || async {
        stage.provisioner.suspend(&target, THEN).await?;
        Ok(stage.is(ControlPlaneState::Stopped).await)
    })
    .await
    .unwrap();
    assert_eq!(stage.pods().await, Vec::<String>::new());
    for set in stage.sets().list(&ListParams::default()).await.unwrap() {
        let annotations = set.metadata.annotations.unwrap();
        assert_eq!(annotations["loft.sh/paused-replicas"], "3", "as the vCluster CLI would have left it");
    }
    // Applying leaves it asleep, and finds nothing wrong with that.
    stage.provisioner.apply(&of_three("shop")).await.unwrap();
    assert_eq!(stage.provisioner.plan(&of_three("shop")).await.unwrap(), []);
    assert!(stage.is(ControlPlaneState::Stopped).await);

    stage.provisioner.resume(&target).await.unwrap();
    until("awake", || async { Ok(stage.is(ControlPlaneState::Ready).await) }).await.unwrap();
    assert_eq!(stage.pods().await, ALL);
}

#[tokio::test]
async fn it_sleeps_only_when_the_store_does() {
    let stage = Stage::ready().await;
    // As the control plane is put to sleep by somebody who knows of no etcd.
    stage.somebody_scales_to(0).await;
    assert!(stage.is(ControlPlaneState::Stopping).await);
    until("asleep", || async {
        stage.provisioner.suspend(&of_three("shop").target, THEN).await?;
        Ok(stage.is(ControlPlaneState::Stopped).await)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn somebody_who_takes_a_replica_away_gives_it_back() {
    let stage = Stage::ready().await;
    stage.somebody_scales_to(2).await;
    let drift = stage.provisioner.plan(&of_three("shop")).await.unwrap();
    let found: Vec<_> = drift.iter().map(|entry| (entry.field.as_str(), entry.actual.as_deref())).collect();
    assert_eq!(found, [("spec.replicas", Some("2"))]);
    stage.provisioner.apply(&of_three("shop")).await.unwrap();
    let set = stage.sets().get(&of_three("shop").target.name).await.unwrap();
    assert_eq!(set.spec.unwrap().replicas, Some(3));
}

#[tokio::test]
async fn whichever_part_of_it_is_refused_says_why() {
    let sandbox = prepared(&[]).await;
    let provisioner =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
    let cluster = of_three("shop");
    // For the one or for the other.
    leave_room_for(sandbox.host_client(), &cluster.target, 3).await;
    until("the reason", || async {
        provisioner.apply(&cluster).await?;
        let observed = provisioner.observe(&cluster.target).await?.control_plane;
        Ok(matches!(observed, ControlPlaneState::Broken { message, .. } if message.contains("exceeded quota")))
    })
    .await
    .unwrap();
}
