//! Lifecycle of a workspace as its owner sees it. The owner repeats unanswered requests, and waits for each result.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::clock::ManualClock;
use hexabase_core::error::ErrorKind;
use hexabase_core::faults::{FaultPlan, FaultyQueue, FaultyStore};
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::id_source::SeededIds;
use hexabase_core::queue::MemoryQueue;
use hexabase_core::seal::MasterKey;
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_k8s::sandbox::Sandbox;
use hexabase_tests::{Client, TestApp, backends};
use serde_json::{Value, json};

use crate::cluster;

/// Maximum number of attempts for each step.
const ATTEMPTS: usize = 2_000;

/// Store, clock and ids that all lifecycles of a test share.
pub(crate) struct SharedState {
    store: Arc<dyn TenantStore>,
    clock: Arc<ManualClock>,
    ids: Arc<SeededIds>,
    lifecycles: AtomicU32,
    _handles: backends::BackendHandles,
}

impl SharedState {
    pub(crate) async fn new() -> Self {
        let (store, handles) = backends::store().await;
        let (clock, ids) = (Arc::new(ManualClock::new(FIXTURE_TIME)), Arc::new(SeededIds::new(1)));
        Self { store, clock, ids, lifecycles: AtomicU32::new(0), _handles: handles }
    }
}

/// State that outlives a process.
struct PersistentState<'a> {
    shared: &'a SharedState,
    sandbox: Sandbox,
    plan: FaultPlan,
}

impl PersistentState<'_> {
    /// Starts a process on this state.
    async fn start_process(&self) -> TestApp {
        let queue = Arc::new(MemoryQueue::new(self.shared.clock.clone()));
        TestApp::with(|builder| {
            builder
                .with_store(Arc::new(FaultyStore::new(self.shared.store.clone(), self.plan.clone())))
                .with_queue(Arc::new(FaultyQueue::new(queue, self.plan.clone())))
                .with_fleet(cluster::fleet(&self.sandbox, &self.plan))
                .with_clock(self.shared.clock.clone())
                .with_ids(self.shared.ids.clone())
                .with_master_key(MasterKey::new([7; 32]))
        })
        .await
    }
}

pub(crate) struct Lifecycle<'a> {
    state: PersistentState<'a>,
    process: TestApp,
    token: String,
    organization: String,
    requests: usize,
}

impl<'a> Lifecycle<'a> {
    /// Creates an owner with an organization, without faults.
    pub(crate) async fn start(shared: &'a SharedState, plan: FaultPlan) -> Self {
        let number = shared.lifecycles.fetch_add(1, Ordering::Relaxed);
        let state = PersistentState { shared, sandbox: cluster::start(), plan: FaultPlan::counting() };
        let process = state.start_process().await;
        let ann = process.sign_in(&format!("ann-{number}")).await;
        let organization = process.create_organization(&ann, &format!("acme-{number}")).await;
        let token = ann.client.create_token().await;
        let state = PersistentState { plan, ..state };
        let process = state.start_process().await;
        Self { state, process, token, organization, requests: 0 }
    }

    /// Runs the whole lifecycle.
    pub(crate) async fn run(mut self) {
        let o = format!("/api/v1/organizations/{}", self.organization);
        let created = self
            .request(Method::POST, &format!("{o}/workspaces"), &json!({"name": "shop", "plan_id": "starter"}))
            .await;
        let id = created["id"].as_str().unwrap().to_owned();
        let (w, tenant) = (format!("{o}/workspaces/{id}"), id.replace('_', "-"));
        self.wait_for_phase(&w, "ready").await;
        assert_eq!(cluster::host_namespaces(&self.state.sandbox).await, names(&[&tenant]));
        assert_eq!(cluster::control_planes(&self.state.sandbox).await, 1);

        self.request(Method::PATCH, &w, &json!({"plan_id": "team"})).await;
        self.wait_for_phase(&w, "ready").await;

        let project = self.request(Method::POST, &format!("{w}/projects"), &json!({"name": "web"})).await;
        let p = format!("{w}/projects/{}", project["id"].as_str().unwrap());
        let group = self.request(Method::POST, &format!("{w}/groups"), &json!({"name": "developers"})).await;
        let assignment = json!({"group_id": group["id"], "role": "hexabase:project-editor"});
        self.request(Method::POST, &format!("{p}/role-assignments"), &assignment).await;
        self.wait_for_phase(&w, "ready").await;
        assert_eq!(cluster::tenant_namespaces(&self.state.sandbox, &tenant).await, Some(names(&["web"])));

        self.request(Method::POST, &format!("{w}/suspend"), &Value::Null).await;
        self.wait_for_phase(&w, "suspended").await;
        assert_eq!(cluster::tenant_namespaces(&self.state.sandbox, &tenant).await, None);
        self.request(Method::POST, &format!("{w}/resume"), &Value::Null).await;
        self.wait_for_phase(&w, "ready").await;
        assert_eq!(cluster::tenant_namespaces(&self.state.sandbox, &tenant).await, Some(names(&["web"])));

        self.request(Method::DELETE, &p, &Value::Null).await;
        self.wait_for_phase(&w, "ready").await;
        let sandbox = self.state.sandbox.clone();
        self.work_until("the namespace is gone", async |_| {
            cluster::tenant_namespaces(&sandbox, &tenant).await == Some(names(&[]))
        })
        .await;

        self.request(Method::DELETE, &w, &Value::Null).await;
        self.work_until("the workspace is gone", async |client: Client| {
            client.send(Method::GET, &w, &Value::Null).await.status == StatusCode::NOT_FOUND
        })
        .await;
        self.assert_nothing_remains().await;
    }

    /// Repeats a request until it is answered. All attempts have the same idempotency key.
    async fn request(&mut self, method: Method, path: &str, body: &Value) -> Value {
        self.requests += 1;
        let key = format!("request-{}", self.requests);
        for attempt in 0..ATTEMPTS {
            let client = self.client().with_header("idempotency-key", &key);
            let plan = self.state.plan.clone();
            let response = tokio::select! {
                response = client.send(method.clone(), path, body) => response,
                () = plan.died() => {
                    self.restart().await;
                    continue;
                }
            };
            match response.status {
                status if status.is_success() => return response.body,
                StatusCode::SERVICE_UNAVAILABLE => self.state.shared.clock.advance(Duration::from_secs(1)),
                // A previous attempt deleted the object, but its response was lost.
                StatusCode::NOT_FOUND if method == Method::DELETE && attempt > 0 => return Value::Null,
                status => panic!("{method} {path}: {status} {}", response.text),
            }
        }
        panic!("{method} {path}: no response after {ATTEMPTS} attempts");
    }

    /// Runs the worker until the workspace is in this phase and its newest generation is observed.
    async fn wait_for_phase(&mut self, path: &str, phase: &str) {
        self.work_until(&format!("the workspace is {phase}"), async |client: Client| {
            let workspace = client.get(path).await;
            assert_ne!(workspace["phase"], "failed", "{workspace}");
            workspace["phase"] == phase && workspace["generation"] == workspace["observed_generation"]
        })
        .await;
    }

    async fn work_until(&mut self, what: &str, condition: impl AsyncFn(Client) -> bool) {
        for _ in 0..ATTEMPTS {
            let worker = Worker::new(self.process.platform.clone(), 1);
            let plan = self.state.plan.clone();
            let run = tokio::select! {
                run = worker.run_once() => Some(run),
                () = plan.died() => None,
            };
            match run {
                None => self.restart().await,
                Some(Ok(_)) => {}
                Some(Err(error)) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}"),
            }
            if condition(self.client()).await {
                return;
            }
            // Lets the controllers of the sandbox run, and time pass.
            tokio::time::sleep(Duration::from_micros(200)).await;
            self.state.shared.clock.advance(Duration::from_millis(500));
        }
        panic!("not reached after {ATTEMPTS} attempts: {what}");
    }

    fn client(&self) -> Client {
        self.process.anonymous().with_bearer(&self.token)
    }

    /// Starts a new process; the in-memory state of the previous one is lost.
    async fn restart(&mut self) {
        self.state.plan.revive();
        self.process = self.state.start_process().await;
    }

    async fn assert_nothing_remains(&mut self) {
        // Messages that a crashed process had claimed are published after the claim has expired.
        let store = self.state.shared.store.clone();
        self.work_until("every message is published", async |_| store.count_outbox().await.unwrap() == 0)
            .await;
        let sandbox = &self.state.sandbox;
        assert_eq!(cluster::host_namespaces(sandbox).await, names(&[]));
        assert_eq!(cluster::control_planes(sandbox).await, 0);
        let log = self
            .client()
            .get(&format!("/api/v1/organizations/{}/audit-events?limit=100", self.organization))
            .await;
        let mut actions: Vec<&str> =
            log["items"].as_array().unwrap().iter().map(|event| event["action"].as_str().unwrap()).collect();
        actions.sort_unstable();
        let once: BTreeSet<&str> = actions.iter().copied().collect();
        assert_eq!(actions, Vec::from_iter(once), "an action was executed twice");
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
