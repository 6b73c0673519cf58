//! Tenants that do not change.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::row;
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::Result;
use hexabase_core::provisioner::ClusterProvisioner as _;
use hexabase_core::secret::SecretString;
use hexabase_k8s::render::tenant_objects;
use hexabase_k8s::{HostConfig, TenantConnector, VClusterProvisioner};
use http::Response;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use serde_json::json;

use crate::APPLY_CONCURRENCY;

/// Tenant API servers in which everything is as desired.
#[derive(Debug)]
struct DesiredTenants(HashMap<String, TenantCluster>);

#[async_trait]
impl TenantConnector for DesiredTenants {
    async fn connect(&self, target: &TenantTarget, _: &SecretString) -> Result<Client> {
        let tenant = self.0[&target.name].clone();
        let response = move |request: http::Request<Body>| {
            let response = list_response(&tenant, request.uri().path());
            async move { Ok::<_, std::convert::Infallible>(Response::new(Body::from(response.into_bytes()))) }
        };
        Ok(Client::new(tower::service_fn(response), "default"))
    }
}

fn list_response(tenant: &TenantCluster, path: &str) -> String {
    let plural = path.rsplit('/').next().unwrap_or_default();
    let objects = tenant_objects(tenant, &HostConfig::default())
        .into_iter()
        .filter(|object| object.kind.plural == plural);
    json!({ "metadata": {}, "items": objects.map(|object| object.body).collect::<Vec<_>>() }).to_string()
}

/// Simulates the start of a control plane, as far as the host observes it.
async fn simulate_start(client: &Client, name: &str) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    let pod = format!("{name}-0");
    while pods.get_opt(&pod).await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ready =
        json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
    pods.patch_status(&pod, &PatchParams::default(), &Patch::Strategic(ready)).await.unwrap();
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": format!("vc-{name}") },
        "stringData": { "config": "{}", "certificate-authority": "a".repeat(1_200) },
    }))
    .unwrap();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), name);
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), name);
    let is_ready = |set: StatefulSet| set.status.and_then(|status| status.ready_replicas) == Some(1);
    while !is_ready(sets.get(name).await.unwrap()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Measures the cost of unchanged tenants: requests per reconcile of these tenants, and memory per tenant on the host.
pub(crate) async fn measure(client: &Client, tenants: &[TenantCluster]) {
    let names = tenants.iter().map(|tenant| simulate_start(client, &tenant.target.name));
    iter(names).buffer_unordered(APPLY_CONCURRENCY).collect::<()>().await;

    let namespaces: Api<Namespace> = Api::all(client.clone());
    let all = namespaces
        .list(&ListParams::default().labels(HostConfig::default().labels.workspace()))
        .await
        .unwrap()
        .items
        .len();
    let requests = Arc::new(AtomicUsize::new(0));
    let counting = {
        let (requests, client) = (requests.clone(), client.clone());
        tower::service_fn(move |request: http::Request<Body>| {
            requests.fetch_add(1, Ordering::Relaxed);
            let client = client.clone();
            async move { client.send(request).await }
        })
    };
    let desired = tenants.iter().map(|tenant| (tenant.target.name.clone(), tenant.clone()));
    let connector = Arc::new(DesiredTenants(desired.collect()));
    let (admin, client) = (client, Client::new(counting, "default"));
    let before = resident_memory();
    let config = HostConfig { requires_host_setup: false, ..HostConfig::default() };
    let provisioner = Arc::new(VClusterProvisioner::new(client, connector, config));
    let watch_task = tokio::spawn({
        let provisioner = provisioner.clone();
        async move { provisioner.watch(&|_| ()).await }
    });
    iter(tenants.iter().map(|tenant| reconcile_until_unchanged(&provisioner, tenant)))
        .buffer_unordered(APPLY_CONCURRENCY)
        .collect::<()>()
        .await;
    let each = (resident_memory() - before) / all;

    requests.store(0, Ordering::Relaxed);
    for tenant in tenants {
        assert!(provisioner.unchanged(tenant).await.unwrap().is_some(), "the tenant has changed");
    }
    let unchanged_requests = requests.load(Ordering::Relaxed).div_ceil(tenants.len());
    let repair_requests = repair_one_object(admin, &provisioner, &tenants[0], &requests).await;
    watch_task.abort();
    let requests = unchanged_requests;
    let what = "requests per reconcile of an unchanged workspace on a real API server";
    row(what, &requests, "1", &format!("{requests}.00"), &"≤ 1", requests <= 1);
    let what = "requests to the host of a reconcile that repairs one drifted object";
    let (floor, bound) = ("1 (the repair alone)", 19);
    let is_met = repair_requests <= bound;
    row(what, &repair_requests, floor, &format!("{repair_requests}.00"), &format!("≤ {bound}"), is_met);
    let (each, bound) = (each as f64 / 1024.0, 64.0);
    let what = format!("memory of a worker per workspace, with {all} workspaces on a host");
    let ours = format!("{each:.1} KiB");
    row(&what, &ours, "64 KiB", &format!("{:.2}", each / bound), &"≤ 64 KiB", each <= bound);
}

/// Changes a NetworkPolicy of a tenant by hand, and returns the number of requests to the host of the reconcile that
/// repairs it.
async fn repair_one_object(
    admin: &Client,
    provisioner: &VClusterProvisioner,
    tenant: &TenantCluster,
    requests: &AtomicUsize,
) -> usize {
    let policies: Api<NetworkPolicy> = Api::namespaced(admin.clone(), &tenant.target.name);
    let allow_all = json!({ "spec": { "egress": [{}] } });
    let name = format!("vc-cp-{}", tenant.target.name);
    policies.patch(&name, &PatchParams::default(), &Patch::Merge(allow_all)).await.unwrap();
    while provisioner.unchanged(tenant).await.unwrap().is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    requests.store(0, Ordering::Relaxed);
    assert!(provisioner.unchanged(tenant).await.unwrap().is_none(), "the change is not detected");
    let converged = provisioner.converge(tenant).await.unwrap();
    assert!(converged.applied.unwrap().is_some_and(|applied| applied.tenant), "nothing is applied");
    assert_eq!(converged.drift.unwrap().len(), 1);
    requests.load(Ordering::Relaxed)
}

/// Compares a tenant until it is known to be as desired.
async fn reconcile_until_unchanged(provisioner: &VClusterProvisioner, tenant: &TenantCluster) {
    while provisioner.unchanged(tenant).await.unwrap().is_none() {
        let converged = provisioner.converge(tenant).await.unwrap();
        assert_eq!(converged.drift, Some(Vec::new()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Resident memory of this process, in bytes.
fn resident_memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}
