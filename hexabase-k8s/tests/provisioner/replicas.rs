//! A control plane of several replicas with an etcd.

use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::provisioner::{ClusterProvisioner as _, ControlPlaneState};
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::host_capacity::set_pod_quota;
use super::host_setup::{eventually, sandbox_with, three_replicas};

struct ReplicaSetup {
    sandbox: Sandbox,
    provisioner: VClusterProvisioner,
}

impl ReplicaSetup {
    /// Ready tenant with a control plane of three replicas.
    async fn ready() -> Self {
        let sandbox = sandbox_with(&[]).await;
        let provisioner =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
        let setup = Self { sandbox, provisioner };
        eventually("ready", || async {
            Ok(setup.provisioner.apply(&three_replicas("shop")).await?.tenant
                && setup.is(ControlPlaneState::Ready).await)
        })
        .await
        .unwrap();
        setup
    }

    async fn is(&self, state: ControlPlaneState) -> bool {
        self.provisioner.observe(&three_replicas("shop").target).await.unwrap().control_plane == state
    }

    /// Names of the control plane's pods, without the prefix of the tenant's name.
    async fn pods(&self) -> Vec<String> {
        let name = three_replicas("shop").target.name;
        let pods: Api<Pod> = Api::namespaced(self.sandbox.host_client(), &name);
        let all = pods.list(&ListParams::default()).await.unwrap();
        let mut names: Vec<String> =
            all.into_iter().map(|pod| pod.metadata.name.unwrap().split_off(name.len())).collect();
        names.sort();
        names
    }

    fn stateful_sets(&self) -> Api<StatefulSet> {
        Api::namespaced(self.sandbox.host_client(), &three_replicas("shop").target.name)
    }

    async fn scale_control_plane(&self, replicas: u8) {
        let scaled = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let name = three_replicas("shop").target.name;
        self.stateful_sets().patch(&name, &PatchParams::default(), &scaled).await.unwrap();
    }
}

const ALL_PODS: [&str; 6] = ["-0", "-1", "-2", "-etcd-0", "-etcd-1", "-etcd-2"];

#[tokio::test]
async fn all_replicas_suspend_and_resume() {
    let setup = ReplicaSetup::ready().await;
    let target = three_replicas("shop").target;
    assert_eq!(setup.pods().await, ALL_PODS);

    eventually("cluster suspended", || async {
        setup.provisioner.suspend(&target, FIXTURE_TIME).await?;
        Ok(setup.is(ControlPlaneState::Stopped).await)
    })
    .await
    .unwrap();
    assert_eq!(setup.pods().await, Vec::<String>::new());
    for set in setup.stateful_sets().list(&ListParams::default()).await.unwrap() {
        let annotations = set.metadata.annotations.unwrap();
        assert_eq!(annotations["loft.sh/paused-replicas"], "3", "same annotation as the vCluster CLI");
    }
    // Applying does not resume the cluster, and suspension is not drift.
    setup.provisioner.apply(&three_replicas("shop")).await.unwrap();
    assert_eq!(setup.provisioner.plan(&three_replicas("shop")).await.unwrap(), []);
    assert!(setup.is(ControlPlaneState::Stopped).await);

    setup.provisioner.resume(&target).await.unwrap();
    eventually("cluster resumed", || async { Ok(setup.is(ControlPlaneState::Ready).await) }).await.unwrap();
    assert_eq!(setup.pods().await, ALL_PODS);
}

#[tokio::test]
async fn a_cluster_is_suspended_only_once_its_store_is() {
    let setup = ReplicaSetup::ready().await;
    // Only the control plane is scaled to zero, as by a client that ignores the etcd.
    setup.scale_control_plane(0).await;
    assert!(setup.is(ControlPlaneState::Stopping).await);
    eventually("cluster suspended", || async {
        setup.provisioner.suspend(&three_replicas("shop").target, FIXTURE_TIME).await?;
        Ok(setup.is(ControlPlaneState::Stopped).await)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_removed_replica_is_restored() {
    let setup = ReplicaSetup::ready().await;
    setup.scale_control_plane(2).await;
    let drift = setup.provisioner.plan(&three_replicas("shop")).await.unwrap();
    let found: Vec<_> = drift.iter().map(|entry| (entry.field.as_str(), entry.actual.as_deref())).collect();
    assert_eq!(found, [("spec.replicas", Some("2"))]);
    setup.provisioner.apply(&three_replicas("shop")).await.unwrap();
    let set = setup.stateful_sets().get(&three_replicas("shop").target.name).await.unwrap();
    assert_eq!(set.spec.unwrap().replicas, Some(3));
}

#[tokio::test]
async fn a_rejected_pod_of_either_stateful_set_reports_the_reason() {
    let sandbox = sandbox_with(&[]).await;
    let provisioner =
        VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostConfig::default());
    let cluster = three_replicas("shop");
    // Three pods fit: either the control plane or the etcd is rejected.
    set_pod_quota(sandbox.host_client(), &cluster.target, 3).await;
    eventually("the reason is reported", || async {
        provisioner.apply(&cluster).await?;
        let observed = provisioner.observe(&cluster.target).await?.control_plane;
        Ok(matches!(observed, ControlPlaneState::Broken { message, .. } if message.contains("exceeded quota")))
    })
    .await
    .unwrap();
}
