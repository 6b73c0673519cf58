//! Streams of usage: one reading for all watchers, limits, failures and access.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hexabase_api::{ApiConfig, UsageStreamLimits};
use hexabase_core::clock::ManualClock;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::metrics::{
    Chart, ChartQuery, Metric, MetricsSource, RuleQuery, Sample, Series, SeriesQuery,
};
use hexabase_tests::{TestApp, TestUser};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Number of times that all other tasks run before the clock advances.
const IDLE_YIELDS: u32 = 100;
/// Interval between two readings.
const INTERVAL: Duration = Duration::from_secs(15);

/// Metrics source that counts the readings of the latest usage.
#[derive(Debug, Default)]
struct CountingSource {
    readings: AtomicUsize,
    fails: AtomicBool,
}

#[async_trait]
impl MetricsSource for CountingSource {
    async fn series(&self, _: &SeriesQuery) -> Result<Vec<Series>> {
        Ok(Vec::new())
    }

    async fn chart(&self, _: &ChartQuery) -> Result<Chart> {
        Err(Error::unsupported("no charts"))
    }

    async fn rule_values(&self, _: &RuleQuery) -> Result<Vec<Sample>> {
        Err(Error::unsupported("no alert rules"))
    }

    async fn latest(&self, _: &TenantTarget, _: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        let number = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        match self.fails.load(Ordering::Relaxed) {
            true => Err(Error::unavailable("the Prometheus query failed")),
            false => Ok([(Metric::Cpu, f64::from(u32::try_from(number).unwrap()))].into()),
        }
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "counting"
    }
}

struct Setup {
    app: TestApp,
    clock: Arc<ManualClock>,
    source: Arc<CountingSource>,
    ann: TestUser,
    organization: String,
    path: String,
}

impl Setup {
    async fn new(limits: UsageStreamLimits) -> Self {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let source = Arc::new(CountingSource::default());
        let config = ApiConfig { usage_streams: limits, ..TestApp::api_config() };
        let app = TestApp::with_api(config, |builder| {
            builder.with_clock(clock.clone()).with_metrics(source.clone())
        })
        .await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let path = Self::workspace(&ann, &organization, "shop").await;
        Self { app, clock, source, ann, organization, path }
    }

    async fn workspace(owner: &TestUser, organization: &str, name: &str) -> String {
        let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
        let id = owner.client.create(&workspaces, &json!({ "name": name, "plan_id": "team" })).await;
        format!("{workspaces}/{id}")
    }

    /// Body of a stream, or the status and code of the response that rejects it.
    async fn open(
        &self,
        user: &TestUser,
        workspace: &str,
    ) -> std::result::Result<Body, (StatusCode, String)> {
        let request = Request::get(format!("{workspace}/usage/stream"))
            .header("authorization", format!("Bearer {}", user.client.bearer()));
        let response = self.app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            return Ok(body);
        }
        let problem: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        Err((head.status, problem["code"].as_str().unwrap().to_owned()))
    }

    async fn run_tasks(&self) {
        for _ in 0..IDLE_YIELDS {
            tokio::task::yield_now().await;
        }
    }

    async fn advance(&self) {
        self.run_tasks().await;
        self.clock.advance(INTERVAL);
        self.run_tasks().await;
    }

    fn readings(&self) -> usize {
        self.source.readings.load(Ordering::Relaxed)
    }
}

/// Next event of a stream, as its name and data; `None` if the stream ends.
async fn next(body: &mut Body) -> Option<(String, Value)> {
    loop {
        let frame = body.frame().await?.unwrap().into_data().unwrap();
        let text = String::from_utf8(frame.to_vec()).unwrap();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let (Some(event), Some(data)) = (field("event:"), field("data:")) {
            return Some((event.to_owned(), serde_json::from_str(data).unwrap()));
        }
    }
}

fn limits(per_user: usize, per_workspace: usize, per_process: usize) -> UsageStreamLimits {
    UsageStreamLimits { per_user, per_workspace, per_process }
}

#[tokio::test]
async fn two_hundred_watchers_share_one_reading_per_interval() {
    let setup = Setup::new(limits(0, 0, 0)).await;
    let mut watchers = Vec::new();
    for _ in 0..200 {
        watchers.push(setup.open(&setup.ann, &setup.path).await.unwrap());
    }
    for round in 1..=3_usize {
        for watcher in &mut watchers {
            let (event, data) = next(watcher).await.unwrap();
            assert_eq!((event.as_str(), &data["values"]["cpu"]), ("usage", &json!(round as f64)));
            assert_eq!((&data["values"]["memory"], &data["sandbox"]), (&Value::Null, &json!(true)));
        }
        assert_eq!(setup.readings(), round);
        setup.advance().await;
    }
    // A late watcher receives the latest values without a reading of its own.
    let mut late = setup.open(&setup.ann, &setup.path).await.unwrap();
    assert_eq!(next(&mut late).await.unwrap().1["values"]["cpu"], 4.0);
    assert_eq!(setup.readings(), 4);
    // Nothing is read for closed streams.
    drop((watchers, late));
    setup.advance().await;
    setup.advance().await;
    assert_eq!(setup.readings(), 4);
}

#[tokio::test]
async fn streams_are_limited_per_user_workspace_and_process() {
    let setup = Setup::new(limits(2, 3, 4)).await;
    let other = Setup::workspace(&setup.ann, &setup.organization, "other").await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "admin").await;
    let eve = setup.app.add_member(&setup.ann, &setup.organization, "eve", "admin").await;
    let rejected = Some((StatusCode::TOO_MANY_REQUESTS, "too_many_usage_streams".to_owned()));
    let mut open = vec![
        setup.open(&setup.ann, &setup.path).await.unwrap(),
        setup.open(&setup.ann, &setup.path).await.unwrap(),
    ];
    assert_eq!(setup.open(&setup.ann, &other).await.err(), rejected, "per user");
    open.push(setup.open(&bob, &setup.path).await.unwrap());
    assert_eq!(setup.open(&bob, &setup.path).await.err(), rejected, "per workspace");
    open.push(setup.open(&bob, &other).await.unwrap());
    assert_eq!(setup.open(&eve, &other).await.err(), rejected, "per process");
    drop(open);
    assert!(setup.open(&eve, &other).await.is_ok());
}

#[tokio::test]
async fn a_failed_reading_is_an_event_and_the_stream_goes_on() {
    let setup = Setup::new(limits(0, 0, 0)).await;
    setup.source.fails.store(true, Ordering::Relaxed);
    let mut stream = setup.open(&setup.ann, &setup.path).await.unwrap();
    let (event, data) = next(&mut stream).await.unwrap();
    assert_eq!((event.as_str(), &data["code"]), ("unavailable", &json!("unavailable")));
    setup.source.fails.store(false, Ordering::Relaxed);
    setup.advance().await;
    assert_eq!(next(&mut stream).await.unwrap().0, "usage");
}

#[tokio::test]
async fn a_stream_ends_when_its_caller_loses_access() {
    let setup = Setup::new(limits(0, 0, 0)).await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    let outsider = setup.app.sign_in("outsider").await;
    for user in [&bob, &outsider] {
        let rejected = setup.open(user, &setup.path).await.unwrap_err();
        assert_eq!(rejected.0, StatusCode::NOT_FOUND);
    }
    let member = format!("{}/members/{}", setup.path, bob.id);
    setup.ann.client.send_ok(Method::PUT, &member, &Value::Null).await;
    let mut stream = setup.open(&bob, &setup.path).await.unwrap();
    let mut owner = setup.open(&setup.ann, &setup.path).await.unwrap();
    assert_eq!(next(&mut stream).await.unwrap().0, "usage");
    assert_eq!(next(&mut owner).await.unwrap().0, "usage");
    setup.ann.client.send_ok(Method::DELETE, &member, &Value::Null).await;
    setup.advance().await;
    assert!(next(&mut stream).await.is_none());
    assert_eq!(next(&mut owner).await.unwrap().0, "usage");
    // A revoked session ends the streams of its user.
    setup.ann.client.send_ok(Method::POST, "/auth/sessions/revoke-all", &Value::Null).await;
    setup.advance().await;
    assert!(next(&mut owner).await.is_none());
}
