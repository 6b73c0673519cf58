//! The vCluster provisioner on the sandbox: the conformance suite of `ClusterProvisioner`, and cases of its own.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod faults;
mod gitops;
mod host_capacity;
mod host_network;
mod host_setup;
mod host_watch;
mod isolation;
mod load_balancer;
mod nodes;
mod one_pass;
mod policy_reports;
mod reconciler;
mod replicas;
mod required_host_setup;
mod rollout;
mod scraping;
mod untrusted_tenants;

use std::sync::Arc;

use async_trait::async_trait;
use hexabase_core::conformance::cluster_provisioner::ClusterHarness;
use hexabase_core::desired::TenantTarget;
use hexabase_core::name::ProjectName;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use kube::Client;
use tokio::task::JoinSet;

use host_capacity::{create_namespace, exhaust_quota};

#[derive(Debug)]
struct SandboxHarness {
    sandbox: Sandbox,
    provisioner: Arc<VClusterProvisioner>,
    watch: JoinSet<()>,
}

impl SandboxHarness {
    async fn start() -> Self {
        let sandbox = Sandbox::start(Default::default());
        let config = gitops::with_gitops_namespaces(&sandbox, HostConfig::default()).await;
        let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
        Self::new(sandbox, provisioner)
    }

    fn new(sandbox: Sandbox, provisioner: VClusterProvisioner) -> Self {
        Self { sandbox, provisioner: Arc::new(provisioner), watch: JoinSet::new() }
    }

    /// Same harness with a running host watch.
    fn with_host_watch(mut self) -> Self {
        let provisioner = self.provisioner.clone();
        self.watch.spawn(async move { provisioner.watch(&|_| ()).await });
        self
    }
}

#[async_trait]
impl ClusterHarness for SandboxHarness {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        &*self.provisioner
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        create_namespace(self.sandbox.host_client(), &target.name).await;
    }

    async fn exhaust_quota(&self, target: &TenantTarget) {
        exhaust_quota(self.sandbox.host_client(), target).await;
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        let tenant = self.sandbox.tenant(&target.name).unwrap();
        create_namespace(Client::new(tenant, "default"), namespace.as_str()).await;
    }
}

mod in_the_sandbox_with_a_host_watch {
    use super::SandboxHarness;

    hexabase_core::cluster_provisioner_conformance!(async {
        (SandboxHarness::start().await.with_host_watch(), ())
    });
}

mod in_the_sandbox {
    use super::SandboxHarness;

    hexabase_core::cluster_provisioner_conformance!(async { (SandboxHarness::start().await, ()) });
}
