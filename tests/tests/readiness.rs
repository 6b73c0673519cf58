//! Readiness and rate limits while backends fail.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Method;
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_core::clock::SystemClock;
use hexabase_core::ephemeral::{Allowance, EphemeralStore, MemoryEphemeral, Rate};
use hexabase_core::error::{Error, Result};
use hexabase_core::mock::MockClusterProvisioner;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::{Fleet, MemoryProvisioner};
use hexabase_store::{NatsConfig, NatsQueue, RedisConfig, RedisEphemeral};
use hexabase_test_servers::{Nats, Redis};
use hexabase_tests::{Client, TestApp};
use serde_json::{Value, json};

/// Ephemeral store that rejects writes while it is full, as Redis does with `noeviction`.
#[derive(Debug)]
struct FullEphemeral {
    inner: MemoryEphemeral,
    is_full: AtomicBool,
}

impl FullEphemeral {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: MemoryEphemeral::new(Arc::new(SystemClock)), is_full: AtomicBool::new(false) })
    }

    fn require_space(&self) -> Result<()> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(Error::unavailable("full")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl EphemeralStore for FullEphemeral {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        self.require_space()?;
        self.inner.put(key, value, ttl).await
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        self.require_space()?;
        self.inner.put_if_absent(key, value, ttl).await
    }

    async fn compare_and_set(&self, key: &str, old: &[u8], new: &[u8], ttl: Duration) -> Result<bool> {
        self.require_space()?;
        self.inner.compare_and_set(key, old, new, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.get(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.take(key).await
    }

    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()> {
        self.require_space()?;
        self.inner.put_visible(keys, ttl).await
    }

    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]> {
        self.inner.contains_cached(first, second).await
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        self.require_space()?;
        self.inner.take_token(bucket, rate).await
    }

    async fn ping(&self) -> Result<()> {
        self.require_space()
    }
}

/// Replicas of the process. Each keeps the result of its last readiness check for a moment, so a test uses another one
/// after each change.
async fn replicas<const N: usize>(app: &TestApp) -> [Client; N] {
    let mut replicas = Vec::new();
    for _ in 0..N {
        let auth = Auth::new(app.platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
        let state = ApiState::new(app.platform.clone(), auth);
        replicas.push(Client::anonymous(router(state)));
    }
    replicas.try_into().unwrap()
}

/// Status and body of the readiness check.
async fn readiness(replica: Client) -> (u16, Value) {
    let response = replica.send(Method::GET, "/readyz", &Value::Null).await;
    (response.status.as_u16(), response.body)
}

/// Client of the user `ann` with a limit of three requests per minute.
async fn limited_client(app: &TestApp) -> Client {
    let auth = Auth::new(app.platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let config = ApiConfig { requests_per_minute: 3, ..ApiConfig::default() };
    let state = ApiState::builder(app.platform.clone(), auth).with_config(config).build();
    let ann = app.sign_in("ann").await;
    let token = ann.client.create_token().await;
    Client::anonymous(router(state)).with_bearer(&token)
}

/// Statuses of four requests.
async fn four_requests(client: &Client) -> [u16; 4] {
    let mut statuses = [0; 4];
    for status in &mut statuses {
        *status = client.send(Method::GET, "/api/v1/organizations", &Value::Null).await.status.as_u16();
    }
    statuses
}

#[tokio::test]
async fn requests_stay_limited_while_the_ephemeral_store_is_full() {
    let ephemeral = FullEphemeral::new();
    let app = TestApp::with(|builder| builder.with_ephemeral(ephemeral.clone())).await;
    let client = limited_client(&app).await;
    let [full, empty] = replicas(&app).await;
    ephemeral.is_full.store(true, Ordering::Relaxed);
    assert_eq!(four_requests(&client).await, [200, 200, 200, 429]);
    let (status, body) = readiness(full).await;
    assert_eq!((status, &body["backends"]["ephemeral"]), (503, &json!("unavailable")));
    ephemeral.is_full.store(false, Ordering::Relaxed);
    assert_eq!(readiness(empty).await.0, 200);
}

#[tokio::test]
async fn a_full_redis_is_reported_and_does_not_stop_requests() {
    let server = Redis::start(&[]);
    let redis = RedisEphemeral::connect(&RedisConfig::new([server.url()])).await.unwrap();
    let app = TestApp::with(|builder| builder.with_ephemeral(Arc::new(redis))).await;
    let client = limited_client(&app).await;
    let set_limit = |limit: &str| {
        let command = ["-u", server.url(), "CONFIG", "SET", "maxmemory", limit];
        assert!(Command::new("redis-cli").args(command).status().unwrap().success());
    };
    let [before, full, after] = replicas(&app).await;
    assert_eq!(readiness(before).await.0, 200);
    set_limit("1");
    assert_eq!(four_requests(&client).await, [200, 200, 200, 429]);
    let (status, body) = readiness(full).await;
    let expected = json!({ "store": "ok", "ephemeral": "unavailable", "queue": "ok" });
    for (backend, state) in expected.as_object().unwrap() {
        assert_eq!(&body["backends"][backend], state, "{backend}");
    }
    assert_eq!((status, &body["degraded"]), (503, &json!(false)));
    set_limit("0");
    assert_eq!(readiness(after).await.0, 200);
}

#[tokio::test]
async fn without_the_queue_the_process_is_ready_and_degraded() {
    let mut server = Nats::start(&[]);
    let queue = NatsQueue::connect(NatsConfig::new(server.url())).await.unwrap();
    let app = TestApp::with(|builder| builder.with_queue(Arc::new(queue))).await;
    let [before, after] = replicas(&app).await;
    let (status, body) = readiness(before).await;
    assert_eq!((status, &body["degraded"]), (200, &json!(false)));
    server.stop();
    let (status, body) = readiness(after).await;
    assert_eq!((status, &body["degraded"], &body["status"]), (200, &json!(true), &json!("ok")));
    assert_eq!(body["backends"]["queue"], "unavailable");
}

#[tokio::test]
async fn without_a_host_cluster_the_process_is_ready_and_degraded() {
    let mut away = MockClusterProvisioner::new();
    away.expect_ping().returning(|| Err(Error::unavailable("the host does not respond")));
    let host = |name: &str| HostCluster::new(HostClusterName::parse(name).unwrap());
    let up = Arc::new(MemoryProvisioner::new(Arc::new(SystemClock), Duration::ZERO));
    let fleet = Fleet::new().with(host("up"), up).with(host("away"), Arc::new(away));
    let app = TestApp::with(|builder| builder.with_fleet(fleet)).await;
    let [replica] = replicas(&app).await;
    let (status, body) = readiness(replica).await;
    assert_eq!((status, &body["degraded"], &body["status"]), (200, &json!(true), &json!("ok")));
    let states = [&body["backends"]["host/up"], &body["backends"]["host/away"]];
    assert_eq!(states, [&json!("ok"), &json!("unavailable")]);
}
