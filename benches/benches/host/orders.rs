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
use hexabase_core::provisioner::{AdminAccess, Applied, ClusterProvisioner, Observation};
use jiff::Timestamp;
use kube::Client;

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

    async fn watch(&self) {
        self.inner.watch().await;
    }
}

/// How long it takes from an order until everything is applied, when many order at once.
pub(crate) async fn at_once(client: &Client) {
    let noting = Arc::new(Noting { inner: provisioner(client.clone()), applied: Mutex::default() });
    let shop = Shop::open(noting.clone(), Pace::default(), CONCURRENCY).await;
    let mut orders = Vec::with_capacity(MANY);
    for number in 0..MANY {
        let begun = Instant::now();
        orders.push((shop.order(&format!("ws-{number}")).await.kubernetes_name(), begun));
    }
    let ours = loop {
        let applied = noting.applied.lock().unwrap().clone();
        let took = |(name, begun): &(String, Instant)| Some(applied.get(name)?.duration_since(*begun));
        if let Some(all) = orders.iter().map(took).collect::<Option<Vec<Duration>>>() {
            break upper(all, 0.95);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };

    let begun = Instant::now();
    let apply = |number: usize| async move {
        bare(client, &tenant(&format!("at-once-{number}"))).await;
        begun.elapsed()
    };
    let floors: Vec<_> = iter(0..MANY).map(apply).buffer_unordered(CONCURRENCY).collect().await;
    let floor = upper(floors, 0.95);
    let what = format!("95th percentile from an order until all is applied, with {MANY} orders at once");
    let floor_is = format!("{} (as many bare loops, {CONCURRENCY} at a time)", Short(floor));
    let ratio = format!("{:.2}", ours.as_secs_f64() / floor.as_secs_f64());
    row(&what, &Short(ours), &floor_is, &ratio, &"≤ 2.00 s", ours <= Duration::from_secs(2));
}
