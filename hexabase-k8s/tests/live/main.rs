//! Tests on real host clusters with real vClusters: the conformance suite of `ClusterProvisioner` with only the
//! permissions that Hexabase requires, and requests that the host rejects. They need `HEXABASE_TEST_KUBECONFIG` and
//! `--run-ignored only`, and run one at a time, because they share two clusters.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod admission_policies;
mod change_notifications;
mod exposure;
mod host;
#[path = "../provisioner/host_capacity.rs"]
mod host_capacity;
mod idle_cost;
mod isolation;
mod kubeconfig_loss;
mod nodes;
mod overrides;
mod published_services;
mod replicas;
mod upgrade;
mod user_access;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::conformance::cluster_provisioner::ClusterHarness;
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::name::ProjectName;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_core::secret::ExposeSecret as _;
use hexabase_k8s::{HostConfig, HostIdentity, ServiceConnector, TenantConnector as _, VClusterProvisioner};
use host::{admin, hexabase_client};
use host_capacity::{create_namespace, exhaust_quota};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use tokio::sync::Notify;
use tokio::task::JoinSet;

#[derive(Debug)]
struct HostHarness {
    provisioner: Arc<VClusterProvisioner>,
    /// Permit for each change that the host watch reports.
    on_change: Arc<Notify>,
    /// Running host watch, as in a worker.
    _watch: JoinSet<()>,
}

impl HostHarness {
    /// Provisioner on a host without clusters of earlier tests.
    async fn start() -> Self {
        Self::with_config(HostConfig::default()).await
    }

    /// Provisioner with this configuration, on a host without clusters of earlier tests.
    async fn with_config(config: HostConfig) -> Self {
        let namespaces: Api<Namespace> = Api::all(admin().await);
        for name in ["one", "two"] {
            let target = TenantTarget::of(&fixture::workspace(name));
            let _ = namespaces.delete(&target.name, &DeleteParams::default()).await;
            while namespaces.get_opt(&target.name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Self::without_cleanup(config).await
    }

    /// Provisioner with this configuration, on a host that keeps its clusters.
    async fn without_cleanup(config: HostConfig) -> Self {
        let config = HostConfig {
            // For runs whose control planes use another store than their configuration says.
            store: std::env::var("HEXABASE_TEST_STORE").ok(),
            identity: Some(HostIdentity::default()),
            ..config
        };
        let client = hexabase_client().await;
        let provisioner =
            Arc::new(VClusterProvisioner::new(client, Arc::new(ServiceConnector::new(&config)), config));
        let (mut watch, on_change) = (JoinSet::new(), Arc::new(Notify::new()));
        let (watcher, notify) = (provisioner.clone(), on_change.clone());
        watch.spawn(async move { watcher.watch(&move |_| notify.notify_one()).await });
        Self { provisioner, on_change, _watch: watch }
    }
}

#[async_trait]
impl ClusterHarness for HostHarness {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        &*self.provisioner
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        create_namespace(admin().await, &target.name).await;
    }

    async fn exhaust_quota(&self, target: &TenantTarget) {
        exhaust_quota(admin().await, target).await;
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        let access = self.provisioner.admin_access(target).await.unwrap();
        let kubeconfig = access.kubeconfig.expose_secret().to_owned().into();
        create_namespace(
            ServiceConnector::new(&HostConfig::default()).connect(target, &kubeconfig).await.unwrap(),
            namespace.as_str(),
        )
        .await;
    }
}

mod on_a_real_cluster {
    use super::HostHarness;

    hexabase_core::cluster_provisioner_conformance!(
        async { (HostHarness::start().await, ()) },
        #[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
    );
}
