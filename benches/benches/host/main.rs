//! Tenant clusters on the API server that `HEXABASE_TEST_KUBECONFIG` names, compared with a loop that applies the same
//! objects. No vCluster has to run there, because only the creation of the objects is measured.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

mod orders;
mod unchanged;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::{Comparison, Target, host, median, report, row};
use hexabase_core::desired::TenantCluster;
use hexabase_core::fixture;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_k8s::render::host_objects;
use hexabase_k8s::{HostConfig, Kind, ServiceConnector, VClusterProvisioner};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};

/// Number of measurements of a first apply.
const FIRST_APPLIES: usize = 21;
/// Number of clusters that are created at once.
const BATCH_SIZE: usize = 200;
/// Number of clusters that are applied at the same time.
const APPLY_CONCURRENCY: usize = 16;
/// Number of times that all clusters are created.
const BATCHES: usize = 3;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let what = "tenant clusters on a real API server";
    let Some(client) = host::client("HEXABASE_TEST_KUBECONFIG", what).await else { return };
    let selected: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_selected = |name: &str| selected.is_empty() || selected.iter().any(|word| word == name);
    if is_selected("applying") {
        first_applies(&client).await;
        unchanged::measure(&client, &first_apply_batches(&client).await).await;
    }
    if is_selected("orders") {
        orders::concurrent_orders(&client).await;
        orders::steady_orders(&client).await;
    }
    delete_tenants(&client).await;
}

fn provisioner(client: Client) -> VClusterProvisioner {
    let host = HostConfig { requires_host_setup: false, ..HostConfig::default() };
    VClusterProvisioner::new(client, Arc::new(ServiceConnector::new(&host)), host)
}

/// Tenant that no earlier run has created.
fn tenant(name: &str) -> TenantCluster {
    fixture::tenant_cluster(&format!("{name}-{}", std::process::id()))
}

/// Applies the objects of a tenant, one after another.
async fn apply_directly(client: &Client, tenant: &TenantCluster) {
    for object in host_objects(tenant, &HostConfig::default()).unwrap() {
        let Kind { group, version, plural, .. } = object.kind;
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let namespace_path = match object.namespace.as_str() {
            "" => String::new(),
            namespace => format!("namespaces/{namespace}/"),
        };
        let path = format!(
            "{root}/{version}/{namespace_path}{plural}/{}?fieldManager=baseline&force=true",
            object.name
        );
        let request = http::Request::patch(path).header("content-type", "application/apply-patch+yaml");
        client.request_text(request.body(object.body.to_string().into_bytes()).unwrap()).await.unwrap();
    }
}

/// Measures the first apply of one tenant after another.
async fn first_applies(client: &Client) {
    let provisioner = provisioner(client.clone());
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for batch in 0..FIRST_APPLIES {
        let started = Instant::now();
        provisioner.apply(&tenant(&format!("ours-{batch}"))).await.unwrap();
        ours.push(started.elapsed());
        let started = Instant::now();
        apply_directly(client, &tenant(&format!("baseline-{batch}"))).await;
        floors.push(started.elapsed());
    }
    let comparison = Comparison { ours: median(ours), floor: median(floors) };
    let floor = "a loop that applies the same objects";
    report("first apply of a workspace to a real API server", floor, comparison, Target::TimesFloor(1.2));
}

/// Measures the first apply of many tenants at once, and returns the last of them.
async fn first_apply_batches(client: &Client) -> Vec<TenantCluster> {
    let provisioner = provisioner(client.clone());
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    let tenant_of = |batch: usize, number: usize| tenant(&format!("many-{batch}-{number}"));
    for batch in 0..BATCHES {
        let started = Instant::now();
        let apply = |number: usize| {
            let (provisioner, tenant) = (&provisioner, tenant_of(batch, number));
            async move { provisioner.apply(&tenant).await.map(drop).unwrap() }
        };
        iter(0..BATCH_SIZE).map(apply).buffer_unordered(APPLY_CONCURRENCY).collect::<()>().await;
        ours.push(started.elapsed());
        let started = Instant::now();
        let apply = |number: usize| async move {
            apply_directly(client, &tenant(&format!("many-baseline-{batch}-{number}"))).await;
        };
        iter(0..BATCH_SIZE).map(apply).buffer_unordered(APPLY_CONCURRENCY).collect::<()>().await;
        floors.push(started.elapsed());
    }
    let (ours, floor) = (median(ours), median(floors));
    let rate = |took: Duration| format!("{:.1}/s", BATCH_SIZE as f64 / took.as_secs_f64());
    let share = floor.as_secs_f64() / ours.as_secs_f64();
    let what = format!("first apply of {BATCH_SIZE} workspaces, {APPLY_CONCURRENCY} at a time");
    let floor = format!("{} (as many apply loops)", rate(floor));
    row(&what, &rate(ours), &floor, &format!("{share:.2}"), &"≥ 0.8 × floor", share >= 0.8);
    (0..BATCH_SIZE).map(|number| tenant_of(BATCHES - 1, number)).collect()
}

/// Deletes all tenants, without waiting for the end of the deletion.
async fn delete_tenants(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let managed = format!("{}=true", HostConfig::default().labels.managed());
    let ours = namespaces.list(&ListParams::default().labels(&managed)).await.unwrap();
    for namespace in ours.items.into_iter().filter_map(|namespace| namespace.metadata.name) {
        namespaces.delete(&namespace, &DeleteParams::background()).await.unwrap();
    }
}
