//! Creation of workspaces in the sandbox, from the order to the ready cluster.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_benches::bench_platform::{BenchPlatform, URL};
use hexabase_benches::{Comparison, Target, median, report};
use hexabase_core::desired::{self, Issuer};
use hexabase_core::fixture;
use hexabase_core::lifecycle::ReconcileIntervals;
use hexabase_core::model::{Plan, WorkspaceState};
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, VClusterProvisioner};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    one_after_another().await;
    thousand_workspaces().await;
}

fn provisioner(sandbox: &Sandbox) -> Arc<dyn ClusterProvisioner> {
    let config = HostConfig { endpoint: sandbox.endpoint(), ..HostConfig::default() };
    Arc::new(VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config))
}

/// Creates the same cluster without a platform: applies it, and polls it every millisecond until it is ready and
/// complete.
async fn create_directly(sandbox: &Sandbox, plan: &Plan, number: usize) -> Duration {
    let provisioner = provisioner(sandbox);
    let workspace = fixture::workspace(&format!("direct-{number}"));
    let state = WorkspaceState {
        workspace,
        groups: Vec::new(),
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: URL.to_owned(), certificate_authority: None };
    let cluster = desired::tenant_cluster(&state, plan, &issuer);
    let started = Instant::now();
    provisioner.apply(&cluster).await.unwrap();
    while provisioner.observe(&cluster.target).await.unwrap().control_plane != ControlPlaneState::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while !provisioner.apply(&cluster).await.unwrap().tenant {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    started.elapsed()
}

/// Measures one workspace after another in a default sandbox, whose control planes take 50 ms to start.
async fn one_after_another() {
    let sandbox = Sandbox::start(SandboxOptions::default());
    let platform = BenchPlatform::new(provisioner(&sandbox), ReconcileIntervals::default(), 8).await;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for number in 0..31 {
        ours.push(platform.order_and_wait(&format!("shop-{number}")).await.1);
        floors.push(create_directly(&sandbox, &platform.plan, number).await);
    }
    let comparison = Comparison { ours: median(ours), floor: median(floors) };
    let target = Target::AtMost(Duration::from_millis(500));
    report("workspace creation to `ready` in the sandbox", "provisioner only", comparison, target);
}

/// Measures 1,000 workspaces in a sandbox without delays, so that only the time of Hexabase counts.
async fn thousand_workspaces() {
    let options = SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options);
    let intervals =
        ReconcileIntervals { shortest_poll: Duration::from_millis(1), ..ReconcileIntervals::default() };
    let platform = BenchPlatform::new(provisioner(&sandbox), intervals, 8).await;
    let mut took = Vec::with_capacity(1_000);
    for number in 0..1_000 {
        took.push(platform.order_and_wait(&format!("shop-{number}")).await.1);
    }
    let mean = |some: &[Duration]| some.iter().sum::<Duration>() / 100;
    let comparison = Comparison { ours: mean(&took[900..]), floor: mean(&took[..100]) };
    report(
        "the last 100 of 1,000 workspaces, per workspace",
        "the first 100",
        comparison,
        Target::TimesFloor(1.2),
    );
}
