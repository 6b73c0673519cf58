//! From an order to the kubeconfig of a real vCluster, compared with a vCluster that is applied without a platform.
//! Runs on the host cluster that `HEXABASE_TEST_VCLUSTERS` names, which must run pods.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_benches::bench_platform::BenchPlatform;
use hexabase_benches::{Comparison, Target, host, median, report};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture;
use hexabase_core::id::TypedId as _;
use hexabase_core::lifecycle::ReconcileIntervals;
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_k8s::{HostConfig, ServiceConnector, VClusterProvisioner};

/// Number of starts of each kind, one at a time.
const STARTS: usize = 5;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let Some(client) = host::client("HEXABASE_TEST_VCLUSTERS", "the start of vClusters").await else {
        return;
    };
    let config = HostConfig {
        // Required where control planes run with another store than the configured one.
        store: std::env::var("HEXABASE_TEST_STORE").ok(),
        requires_host_setup: false,
        ..HostConfig::default()
    };
    let provisioner: Arc<dyn ClusterProvisioner> =
        Arc::new(VClusterProvisioner::new(client, Arc::new(ServiceConnector::new(&config)), config));
    let platform = BenchPlatform::new(provisioner.clone(), ReconcileIntervals::default(), 32).await;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        floors.push(start_directly(&*provisioner, number).await);
        let (id, took) = platform.order_and_wait(&format!("ours-{number}")).await;
        ours.push(took);
        platform.delete_workspace(id).await;
        let name = id.kubernetes_name();
        let target = TenantTarget { name, workspace_id: id, ..fixture::tenant_cluster("any").target };
        wait_until_deleted(&*provisioner, &target).await;
    }
    let comparison = Comparison { ours: median(ours), floor: median(floors) };
    let floor = "a vCluster that is applied and polled every 20 ms";
    let target = Target::FloorPlus(Duration::from_secs(1));
    report("order to `ready` including the kubeconfig, with a real vCluster", floor, comparison, target);
}

/// Applies the objects of a tenant to its host, and waits until its API server responds.
async fn start_directly(provisioner: &dyn ClusterProvisioner, number: usize) -> Duration {
    let tenant = fixture::tenant_cluster(&format!("direct-{}-{number}", std::process::id()));
    let started = Instant::now();
    provisioner.apply(&tenant).await.unwrap();
    while provisioner.observe(&tenant.target).await.unwrap().control_plane != ControlPlaneState::Ready {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = started.elapsed();
    provisioner.delete(&tenant.target).await.unwrap();
    wait_until_deleted(provisioner, &tenant.target).await;
    took
}

/// Waits until nothing of a tenant remains, so that its deletion does not disturb the next measurement.
async fn wait_until_deleted(provisioner: &dyn ClusterProvisioner, target: &TenantTarget) {
    while provisioner.observe(target).await.unwrap().control_plane != ControlPlaneState::Absent {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
