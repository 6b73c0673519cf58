//! Tenant clusters on the API server that `HEXABASE_TEST_KUBECONFIG` names, next to a bare loop that applies the same
//! objects. No vCluster has to run there: what is measured is how they get there.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

mod orders;
mod rest;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::{Pair, Target, host, median, report, row};
use hexabase_core::desired::TenantCluster;
use hexabase_core::fixture;
use hexabase_core::provisioner::ClusterProvisioner;
use hexabase_k8s::render::host_objects;
use hexabase_k8s::{HostSettings, Kind, ServiceConnector, VClusterProvisioner};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client};

/// How often a first apply is measured.
const ROUNDS: usize = 21;
/// How many clusters come at once, and how many are worked on at a time.
const MANY: usize = 200;
const AT_A_TIME: usize = 16;
/// How often they come.
const TIMES: usize = 3;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let what = "tenant clusters on a real API server";
    let Some(client) = host::client("HEXABASE_TEST_KUBECONFIG", what).await else { return };
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if is_wanted("applying") {
        one_after_another(&client).await;
        rest::cost(&client, &many(&client).await).await;
    }
    if is_wanted("orders") {
        orders::at_once(&client).await;
        orders::one_by_one(&client).await;
    }
    clear(&client).await;
}

fn provisioner(client: Client) -> VClusterProvisioner {
    let host = HostSettings::default();
    VClusterProvisioner::new(client, Arc::new(ServiceConnector::new(&host)), host)
}

/// A tenant that no earlier run has made.
fn tenant(name: &str) -> TenantCluster {
    fixture::tenant_cluster(&format!("{name}-{}", std::process::id()))
}

/// Applies the objects of a tenant, one after the other.
async fn bare(client: &Client, tenant: &TenantCluster) {
    for object in host_objects(tenant, &HostSettings::default()).unwrap() {
        let Kind { group, version, plural, .. } = object.kind;
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let place = match object.namespace.as_str() {
            "" => String::new(),
            namespace => format!("namespaces/{namespace}/"),
        };
        let path = format!("{root}/{version}/{place}{plural}/{}?fieldManager=bare&force=true", object.name);
        let request = http::Request::patch(path).header("content-type", "application/apply-patch+yaml");
        client.request_text(request.body(object.body.to_string().into_bytes()).unwrap()).await.unwrap();
    }
}

/// The first apply of one tenant after the other.
async fn one_after_another(client: &Client) {
    let provisioner = provisioner(client.clone());
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let begun = Instant::now();
        provisioner.apply(&tenant(&format!("ours-{round}"))).await.unwrap();
        ours.push(begun.elapsed());
        let begun = Instant::now();
        bare(client, &tenant(&format!("bare-{round}"))).await;
        floors.push(begun.elapsed());
    }
    let pair = Pair { ours: median(ours), floor: median(floors) };
    let floor = "a bare loop that applies the same objects";
    report("first apply of a workspace to a real API server", floor, pair, Target::TimesFloor(1.2));
}

/// Many at once; answers the last of them.
async fn many(client: &Client) -> Vec<TenantCluster> {
    let provisioner = provisioner(client.clone());
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    let one = |round: usize, number: usize| tenant(&format!("many-{round}-{number}"));
    for round in 0..TIMES {
        let begun = Instant::now();
        let apply = |number: usize| {
            let (provisioner, tenant) = (&provisioner, one(round, number));
            async move { provisioner.apply(&tenant).await.map(drop).unwrap() }
        };
        iter(0..MANY).map(apply).buffer_unordered(AT_A_TIME).collect::<()>().await;
        ours.push(begun.elapsed());
        let begun = Instant::now();
        let apply = |number: usize| async move {
            bare(client, &tenant(&format!("many-bare-{round}-{number}"))).await;
        };
        iter(0..MANY).map(apply).buffer_unordered(AT_A_TIME).collect::<()>().await;
        floors.push(begun.elapsed());
    }
    let (ours, floor) = (median(ours), median(floors));
    let rate = |took: Duration| format!("{:.1}/s", MANY as f64 / took.as_secs_f64());
    let share = floor.as_secs_f64() / ours.as_secs_f64();
    let what = format!("first apply of {MANY} workspaces, {AT_A_TIME} at a time");
    let floor = format!("{} (as many bare loops)", rate(floor));
    row(&what, &rate(ours), &floor, &format!("{share:.2}"), &"≥ 0.8 × floor", share >= 0.8);
    (0..MANY).map(|number| one(TIMES - 1, number)).collect()
}

/// Removes what was made. The host takes its time for it, which nobody waits for.
async fn clear(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = namespaces.list(&ListParams::default().labels("hexabase.ai/managed=true")).await.unwrap();
    for namespace in ours.items.into_iter().filter_map(|namespace| namespace.metadata.name) {
        namespaces.delete(&namespace, &DeleteParams::background()).await.unwrap();
    }
}
