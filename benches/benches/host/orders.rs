//! Many who order at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::shop::Shop;
use hexabase_benches::{Short, row, upper};
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::Result;
use hexabase_core::id::TypedId as _;
use hexabase_core::lifecycle::Pace;
use hexabase_core::model::DriftEntry;
use hexabase_core::provisioner::{AdminAccess, Applied, ClusterProvisioner, Moved, Observation};
use hexabase_k8s::VClusterProvisioner;
use jiff::Timestamp;
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::{MANY, bare, provisioner, tenant};

/// How many things a worker does at a time.
const CONCURRENCY: usize = 32;

/// A provisioner that notes when everything of a tenant was first applied on its host.
#[derive(Debug)]
struct Noting<P> {
    inner: P,
    applied: Mutex<HashMap<String, Instant>>,
}

#[async_trait]
impl<P: ClusterProvisioner> ClusterProvisioner for Noting<P> {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.inner.plan(desired).await
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        let applied = self.inner.apply(desired).await?;
        self.applied.lock().unwrap().entry(desired.target.name.clone()).or_insert_with(Instant::now);
        Ok(applied)
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

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    async fn watch(&self, moved: &Moved<'_>) {
        self.inner.watch(moved).await;
    }
}

/// A shop, and when what was ordered there was applied.
struct Counter {
    shop: Shop,
    noting: Arc<Noting<VClusterProvisioner>>,
}

impl Counter {
    async fn open(client: &Client) -> Self {
        let noting = Arc::new(Noting { inner: provisioner(client.clone()), applied: Mutex::default() });
        Self { shop: Shop::open(noting.clone(), Pace::default(), CONCURRENCY).await, noting }
    }

    /// Orders a workspace: its name on the host, and when it was ordered.
    async fn order(&self, number: usize) -> (String, Instant) {
        let begun = Instant::now();
        (self.shop.order(&format!("ws-{number}")).await.kubernetes_name(), begun)
    }

    /// How long each of these orders took until everything was applied.
    async fn all_applied(&self, orders: &[(String, Instant)]) -> Vec<Duration> {
        loop {
            let applied = self.noting.applied.lock().unwrap().clone();
            let took = |(name, begun): &(String, Instant)| Some(applied.get(name)?.duration_since(*begun));
            if let Some(all) = orders.iter().map(took).collect::<Option<Vec<Duration>>>() {
                return all;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn tell(what: &str, ours: Duration, floor: Duration, floor_is: &str) {
    let floor_is = format!("{} ({floor_is})", Short(floor));
    let ratio = format!("{:.2}", ours.as_secs_f64() / floor.as_secs_f64());
    row(what, &Short(ours), &floor_is, &ratio, &"≤ 2.00 s", ours <= Duration::from_secs(2));
}

/// How long it takes from an order until everything is applied, when many order at once.
pub(crate) async fn at_once(client: &Client) {
    let counter = Counter::open(client).await;
    let mut orders = Vec::with_capacity(MANY);
    for number in 0..MANY {
        orders.push(counter.order(number).await);
    }
    let ours = upper(counter.all_applied(&orders).await, 0.95);
    drop(counter);

    let begun = Instant::now();
    let apply = |number: usize| async move {
        bare(client, &tenant(&format!("at-once-{number}"))).await;
        begun.elapsed()
    };
    let floors: Vec<_> = iter(0..MANY).map(apply).buffer_unordered(CONCURRENCY).collect().await;
    let what = format!("95th percentile from an order until all is applied, with {MANY} orders at once");
    tell(&what, ours, upper(floors, 0.95), &format!("as many bare loops, {CONCURRENCY} at a time"));
}

/// How often somebody orders where so many are on their way at any time: a vCluster takes fifteen seconds to come up.
const EVERY: Duration = Duration::from_millis(15_000 / MANY as u64);

/// The same while as many are on their way that were ordered before, and none is there yet.
pub(crate) async fn one_by_one(client: &Client) {
    let counter = Counter::open(client).await;
    let mut tick = interval(EVERY);
    let mut orders = Vec::with_capacity(2 * MANY);
    for number in 0..2 * MANY {
        tick.tick().await;
        orders.push(counter.order(number).await);
    }
    let ours = upper(counter.all_applied(&orders).await.split_off(MANY), 0.95);
    drop(counter);

    let mut tick = interval(EVERY);
    let mut floors = JoinSet::new();
    for number in 0..MANY {
        tick.tick().await;
        let client = client.clone();
        floors.spawn(async move {
            let begun = Instant::now();
            bare(&client, &tenant(&format!("one-by-one-{number}"))).await;
            begun.elapsed()
        });
    }
    let floors = floors.join_all().await;
    let every = EVERY.as_millis();
    let what = format!("the same with {MANY} on their way and an order every {every} ms");
    tell(&what, ours, upper(floors, 0.95), "as many bare loops, as often");
}
