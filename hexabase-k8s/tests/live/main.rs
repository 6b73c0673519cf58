//! Real host clusters with real vClusters: the provisioner against the suite that every provisioner must pass, by a Hexabase
//! with no more rights than it asks for, and what the host refuses. Run it with `HEXABASE_TEST_KUBECONFIG`,
//! `--run-ignored only` and one test at a time: the cases use the same two clusters.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod exposure;
mod guards;
mod host;
mod lost;
mod nodes;
#[path = "../provisioner/occupy.rs"]
mod occupy;
mod overrides;
mod people;
mod published;
mod quiet;
mod replicas;
mod steps;
mod upgrade;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::conformance::cluster_provisioner::ClusterHarness;
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::name::ProjectName;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_core::secret::ExposeSecret as _;
use hexabase_k8s::{HostIdentity, HostSettings, ServiceConnector, TenantConnector as _, VClusterProvisioner};
use host::{admin, as_hexabase};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::DeleteParams;
use occupy::{leave_no_room, make_namespace};
use tokio::sync::Notify;
use tokio::task::JoinSet;

#[derive(Debug)]
struct OnHost {
    provisioner: Arc<VClusterProvisioner>,
    /// Word of a tenant that got further, where that was announced.
    moved: Arc<Notify>,
    /// Whoever watches the host, as a worker does.
    _watching: JoinSet<()>,
}

impl OnHost {
    /// A provisioner on a host on which none of the suite's clusters is left.
    async fn start() -> Self {
        Self::with(HostSettings::default()).await
    }

    /// The same on a host with settings of its own.
    async fn with(settings: HostSettings) -> Self {
        let namespaces: Api<Namespace> = Api::all(admin().await);
        for name in ["one", "two"] {
            let target = TenantTarget::of(&fixture::workspace(name));
            let _ = namespaces.delete(&target.name, &DeleteParams::default()).await;
            while namespaces.get_opt(&target.name).await.unwrap().is_some() {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        Self::keeping(settings).await
    }

    /// A provisioner on a host that is left as it is.
    async fn keeping(settings: HostSettings) -> Self {
        let settings = HostSettings {
            // Where control planes are run with another store than the one they are configured with.
            store: std::env::var("HEXABASE_TEST_STORE").ok(),
            identity: Some(HostIdentity::default()),
            ..settings
        };
        let client = as_hexabase().await;
        let provisioner =
            Arc::new(VClusterProvisioner::new(client, Arc::new(ServiceConnector::new(&settings)), settings));
        let (mut watching, moved) = (JoinSet::new(), Arc::new(Notify::new()));
        let (watcher, tell) = (provisioner.clone(), moved.clone());
        watching.spawn(async move { watcher.watch(&|_| tell.notify_one()).await });
        Self { provisioner, moved, _watching: watching }
    }
}

#[async_trait]
impl ClusterHarness for OnHost {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        &*self.provisioner
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        make_namespace(admin().await, &target.name).await;
    }

    async fn leave_no_room(&self, target: &TenantTarget) {
        leave_no_room(admin().await, target).await;
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        let access = self.provisioner.admin_access(target).await.unwrap();
        let kubeconfig = access.kubeconfig.expose_secret().to_owned().into();
        make_namespace(
            ServiceConnector::new(&HostSettings::default()).connect(target, &kubeconfig).await.unwrap(),
            namespace.as_str(),
        )
        .await;
    }
}

mod on_a_real_cluster {
    use super::OnHost;

    hexabase_core::cluster_provisioner_conformance!(
        async { (OnHost::start().await, ()) },
        #[ignore = "needs a cluster: HEXABASE_TEST_KUBECONFIG"]
    );
}
