//! The vCluster provisioner in the sandbox, against the suite that every provisioner must pass.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod balancer;
mod faults;
mod host_setup;
mod hostile;
mod nodes;
mod occupy;
mod replicas;
mod rollout;
mod watching;

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::conformance::cluster_provisioner::ClusterHarness;
use hexabase_core::desired::TenantTarget;
use hexabase_core::name::ProjectName;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use kube::Client;
use tokio::task::JoinSet;

use occupy::{leave_no_room, make_namespace};

#[derive(Debug)]
struct InSandbox {
    sandbox: Sandbox,
    provisioner: Arc<VClusterProvisioner>,
    watching: JoinSet<()>,
}

impl InSandbox {
    async fn start() -> Self {
        let sandbox = Sandbox::start(Default::default());
        let provisioner =
            VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), HostSettings::default());
        Self::new(sandbox, provisioner)
    }

    fn new(sandbox: Sandbox, provisioner: VClusterProvisioner) -> Self {
        Self { sandbox, provisioner: Arc::new(provisioner), watching: JoinSet::new() }
    }

    /// The same with somebody who watches the host.
    fn watched(mut self) -> Self {
        let provisioner = self.provisioner.clone();
        self.watching.spawn(async move { provisioner.watch(&|_| ()).await });
        self
    }
}

#[async_trait]
impl ClusterHarness for InSandbox {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        &*self.provisioner
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        make_namespace(self.sandbox.host_client(), &target.name).await;
    }

    async fn leave_no_room(&self, target: &TenantTarget) {
        leave_no_room(self.sandbox.host_client(), target).await;
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        let tenant = self.sandbox.tenant(&target.name).unwrap();
        make_namespace(Client::new(tenant, "default"), namespace.as_str()).await;
    }
}

mod in_the_sandbox_while_it_is_watched {
    use super::InSandbox;

    hexabase_core::cluster_provisioner_conformance!(async { (InSandbox::start().await.watched(), ()) });
}

mod in_the_sandbox {
    use super::InSandbox;

    hexabase_core::cluster_provisioner_conformance!(async { (InSandbox::start().await, ()) });
}
