//! From an order to a cluster, in the sandbox.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use hexabase_benches::shop::{Shop, URL};
use hexabase_benches::{Pair, Target, median, report};
use hexabase_core::desired::{self, Issuer};
use hexabase_core::fixture;
use hexabase_core::lifecycle::Pace;
use hexabase_core::model::{Plan, WorkspaceState};
use hexabase_core::provisioner::{ClusterProvisioner, ControlPlaneState};
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostSettings, VClusterProvisioner};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    one_after_another().await;
    a_thousand().await;
}

fn provisioner(sandbox: &Sandbox) -> Arc<dyn ClusterProvisioner> {
    let settings = HostSettings { endpoint: sandbox.endpoint(), ..HostSettings::default() };
    Arc::new(VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), settings))
}

/// The same cluster without a platform: applied, and looked at every millisecond until it is up and done.
async fn bare(sandbox: &Sandbox, plan: &Plan, number: usize) -> Duration {
    let provisioner = provisioner(sandbox);
    let workspace = fixture::workspace(&format!("bare-{number}"));
    let state = WorkspaceState {
        workspace,
        groups: Vec::new(),
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: URL.to_owned(), certificate_authority: None };
    let cluster = desired::workspace(&state, plan, &issuer);
    let begun = Instant::now();
    provisioner.apply(&cluster).await.unwrap();
    while provisioner.observe(&cluster.target).await.unwrap().control_plane != ControlPlaneState::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while !provisioner.apply(&cluster).await.unwrap().tenant {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begun.elapsed()
}

/// With the sandbox as it is: a control plane takes 50 ms to come up.
async fn one_after_another() {
    let sandbox = Sandbox::start(SandboxOptions::default());
    let shop = Shop::open(provisioner(&sandbox), Pace::default(), 8).await;
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    for number in 0..31 {
        ours.push(shop.buy(&format!("shop-{number}")).await.1);
        floors.push(bare(&sandbox, &shop.plan, number).await);
    }
    let pair = Pair { ours: median(ours), floor: median(floors) };
    let target = Target::AtMost(Duration::from_millis(500));
    report("create → Ready in the sandbox", "the provisioner alone", pair, target);
}

/// With a sandbox that takes no time, so that only what we do counts.
async fn a_thousand() {
    let options = SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() };
    let sandbox = Sandbox::start(options);
    let pace = Pace { shortest_poll: Duration::from_millis(1), ..Pace::default() };
    let shop = Shop::open(provisioner(&sandbox), pace, 8).await;
    let mut took = Vec::with_capacity(1_000);
    for number in 0..1_000 {
        took.push(shop.buy(&format!("shop-{number}")).await.1);
    }
    let mean = |some: &[Duration]| some.iter().sum::<Duration>() / 100;
    let pair = Pair { ours: mean(&took[900..]), floor: mean(&took[..100]) };
    report("the last 100 of 1,000 workspaces, each", "the first 100", pair, Target::TimesFloor(1.2));
}
