//! A worker that was paused past its lease, as a machine that is suspended or swaps: when it wakes up, somebody else has
//! done its work.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::clock::{Clock as _, ManualClock, after};
use hexabase_core::desired::{TenantCluster, TenantTarget};
use hexabase_core::error::Result;
use hexabase_core::fixture::{self, THEN};
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{DriftEntry, Origin, Phase, Workspace};
use hexabase_core::name::{DisplayName, Email, HostClusterName, ProviderName, Slug};
use hexabase_core::placement::HostCluster;
use hexabase_core::platform::CreateOrganization;
use hexabase_core::provisioner::{
    AdminAccess, Applied, ClusterProvisioner, Fleet, MemoryProvisioner, Moved, Observation,
};
use hexabase_core::seal::MasterKey;
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_store::SqliteStore;
use jiff::Timestamp;
use tokio::sync::Semaphore;

/// A cluster that answers a worker only when it is let.
#[derive(Debug)]
struct Gated {
    inner: Arc<MemoryProvisioner>,
    asked: Semaphore,
    answers: Semaphore,
    applied: Semaphore,
}

#[async_trait]
impl ClusterProvisioner for Gated {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.inner.plan(desired).await
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        self.applied.add_permits(1);
        self.inner.apply(desired).await
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        self.asked.add_permits(1);
        let _answer = self.answers.acquire().await.unwrap();
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

async fn buy(platform: &Platform) -> (Caller, Workspace) {
    let who = ExternalIdentity {
        subject: "ann".to_owned(),
        verified_email: Some(Email::parse("ann@example.com").unwrap()),
        name: None,
    };
    let provider = ProviderName::parse("test").unwrap();
    let user = platform.users().sign_in(&provider, &who, &Origin::default()).await.unwrap();
    let session = fixture::id("session");
    let ann = Caller::new(Principal { user_id: user.id, credential: Credential::Session(session) });
    let (name, display_name) = (Slug::parse("acme").unwrap(), DisplayName::parse("Acme").unwrap());
    let acme =
        platform.organizations().create(&ann, &CreateOrganization { name, display_name }).await.unwrap();
    let shop = fixture::order("shop", &platform.plans().first().id);
    let bought = platform.workspaces().create(&ann, acme.value.id, &shop).await.unwrap().value;
    (ann, bought.workspace)
}

async fn a_paused_worker_overwrites_nothing(store: Arc<dyn TenantStore>) {
    // The paused one's clock stands still, as does everything it does.
    let (standing, running) = (Arc::new(ManualClock::new(THEN)), Arc::new(ManualClock::new(THEN)));
    let cluster = Arc::new(MemoryProvisioner::new(running.clone(), Duration::from_secs(1)));
    let none = || Semaphore::new(0);
    let gated = Arc::new(Gated { inner: cluster.clone(), asked: none(), answers: none(), applied: none() });
    let paused = replica(&store, &standing, gated.clone());
    let successor = replica(&store, &running, cluster);
    let (ann, workspace) = buy(&paused).await;

    let looking = Worker::new(paused.clone(), 1);
    let looking = tokio::spawn(async move { looking.turn().await });
    gated.asked.acquire().await.unwrap().forget();

    // Nobody else may touch the workspace while the lease lasts.
    let worker = Worker::new(successor.clone(), 1);
    let now = async || {
        let found = store.find_workspace(workspace.organization_id, workspace.id).await;
        found.unwrap().unwrap()
    };
    running.advance(Duration::from_secs(5));
    worker.turn().await.unwrap();
    assert_eq!(now().await, workspace);

    // Then it goes its way with somebody else.
    while now().await.status.phase != Phase::Ready {
        running.advance(Duration::from_secs(3));
        worker.turn().await.unwrap();
    }
    let (org, ws) = (workspace.organization_id, workspace.id);
    successor.workspaces().suspend(&ann, org, ws).await.unwrap();
    while now().await.status.phase != Phase::Suspended {
        running.advance(Duration::from_secs(3));
        worker.turn().await.unwrap();
    }
    let left = now().await;

    // Half of the time it wakes up with its clock still wrong, and half of the time with the right one.
    gated.answers.add_permits(1);
    looking.await.unwrap().unwrap();
    assert_eq!(now().await, left, "what its successor wrote is as it was");
}

async fn a_worker_that_sees_the_time_does_nothing_more(store: Arc<dyn TenantStore>) {
    let clock = Arc::new(ManualClock::new(THEN));
    let cluster = Arc::new(MemoryProvisioner::new(clock.clone(), Duration::ZERO));
    let none = || Semaphore::new(0);
    let gated = Arc::new(Gated { inner: cluster.clone(), asked: none(), answers: none(), applied: none() });
    let paused = replica(&store, &clock, gated.clone());
    let (_, workspace) = buy(&paused).await;
    let looking = Worker::new(paused, 1);
    let looking = tokio::spawn(async move { looking.turn().await });
    gated.asked.acquire().await.unwrap().forget();
    // Somebody else takes the lease when it has run out, and the clock jumps for the paused one in the same moment as
    // the cluster answers.
    let name = format!("workspace/{}", workspace.id);
    let taken = store.acquire_lease(
        &name,
        "somebody",
        after(clock.now(), Duration::from_secs(11)),
        Duration::from_secs(60),
    );
    assert!(taken.await.unwrap().is_some());
    gated.answers.add_permits(1);
    clock.advance(Duration::from_secs(11));
    looking.await.unwrap().unwrap();
    assert_eq!(gated.applied.available_permits(), 0, "nothing was done to the cluster");
}

macro_rules! on_every_store {
    ($($case:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(std::sync::Arc::new(super::MemoryStore::new())).await;
            })+
        }
        mod in_a_file {
            $(#[tokio::test]
            async fn $case() {
                let store = super::SqliteStore::in_memory().await.unwrap();
                super::$case(std::sync::Arc::new(store)).await;
            })+
        }
        mod on_a_server {
            $(#[tokio::test]
            async fn $case() {
                let (store, _server) = hexabase_tests::backends::postgres().await;
                super::$case(std::sync::Arc::new(store)).await;
            })+
        }
    };
}

on_every_store![a_paused_worker_overwrites_nothing, a_worker_that_sees_the_time_does_nothing_more];
