//! Many orders at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::bench_platform::BenchPlatform;
use hexabase_benches::{ShortDuration, percentile, row};
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::Result;
use hexabase_core::id::TypedId as _;
use hexabase_core::lifecycle::ReconcileIntervals;
use hexabase_core::model::{DriftEntry, IsolationResult};
use hexabase_core::provisioner::{
    AdminAccess, Applied, ClusterProvisioner, Converged, Observation, OnChange,
};
use hexabase_k8s::VClusterProvisioner;
use jiff::Timestamp;
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::{BATCH_SIZE, apply_directly, provisioner, tenant};

/// Number of messages that a worker processes at the same time.
const WORKER_CONCURRENCY: usize = 32;

/// Provisioner that records when a tenant was first applied completely.
#[derive(Debug)]
struct RecordingProvisioner<P> {
    inner: P,
    applied: Mutex<HashMap<String, Instant>>,
}

#[async_trait]
impl<P: ClusterProvisioner> ClusterProvisioner for RecordingProvisioner<P> {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.inner.plan(desired).await
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        let applied = self.inner.apply(desired).await?;
        self.applied.lock().unwrap().entry(desired.target.name.clone()).or_insert_with(Instant::now);
        Ok(applied)
    }

    async fn converge(&self, desired: &TenantCluster) -> Result<Converged> {
        let converged = self.inner.converge(desired).await?;
        if matches!(converged.applied, Ok(Some(_))) {
            self.applied.lock().unwrap().entry(desired.target.name.clone()).or_insert_with(Instant::now);
        }
        Ok(converged)
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        self.inner.observe(target).await
    }

    async fn unchanged(&self, desired: &TenantCluster) -> Result<Option<Observation>> {
        self.inner.unchanged(desired).await
    }

    async fn suspend(&self, target: &TenantTarget, now: Timestamp) -> Result<()> {
        self.inner.suspend(target, now).await
    }

    async fn resume(&self, target: &TenantTarget) -> Result<()> {
        self.inner.resume(target).await
    }

    async fn delete(&self, target: &TenantTarget) -> Result<()> {
        self.inner.delete(target).await
    }

    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess> {
        self.inner.admin_access(target).await
    }

    async fn check_isolation(&self, desired: &TenantCluster) -> Result<Vec<IsolationResult>> {
        self.inner.check_isolation(desired).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    async fn watch(&self, on_change: &OnChange) {
        self.inner.watch(on_change).await;
    }

    fn is_watch_failing(&self) -> bool {
        self.inner.is_watch_failing()
    }
}

/// Platform whose applies are recorded.
struct RecordedPlatform {
    platform: BenchPlatform,
    recorder: Arc<RecordingProvisioner<VClusterProvisioner>>,
}

impl RecordedPlatform {
    async fn new(client: &Client) -> Self {
        let recorder =
            Arc::new(RecordingProvisioner { inner: provisioner(client.clone()), applied: Mutex::default() });
        Self {
            platform: BenchPlatform::new(recorder.clone(), ReconcileIntervals::default(), WORKER_CONCURRENCY)
                .await,
            recorder,
        }
    }

    /// Orders a workspace. Returns its name on the host, and the time of the order.
    async fn order(&self, number: usize) -> (String, Instant) {
        let started = Instant::now();
        (self.platform.order_workspace(&format!("ws-{number}")).await.kubernetes_name(), started)
    }

    /// Durations from these orders until everything was applied.
    async fn all_applied(&self, orders: &[(String, Instant)]) -> Vec<Duration> {
        loop {
            let applied = self.recorder.applied.lock().unwrap().clone();
            let took =
                |(name, started): &(String, Instant)| Some(applied.get(name)?.duration_since(*started));
            if let Some(all) = orders.iter().map(took).collect::<Option<Vec<Duration>>>() {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn report_orders(what: &str, ours: Duration, floor: Duration, floor_name: &str) {
    let floor_name = format!("{} ({floor_name})", ShortDuration(floor));
    let ratio = format!("{:.2}", ours.as_secs_f64() / floor.as_secs_f64());
    row(what, &ShortDuration(ours), &floor_name, &ratio, &"≤ 2.00 s", ours <= Duration::from_secs(2));
}

/// Measures the time from an order until everything is applied, when many orders arrive at once.
pub(crate) async fn concurrent_orders(client: &Client) {
    let recorded = RecordedPlatform::new(client).await;
    let mut orders = Vec::with_capacity(BATCH_SIZE);
    for number in 0..BATCH_SIZE {
        orders.push(recorded.order(number).await);
    }
    let ours = percentile(recorded.all_applied(&orders).await, 0.95);
    drop(recorded);

    let started = Instant::now();
    let apply = |number: usize| async move {
        apply_directly(client, &tenant(&format!("at-once-{number}"))).await;
        started.elapsed()
    };
    let floors: Vec<_> = iter(0..BATCH_SIZE).map(apply).buffer_unordered(WORKER_CONCURRENCY).collect().await;
    let what = format!("95th percentile of orders, from order to applied, with {BATCH_SIZE} orders at once");
    report_orders(
        &what,
        ours,
        percentile(floors, 0.95),
        &format!("as many apply loops, {WORKER_CONCURRENCY} at a time"),
    );
}

/// Interval between orders at which [`BATCH_SIZE`] workspaces are in progress at any time, as a vCluster takes 15 s to
/// start.
const ORDER_INTERVAL: Duration = Duration::from_millis(15_000 / BATCH_SIZE as u64);

/// Measures the same while as many earlier orders are in progress, none of which is ready yet.
pub(crate) async fn steady_orders(client: &Client) {
    let recorded = RecordedPlatform::new(client).await;
    let mut tick = interval(ORDER_INTERVAL);
    let mut orders = Vec::with_capacity(2 * BATCH_SIZE);
    for number in 0..2 * BATCH_SIZE {
        tick.tick().await;
        orders.push(recorded.order(number).await);
    }
    let ours = percentile(recorded.all_applied(&orders).await.split_off(BATCH_SIZE), 0.95);
    drop(recorded);

    let mut tick = interval(ORDER_INTERVAL);
    let mut floors = JoinSet::new();
    for number in 0..BATCH_SIZE {
        tick.tick().await;
        let client = client.clone();
        floors.spawn(async move {
            let started = Instant::now();
            apply_directly(&client, &tenant(&format!("one-by-one-{number}"))).await;
            started.elapsed()
        });
    }
    let floors = floors.join_all().await;
    let every = ORDER_INTERVAL.as_millis();
    let what = format!("the same with {BATCH_SIZE} workspaces in progress and an order every {every} ms");
    report_orders(&what, ours, percentile(floors, 0.95), "as many apply loops at the same rate");
}
