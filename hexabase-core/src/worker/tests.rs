//! Fairness between organizations, and the graceful stop.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_lock::Semaphore;
use async_trait::async_trait;
use futures_executor::block_on;
use futures_util::future::{join, poll_fn};
use jiff::Timestamp;

use super::Worker;
use crate::Platform;
use crate::changeset::Changeset;
use crate::clock::ManualClock;
use crate::desired::{TenantCluster, TenantTarget};
use crate::error::Result;
use crate::fixture::{self, id};
use crate::id::OrganizationId;
use crate::model::{DriftEntry, IsolationResult, Workspace};
use crate::name::{HostClusterName, Slug};
use crate::placement::HostCluster;
use crate::provisioner::{
    AdminAccess, Applied, ClusterProvisioner, Fleet, MemoryProvisioner, Observation, OnChange,
};
use crate::trace::{TraceParent, TracePropagation};

/// Provisioner whose `observe` waits until the test permits it.
#[derive(Debug)]
struct SlowProvisioner {
    inner: MemoryProvisioner,
    observed: Mutex<Vec<String>>,
    permits: Semaphore,
}

impl SlowProvisioner {
    /// Names of the tenants whose observation began, in order.
    fn observed(&self) -> Vec<String> {
        self.observed.lock().unwrap().clone()
    }
}

#[async_trait]
impl ClusterProvisioner for SlowProvisioner {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.inner.plan(desired).await
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        self.inner.apply(desired).await
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        self.observed.lock().unwrap().push(target.name.clone());
        self.permits.acquire().await.forget();
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

const CONCURRENCY: usize = 4;

struct Setup {
    platform: Platform,
    cluster: Arc<SlowProvisioner>,
}

impl Setup {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let cluster = Arc::new(SlowProvisioner {
            inner: MemoryProvisioner::new(clock.clone(), Duration::ZERO),
            observed: Mutex::default(),
            permits: Semaphore::new(0),
        });
        let host = HostCluster::new(HostClusterName::parse("local").unwrap());
        let platform = Platform::builder("https://hexabase.example")
            .with_plans(vec![fixture::plan("small")])
            .with_clock(clock)
            .with_fleet(Fleet::new().with(host, cluster.clone()))
            .build()
            .unwrap();
        Self { platform, cluster }
    }

    /// Adds an organization with workspaces whose first reconcile is in the queue. Returns the names of their tenants.
    async fn add_workspaces(&self, organization: &str, count: usize) -> Vec<String> {
        let organization_id: OrganizationId = id(organization);
        let mut changeset = Changeset::new().insert(fixture::organization(organization));
        let mut names = Vec::new();
        for number in 0..count {
            let name = format!("{organization}-{number}");
            let workspace = Workspace {
                organization_id,
                name: Slug::parse(&name).unwrap(),
                // Later reconciles are not part of the test.
                reconcile_at: None,
                ..fixture::workspace(&name)
            };
            names.push(TenantTarget::of(&workspace).name);
            let message = self.platform.inner().reconcile_message(organization_id, workspace.id);
            self.platform.queue().publish(&message, Duration::ZERO).await.unwrap();
            changeset = changeset.insert(workspace);
        }
        self.platform.store().commit(changeset).await.unwrap();
        names
    }

    /// Runs a worker, stops it when `test` is complete, and then permits all observations.
    fn run_worker(&self, test: impl Future<Output = ()>) {
        let worker = Worker::new(self.platform.clone(), CONCURRENCY);
        let stop = async_lock::Mutex::new(());
        block_on(async {
            let running = stop.lock().await;
            let stopped = async {
                stop.lock().await;
            };
            let test = async {
                test.await;
                drop(running);
                for _ in 0..1_000 {
                    yield_once().await;
                }
                self.cluster.permits.add_permits(1_000);
            };
            join(worker.run(stopped), test).await;
        });
    }

    /// Lets the worker run until the number of observations is reached, and then until it has nothing left to do.
    async fn wait_for(&self, observations: usize) {
        let mut polls = 0;
        while self.cluster.observed().len() < observations || polls < 2_000 {
            polls += 1;
            assert!(polls < 100_000, "only {} observations began", self.cluster.observed().len());
            yield_once().await;
        }
    }
}

/// Lets other futures of the executor run once.
async fn yield_once() {
    let mut yielded = false;
    let one_poll = poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    });
    pin!(one_poll).await;
}

#[test]
fn an_organization_with_many_workspaces_delays_another_one_by_two_rounds_at_most() {
    let setup = Setup::new();
    setup.run_worker(async {
        let busy = setup.add_workspaces("busy", 120).await;
        let other = setup.add_workspaces("other", 1).await;
        setup.wait_for(CONCURRENCY).await;
        for round in 1..=2 {
            setup.cluster.permits.add_permits(CONCURRENCY);
            setup.wait_for(CONCURRENCY * (round + 1)).await;
        }
        let observed = setup.cluster.observed();
        assert!(observed.contains(&other[0]), "after two rounds: {observed:?}");

        // The others are handled, too.
        setup.cluster.permits.add_permits(1_000);
        setup.wait_for(121).await;
        let observed = setup.cluster.observed();
        assert!(busy.iter().all(|name| observed.contains(name)));
    });
}

#[test]
fn a_stopped_worker_returns_buffered_messages_to_the_queue() {
    let setup = Setup::new();
    setup.run_worker(async {
        setup.add_workspaces("busy", 50).await;
        setup.wait_for(CONCURRENCY).await;
        setup.cluster.permits.add_permits(CONCURRENCY);
        // The worker stops while it processes four messages.
        setup.wait_for(2 * CONCURRENCY).await;
    });
    assert_eq!(setup.cluster.observed().len(), 2 * CONCURRENCY);
    // Without waiting for the visibility.
    let remaining = block_on(setup.platform.queue().receive(100, Duration::ZERO)).unwrap();
    assert_eq!(remaining.len(), 50 - 2 * CONCURRENCY);
}

/// Propagation whose current trace is the one that the test sets; records the parents of spans.
#[derive(Debug, Default)]
struct FakeTraces {
    current: Mutex<Option<TraceParent>>,
    parents: Mutex<Vec<TraceParent>>,
}

impl TracePropagation for FakeTraces {
    fn current(&self) -> Option<TraceParent> {
        *self.current.lock().unwrap()
    }

    fn set_parent(&self, _: &tracing::Span, parent: TraceParent) {
        self.parents.lock().unwrap().push(parent);
    }
}

#[test]
fn work_continues_the_trace_of_the_request_that_caused_it() {
    let traces = Arc::new(FakeTraces::default());
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(vec![fixture::plan("small")])
        .with_trace_propagation(traces.clone())
        .build()
        .unwrap();
    let request = TraceParent { trace_id: 7, span_id: 9, is_sampled: true };
    *traces.current.lock().unwrap() = Some(request);
    let message = platform.inner().reconcile_message(id("acme"), id("dev"));
    block_on(platform.store().commit(Changeset::new().message(message))).unwrap();
    *traces.current.lock().unwrap() = None;
    block_on(Worker::new(platform.clone(), 1).run_once()).unwrap();
    assert_eq!(*traces.parents.lock().unwrap(), [request]);
}
