//! Fencing of a worker that was paused past the end of its lease, for example on a suspended or swapping machine,
//! while another worker took over.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::{Clock as _, ManualClock, after};
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::Result;
use hexabase_core::fixture::{self, FIXTURE_TIME};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{DriftEntry, IsolationResult, Origin, Phase, Workspace};
use hexabase_core::name::{DisplayName, Email, HostClusterName, ProviderName, Slug};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::CreateOrganization;
use hexabase_core::provisioner::{
    AdminAccess, Applied, ClusterProvisioner, Fleet, MemoryProvisioner, Observation, OnChange,
};
use hexabase_core::seal::MasterKey;
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_store::SqliteStore;
use jiff::Timestamp;
use tokio::sync::Semaphore;

/// Provisioner whose `observe` waits for a permit from the test.
#[derive(Debug)]
struct PausingProvisioner {
    inner: Arc<MemoryProvisioner>,
    observe_calls: Semaphore,
    observe_permits: Semaphore,
    apply_calls: Semaphore,
}

#[async_trait]
impl ClusterProvisioner for PausingProvisioner {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.inner.plan(desired).await
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        self.apply_calls.add_permits(1);
        self.inner.apply(desired).await
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        self.observe_calls.add_permits(1);
        let _permit = self.observe_permits.acquire().await.unwrap();
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

fn replica(
    store: &Arc<dyn TenantStore>,
    clock: &Arc<ManualClock>,
    provisioner: Arc<dyn ClusterProvisioner>,
) -> Platform {
    let name = HostClusterName::parse("east").unwrap();
    let host = HostCluster { capacity: 9, sandbox: true, ..HostCluster::new(name) };
    Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(store.clone())
        .with_clock(clock.clone())
        .with_master_key(MasterKey::new([7; 32]))
        .with_fleet(Fleet::new().with(host, provisioner))
        .build()
        .unwrap()
}

async fn create_workspace(platform: &Platform) -> (Caller, Workspace) {
    let identity = ExternalIdentity {
        subject: "ann".to_owned(),
        verified_email: Some(Email::parse("ann@example.com").unwrap()),
        name: None,
        auth_time: None,
    };
    let provider = ProviderName::parse("test").unwrap();
    let user = platform.users().sign_in(&provider, &identity, &Origin::default()).await.unwrap();
    let ann = Caller::for_user(user.id);
    let (name, display_name) = (Slug::parse("acme").unwrap(), DisplayName::parse("Acme").unwrap());
    let acme =
        platform.organizations().create(&ann, &CreateOrganization { name, display_name }).await.unwrap();
    let shop = fixture::create_workspace("shop", &platform.plans().default_plan().id);
    let created = platform.workspaces().create(&ann, acme.value.id, &shop).await.unwrap().value;
    (ann, created.workspace)
}

async fn a_paused_worker_overwrites_nothing(store: Arc<dyn TenantStore>) {
    // The clock of the paused worker stands still.
    let (stopped_clock, running_clock) =
        (Arc::new(ManualClock::new(FIXTURE_TIME)), Arc::new(ManualClock::new(FIXTURE_TIME)));
    let cluster = Arc::new(MemoryProvisioner::new(running_clock.clone(), Duration::from_secs(1)));
    let no_permits = || Semaphore::new(0);
    let pausing = Arc::new(PausingProvisioner {
        inner: cluster.clone(),
        observe_calls: no_permits(),
        observe_permits: no_permits(),
        apply_calls: no_permits(),
    });
    let paused = replica(&store, &stopped_clock, pausing.clone());
    let successor = replica(&store, &running_clock, cluster);
    let (ann, workspace) = create_workspace(&paused).await;

    let paused_run = Worker::new(paused.clone(), 1);
    let paused_run = tokio::spawn(async move { paused_run.run_once().await });
    pausing.observe_calls.acquire().await.unwrap().forget();

    // No other worker reconciles the workspace while the lease lasts.
    let worker = Worker::new(successor.clone(), 1);
    let now = async || {
        let found = store.find_workspace(workspace.organization_id, workspace.id).await;
        found.unwrap().unwrap()
    };
    running_clock.advance(Duration::from_secs(5));
    worker.run_once().await.unwrap();
    assert_eq!(now().await, workspace);

    // After that, the other worker takes over.
    while now().await.status.phase != Phase::Ready {
        running_clock.advance(Duration::from_secs(3));
        worker.run_once().await.unwrap();
    }
    let (org, ws) = (workspace.organization_id, workspace.id);
    successor.workspaces().suspend(&ann, org, ws).await.unwrap();
    while now().await.status.phase != Phase::Suspended {
        running_clock.advance(Duration::from_secs(3));
        worker.run_once().await.unwrap();
    }
    let before = now().await;

    // The paused worker continues while its clock is still behind. The next test covers a correct clock.
    pausing.observe_permits.add_permits(1);
    paused_run.await.unwrap().unwrap();
    assert_eq!(now().await, before, "the paused worker overwrote a change of its successor");
}

async fn a_worker_stops_when_it_notices_that_its_lease_has_expired(store: Arc<dyn TenantStore>) {
    let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
    let cluster = Arc::new(MemoryProvisioner::new(clock.clone(), Duration::ZERO));
    let no_permits = || Semaphore::new(0);
    let pausing = Arc::new(PausingProvisioner {
        inner: cluster.clone(),
        observe_calls: no_permits(),
        observe_permits: no_permits(),
        apply_calls: no_permits(),
    });
    let paused = replica(&store, &clock, pausing.clone());
    let (_, workspace) = create_workspace(&paused).await;
    let paused_run = Worker::new(paused, 1);
    let paused_run = tokio::spawn(async move { paused_run.run_once().await });
    pausing.observe_calls.acquire().await.unwrap().forget();
    // Another worker takes the expired lease. The clock of the paused worker jumps at the moment at which the cluster
    // responds.
    let name = format!("workspace/{}", workspace.id);
    let acquired = store.acquire_lease(
        &name,
        "other",
        after(clock.now(), Duration::from_secs(11)),
        Duration::from_secs(60),
    );
    assert!(acquired.await.unwrap().is_some());
    pausing.observe_permits.add_permits(1);
    clock.advance(Duration::from_secs(11));
    paused_run.await.unwrap().unwrap();
    assert_eq!(pausing.apply_calls.available_permits(), 0, "the paused worker changed the cluster");
}

macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(std::sync::Arc::new(super::MemoryStore::new())).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let store = super::SqliteStore::in_memory().await.unwrap();
                super::$case(std::sync::Arc::new(store)).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let (store, _server) = hexabase_tests::backends::postgres().await;
                super::$case(std::sync::Arc::new(store)).await;
            })+
        }
    };
}

on_every_store![
    a_paused_worker_overwrites_nothing,
    a_worker_stops_when_it_notices_that_its_lease_has_expired
];
