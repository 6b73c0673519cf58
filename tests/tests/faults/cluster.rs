//! A host cluster that outlives the process, and of which every call can be cut.

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
use hexabase_k8s::{HostSettings, TenantConnector, VClusterProvisioner};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};
use tower::Service as _;

/// A sandbox that takes no time for anything.
pub(crate) fn start() -> Sandbox {
    Sandbox::start(SandboxOptions {
        startup: Duration::ZERO,
        termination: Duration::ZERO,
        ..SandboxOptions::default()
    })
}

/// The fleet of one host, of which every call goes through the plan.
pub(crate) fn fleet(sandbox: &Sandbox, plan: &FaultPlan) -> Fleet {
    let name = HostClusterName::parse("sandbox").unwrap();
    let host = HostCluster { sandbox: true, ..HostCluster::new(name) };
    let client = cut(plan, {
        let host = sandbox.host();
        move || Some(host.clone())
    });
    let connector = Arc::new(CutConnector { sandbox: sandbox.clone(), plan: plan.clone() });
    let provisioner = VClusterProvisioner::new(client, connector, HostSettings::default());
    Fleet::new().with(host, Arc::new(provisioner))
}

/// A client of whatever API server is there when a request is made.
fn cut(plan: &FaultPlan, api: impl Fn() -> Option<SandboxApi> + Send + Sync + Clone + 'static) -> Client {
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
struct CutConnector {
    sandbox: Sandbox,
    plan: FaultPlan,
}

#[async_trait]
impl TenantConnector for CutConnector {
    async fn connect(&self, target: &TenantTarget, _: &SecretString) -> Result<Client> {
        let (sandbox, name) = (self.sandbox.clone(), target.name.clone());
        Ok(cut(&self.plan, move || sandbox.tenant(&name)))
    }
}

async fn namespaces(client: Client) -> BTreeSet<String> {
    let all = Api::<Namespace>::all(client).list(&ListParams::default()).await.unwrap();
    let names = all.items.into_iter().filter_map(|namespace| namespace.metadata.name);
    names.filter(|name| name != "default" && !name.starts_with("kube-")).collect()
}

/// The namespaces on the host that somebody made.
pub(crate) async fn on_host(sandbox: &Sandbox) -> BTreeSet<String> {
    namespaces(sandbox.host_client()).await
}

/// How many control planes there are on the host.
pub(crate) async fn control_planes(sandbox: &Sandbox) -> usize {
    let all = Api::<StatefulSet>::all(sandbox.host_client()).list(&ListParams::default()).await;
    all.unwrap().items.len()
}

/// The namespaces in a tenant that somebody made; none while it does not run.
pub(crate) async fn in_tenant(sandbox: &Sandbox, name: &str) -> Option<BTreeSet<String>> {
    let tenant = Client::new(sandbox.tenant(name)?, "default");
    Some(namespaces(tenant).await)
}
