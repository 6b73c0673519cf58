//! From an order to a kubeconfig of a real vCluster, next to a vCluster that was applied by hand. On a host that
//! `HEXABASE_TEST_VCLUSTERS` names and that runs pods.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_benches::shop::Shop;
use hexabase_benches::{Pair, Target, host, median, report};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::id::TypedId as _;
use hexabase_core::lifecycle::Pace;
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_k8s::{HostSettings, ServiceConnector, VClusterProvisioner};

/// How often either is started, one at a time.
const ROUNDS: usize = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let Some(client) = host::client("HEXABASE_TEST_VCLUSTERS", "the start of vClusters").await else {
        return;
    };
    let settings = HostSettings {
        // Where control planes are run with another store than the one they are configured with.
        store: std::env::var("HEXABASE_TEST_STORE").ok(),
        ..HostSettings::default()
    };
    let provisioner: Arc<dyn ClusterProvisioner> =
        Arc::new(VClusterProvisioner::new(client, Arc::new(ServiceConnector::new(&settings)), settings));
    let shop = Shop::open(provisioner.clone(), Pace::default(), 32).await;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        floors.push(by_hand(&*provisioner, round).await);
        let (id, took) = shop.buy(&format!("ours-{round}")).await;
        ours.push(took);
        shop.give_back(id).await;
        let name = id.kubernetes_name();
        let target = TenantTarget { name, workspace_id: id, ..fixture::tenant_cluster("any").target };
        gone(&*provisioner, &target).await;
    }
    let pair = Pair { ours: median(ours), floor: median(floors) };
    let floor = "a vCluster that is applied and asked every 20 ms whether it answers";
    let target = Target::FloorAnd(Duration::from_secs(1));
    report("order → ready, kubeconfig and all, with a real vCluster", floor, pair, target);
}

/// Applies what a tenant is on its host, and waits until its API server answers.
async fn by_hand(provisioner: &dyn ClusterProvisioner, round: usize) -> Duration {
    let tenant = fixture::tenant_cluster(&format!("by-hand-{}-{round}", std::process::id()));
    let begun = Instant::now();
    provisioner.apply(&tenant).await.unwrap();
    while provisioner.observe(&tenant.target).await.unwrap().control_plane != ControlPlaneState::Ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    provisioner.delete(&tenant.target).await.unwrap();
    gone(provisioner, &tenant.target).await;
    took
}

/// Waits until nothing is left of a tenant, so that its end is in nobody's way.
async fn gone(provisioner: &dyn ClusterProvisioner, target: &TenantTarget) {
    while provisioner.observe(target).await.unwrap().control_plane != ControlPlaneState::Absent {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
