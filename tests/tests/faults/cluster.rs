//! Host cluster in a sandbox that outlives the process, with a fault point in every call.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::faults::FaultPlan;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::Fleet;
use hexabase_core::secret::SecretString;
use hexabase_k8s::sandbox::{Sandbox, SandboxApi, SandboxOptions};
use hexabase_k8s::{HostConfig, TenantConnector, VClusterProvisioner};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};
use tower::Service as _;

/// Starts a sandbox without delays.
pub(crate) fn start() -> Sandbox {
    Sandbox::start(SandboxOptions {
        startup: Duration::ZERO,
        termination: Duration::ZERO,
        ..SandboxOptions::default()
    })
}

/// Fleet with this host. All calls pass through the fault plan.
pub(crate) fn fleet(sandbox: &Sandbox, plan: &FaultPlan) -> Fleet {
    let name = HostClusterName::parse("sandbox").unwrap();
    let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
    let client = faulty_client(plan, {
        let host = sandbox.host();
        move || Some(host.clone())
    });
    let connector = Arc::new(FaultyConnector { sandbox: sandbox.clone(), plan: plan.clone() });
    let provisioner = VClusterProvisioner::new(client, connector, HostConfig::default());
    Fleet::new().with(host, Arc::new(provisioner))
}

/// Client whose requests pass through the fault plan to the API server that `api` returns at that moment.
fn faulty_client(
    plan: &FaultPlan,
    api: impl Fn() -> Option<SandboxApi> + Send + Sync + Clone + 'static,
) -> Client {
    let plan = plan.clone();
    let service = tower::service_fn(move |request| {
        let (plan, api) = (plan.clone(), api());
        async move {
            plan.pass(async {
                let mut api = api.ok_or_else(|| Error::unavailable("connection refused"))?;
                api.call(request).await.map_err(|never| match never {})
            })
            .await
        }
    });
    Client::new(service, "default")
}

#[derive(Debug)]
struct FaultyConnector {
    sandbox: Sandbox,
    plan: FaultPlan,
}

#[async_trait]
impl TenantConnector for FaultyConnector {
    async fn connect(&self, target: &TenantTarget, _: &SecretString) -> Result<Client> {
        let (sandbox, name) = (self.sandbox.clone(), target.name.clone());
        Ok(faulty_client(&self.plan, move || sandbox.tenant(&name)))
    }
}

async fn namespaces(client: Client) -> BTreeSet<String> {
    let all = Api::<Namespace>::all(client).list(&ListParams::default()).await.unwrap();
    let names = all.items.into_iter().filter_map(|namespace| namespace.metadata.name);
    names.filter(|name| name != "default" && !name.starts_with("kube-")).collect()
}

/// Namespaces on the host, without those of Kubernetes itself.
pub(crate) async fn host_namespaces(sandbox: &Sandbox) -> BTreeSet<String> {
    namespaces(sandbox.host_client()).await
}

/// Number of control planes on the host.
pub(crate) async fn control_planes(sandbox: &Sandbox) -> usize {
    let all = Api::<StatefulSet>::all(sandbox.host_client()).list(&ListParams::default()).await;
    all.unwrap().items.len()
}

/// Namespaces in a tenant cluster, without those of Kubernetes itself; `None` while it is not running.
pub(crate) async fn tenant_namespaces(sandbox: &Sandbox, name: &str) -> Option<BTreeSet<String>> {
    let tenant = Client::new(sandbox.tenant(name)?, "default");
    Some(namespaces(tenant).await)
}
