//! A workspace's life as its owner lives it: who asks again when there was no answer, and waits for what was promised.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::clock::ManualClock;
use hexabase_core::error::ErrorKind;
use hexabase_core::faults::{FaultPlan, FaultyQueue, FaultyStore};
use hexabase_core::fixture::THEN;
use hexabase_core::id_source::SeededIds;
use hexabase_core::queue::MemoryQueue;
use hexabase_core::seal::MasterKey;
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_tests::{Client, World, backends};
use serde_json::{Value, json};

use crate::cluster;

/// How often anything is tried before the test gives up.
const ATTEMPTS: usize = 2_000;

/// What lasts from one life to the next.
pub(crate) struct Ground {
    store: Arc<dyn TenantStore>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    lives: AtomicU32,
    _kept: backends::Kept,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let (store, kept) = backends::store().await;
        let (clock, ids) = (Arc::new(ManualClock::new(THEN)), Arc::new(SeededIds::new(1)));
        Self { store, clock, ids, lives: AtomicU32::new(0), _kept: kept }
    }
}

/// What outlives the process.
struct Remains<'a> {
    ground: &'a Ground,
    sandbox: Sandbox,
    plan: FaultPlan,
}

impl Remains<'_> {
    /// A process on what is there.
    async fn process(&self) -> World {
        let queue = Arc::new(MemoryQueue::new(self.ground.clock.clone()));
        World::with(|builder| {
            builder
                .with_store(Arc::new(FaultyStore::new(self.ground.store.clone(), self.plan.clone())))
                .with_queue(Arc::new(FaultyQueue::new(queue, self.plan.clone())))
                .with_fleet(cluster::fleet(&self.sandbox, &self.plan))
                .with_clock(self.ground.clock.clone())
                .with_ids(self.ground.ids.clone())
                .with_master_key(MasterKey::new([7; 32]))
        })
        .await
    }
}

pub(crate) struct Life<'a> {
    remains: Remains<'a>,
    process: World,
    token: String,
    organization: String,
    requests: usize,
}

impl<'a> Life<'a> {
    /// An owner with an organization, before anything can go wrong.
    pub(crate) async fn begin(ground: &'a Ground, plan: FaultPlan) -> Self {
        let life = ground.lives.fetch_add(1, Ordering::Relaxed);
        let remains = Remains { ground, sandbox: cluster::start(), plan: FaultPlan::counting() };
        let process = remains.process().await;
        let ann = process.person(&format!("ann-{life}")).await;
        let organization = process.organization(&ann, &format!("acme-{life}")).await;
        let token = ann.client.make_token().await;
        let remains = Remains { plan, ..remains };
        let process = remains.process().await;
        Self { remains, process, token, organization, requests: 0 }
    }

    /// All of it.
    pub(crate) async fn live(mut self) {
        let o = format!("/api/v1/organizations/{}", self.organization);
        let made = self
            .ask(Method::POST, &format!("{o}/workspaces"), &json!({"name": "shop", "plan_id": "starter"}))
            .await;
        let id = made["id"].as_str().unwrap().to_owned();
        let (w, tenant) = (format!("{o}/workspaces/{id}"), id.replace('_', "-"));
        self.settle(&w, "ready").await;
        assert_eq!(cluster::on_host(&self.remains.sandbox).await, names(&[&tenant]));
        assert_eq!(cluster::control_planes(&self.remains.sandbox).await, 1);

        self.ask(Method::PATCH, &w, &json!({"plan_id": "team"})).await;
        self.settle(&w, "ready").await;

        let project = self.ask(Method::POST, &format!("{w}/projects"), &json!({"name": "web"})).await;
        let p = format!("{w}/projects/{}", project["id"].as_str().unwrap());
        let group = self.ask(Method::POST, &format!("{w}/groups"), &json!({"name": "developers"})).await;
        let given = json!({"group_id": group["id"], "role": "hexabase:project-editor"});
        self.ask(Method::POST, &format!("{p}/role-assignments"), &given).await;
        self.settle(&w, "ready").await;
        assert_eq!(cluster::in_tenant(&self.remains.sandbox, &tenant).await, Some(names(&["web"])));

        self.ask(Method::POST, &format!("{w}/suspend"), &Value::Null).await;
        self.settle(&w, "suspended").await;
        assert_eq!(cluster::in_tenant(&self.remains.sandbox, &tenant).await, None);
        self.ask(Method::POST, &format!("{w}/resume"), &Value::Null).await;
        self.settle(&w, "ready").await;
        assert_eq!(cluster::in_tenant(&self.remains.sandbox, &tenant).await, Some(names(&["web"])));

        self.ask(Method::DELETE, &p, &Value::Null).await;
        self.settle(&w, "ready").await;
        let sandbox = self.remains.sandbox.clone();
        self.work_until("the namespace is gone", async |_| {
            cluster::in_tenant(&sandbox, &tenant).await == Some(names(&[]))
        })
        .await;

        self.ask(Method::DELETE, &w, &Value::Null).await;
        self.work_until("the workspace is gone", async |client: Client| {
            client.send(Method::GET, &w, &Value::Null).await.status == StatusCode::NOT_FOUND
        })
        .await;
        self.assert_nothing_left().await;
    }

    /// Asks for something until there is an answer, as a client does that was told to try again: with the same
    /// idempotency key.
    async fn ask(&mut self, method: Method, path: &str, body: &Value) -> Value {
        self.requests += 1;
        let key = format!("request-{}", self.requests);
        for attempt in 0..ATTEMPTS {
            let client = self.client().with_header("idempotency-key", &key);
            let plan = self.remains.plan.clone();
            let answer = tokio::select! {
                answer = client.send(method.clone(), path, body) => answer,
                () = plan.died() => {
                    self.restart().await;
                    continue;
                }
            };
            match answer.status {
                status if status.is_success() => return answer.body,
                StatusCode::SERVICE_UNAVAILABLE => self.remains.ground.clock.advance(Duration::from_secs(1)),
                // It was deleted, and only the answer was lost.
                StatusCode::NOT_FOUND if method == Method::DELETE && attempt > 0 => return Value::Null,
                status => panic!("{method} {path}: {status} {}", answer.text),
            }
        }
        panic!("{method} {path} was never answered");
    }

    /// Works until a workspace is in a phase that follows what was asked for last.
    async fn settle(&mut self, path: &str, phase: &str) {
        self.work_until(&format!("the workspace is {phase}"), async |client: Client| {
            let workspace = client.get(path).await;
            assert_ne!(workspace["phase"], "failed", "{workspace}");
            workspace["phase"] == phase && workspace["generation"] == workspace["observed_generation"]
        })
        .await;
    }

    async fn work_until(&mut self, what: &str, holds: impl AsyncFn(Client) -> bool) {
        for _ in 0..ATTEMPTS {
            let worker = Worker::new(self.process.platform.clone(), 1);
            let plan = self.remains.plan.clone();
            let turn = tokio::select! {
                turn = worker.turn() => Some(turn),
                () = plan.died() => None,
            };
            match turn {
                None => self.restart().await,
                Some(Ok(_)) => {}
                Some(Err(error)) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
            if holds(self.client()).await {
                return;
            }
            // The sandbox's controllers have their turn, and time goes by.
            tokio::time::sleep(Duration::from_micros(200)).await;
            self.remains.ground.clock.advance(Duration::from_millis(500));
        }
        panic!("it never came to pass that {what}");
    }

    fn client(&self) -> Client {
        self.process.anonymous().with_bearer(&self.token)
    }

    /// What was in memory is gone with the process.
    async fn restart(&mut self) {
        self.remains.plan.revive();
        self.process = self.remains.process().await;
    }

    async fn assert_nothing_left(&mut self) {
        // What a dead process had taken hold of is published when its hold has run out.
        let store = self.remains.ground.store.clone();
        self.work_until("every message is published", async |_| store.count_outbox().await.unwrap() == 0)
            .await;
        let sandbox = &self.remains.sandbox;
        assert_eq!(cluster::on_host(sandbox).await, names(&[]));
        assert_eq!(cluster::control_planes(sandbox).await, 0);
        let log = self
            .client()
            .get(&format!("/api/v1/organizations/{}/audit-events?limit=100", self.organization))
            .await;
        let mut actions: Vec<&str> =
            log["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
        actions.sort_unstable();
        let once: BTreeSet<&str> = actions.iter().copied().collect();
        assert_eq!(actions, Vec::from_iter(once), "something was done twice");
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
