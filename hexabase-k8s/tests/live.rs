//! The vCluster provisioner on a real host cluster with real vClusters, against the suite that every
//! provisioner must pass. Run it with `HEXABASE_TEST_KUBECONFIG`, `--run-ignored only` and one test at a time:
//! the cases use the same two clusters.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::conformance::cluster_provisioner::{self, ClusterHarness};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::name::ProjectName;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_core::secret::ExposeSecret as _;
use hexabase_k8s::{HostSettings, ServiceConnector, TenantConnector as _, VClusterProvisioner};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use kube::{Api, Client};

#[derive(Debug)]
struct OnHost(VClusterProvisioner);

async fn host() -> Client {
    let file =
        std::env::var("HEXABASE_TEST_KUBECONFIG").expect("HEXABASE_TEST_KUBECONFIG names a kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(file).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

impl OnHost {
    /// A provisioner on a host on which none of the suite's clusters is left.
    async fn start() -> Self {
        let client = host().await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for name in ["one", "two"] {
            let target = TenantTarget::of(&fixture::workspace(name));
            let _ = namespaces.delete(&target.name, &DeleteParams::default()).await;
            while namespaces.get_opt(&target.name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        let settings = HostSettings {
            // Where control planes are run with another store than the one they are configured with.
            store: std::env::var("HEXABASE_TEST_STORE").unwrap_or_else(|_| HostSettings::default().store),
            ..HostSettings::default()
        };
        Self(VClusterProvisioner::new(client, Arc::new(ServiceConnector), settings))
    }
}

async fn make_namespace(client: Client, name: &str) {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..Default::default() };
    let namespace = Namespace { metadata, ..Default::default() };
    Api::all(client).create(&PostParams::default(), &namespace).await.unwrap();
}

#[async_trait]
impl ClusterHarness for OnHost {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        &self.0
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        make_namespace(host().await, &target.name).await;
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        let access = self.0.admin_access(target).await.unwrap();
        let kubeconfig = access.kubeconfig.expose_secret().to_owned().into();
        make_namespace(ServiceConnector.connect(target, &kubeconfig).await.unwrap(), namespace.as_str())
            .await;
    }
}

macro_rules! live {
    ($($case:ident),+ $(,)?) => {$(
        #[tokio::test]
        #[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
        async fn $case() {
            cluster_provisioner::$case(&OnHost::start().await).await;
        }
    )+};
}

live! {
    a_cluster_that_does_not_exist_is_absent,
    applying_brings_a_cluster_up_and_fills_it,
    applying_again_changes_nothing,
    a_plan_names_what_differs,
    what_is_no_longer_wanted_is_removed,
    a_foreign_namespace_is_refused_and_the_rest_applied,
    a_foreign_cluster_is_neither_adopted_nor_deleted,
    a_suspended_cluster_sleeps_until_it_is_resumed,
    applying_does_not_wake_a_sleeper,
    deleting_leaves_nothing,
    deleting_or_suspending_nothing_is_no_error,
    two_clusters_do_not_touch_each_other,
    two_that_apply_at_once_do_no_harm,
}
