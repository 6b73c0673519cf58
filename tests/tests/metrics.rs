//! Metrics and health of workspaces over HTTP.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Method, StatusCode};
use hexabase_core::clock::ManualClock;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::metrics::{
    Chart, ChartQuery, Federation, MemoryMetrics, Metric, MetricsSource, RuleQuery, Sample, Series,
    SeriesLabels, SeriesQuery,
};
use hexabase_tests::{Client, Response, TestApp, TestUser};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Number of times that all other tasks run before the clock advances.
const IDLE_YIELDS: u32 = 100;

struct Setup {
    app: TestApp,
    clock: Arc<ManualClock>,
    ann: TestUser,
    organization: String,
    workspace: String,
}

impl Setup {
    async fn new(source: Arc<dyn MetricsSource>) -> Self {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let app = TestApp::with(|builder| builder.with_clock(clock.clone()).with_metrics(source)).await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
        let workspace = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
        Self { app, clock, ann, organization, workspace }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v1/organizations/{}/workspaces/{}{rest}", self.organization, self.workspace)
    }

    async fn get(&self, client: &Client, rest: &str) -> Response {
        client.send(Method::GET, &self.path(rest), &Value::Null).await
    }
}

/// CPU of two pods in two projects, every 30 seconds for ten minutes, but not in minutes four and five before now.
fn measure(metrics: &MemoryMetrics, workspace: &str) {
    for index in (0..20).filter(|index| !(8..12).contains(index)) {
        let at = FIXTURE_TIME - SignedDuration::from_secs(30 * index);
        for (project, pod, value) in [("shop", "web-1", 0.5), ("data", "db-0", 0.25)] {
            let [project, pod, container] = [project, pod, "main"].map(|name| Some(name.to_owned()));
            let part = SeriesLabels { project, pod, container };
            metrics.measure_part(workspace.parse().unwrap(), Metric::Cpu, &part, Sample { at, value });
        }
    }
}

#[tokio::test]
async fn a_metric_has_points_gaps_a_quota_and_labels() {
    let metrics = Arc::new(MemoryMetrics::new());
    let setup = Setup::new(metrics.clone()).await;
    measure(&metrics, &setup.workspace);
    let now = FIXTURE_TIME.as_second();
    let found = setup.get(&setup.ann.client, "/metrics/cpu?range=6m&step=30s").await.body;
    assert_eq!(
        (&found["unit"], &found["step"], &found["sandbox"]),
        (&json!("cores"), &json!("30s"), &json!(false))
    );
    assert_eq!(found["series"][0]["labels"], json!({}));
    let points = found["series"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 12);
    assert_eq!((&points[0], &points[11]), (&json!([now - 330, null]), &json!([now, 0.75])));
    let at = |seconds: i64| (FIXTURE_TIME - SignedDuration::from_secs(seconds)).to_string();
    assert_eq!(found["measured"], json!([[at(240), at(0)]]));
    assert!(found["quota"].as_f64().unwrap() > 0.0, "{found}");

    let found = setup.get(&setup.ann.client, "/metrics/cpu?range=2m&by=pod").await.body;
    let labels: Vec<&Value> = found["series"].as_array().unwrap().iter().map(|it| &it["labels"]).collect();
    assert_eq!(
        labels,
        [&json!({ "project": "shop", "pod": "web-1" }), &json!({ "project": "data", "pod": "db-0" })]
    );
    let found = setup.get(&setup.ann.client, "/metrics/cpu?range=2m&project=data").await.body;
    assert_eq!(found["series"][0]["labels"], json!({ "project": "data" }));
    assert_eq!((&found["series"][0]["points"][3][1], &found["quota"]), (&json!(0.25), &Value::Null));
}

#[tokio::test]
async fn invalid_requests_name_the_field() {
    let setup = Setup::new(Arc::new(MemoryMetrics::new())).await;
    assert_eq!(setup.get(&setup.ann.client, "/metrics/disk").await.status, StatusCode::NOT_FOUND);
    for (query, field) in [
        ("cpu?range=1w", "range"),
        ("cpu?range=16d", "range"),
        ("cpu?range=10s", "range"),
        ("cpu?step=0s", "step"),
        ("cpu?project=A%22%7D", "project"),
        ("storage?by=pod", "by"),
        ("api_requests?project=shop", "project"),
        ("cpu?by=node", "by"),
    ] {
        let rejected = setup.get(&setup.ann.client, &format!("/metrics/{query}")).await;
        assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", rejected.text);
        assert_eq!(rejected.body["errors"][0]["field"], field, "{query}: {}", rejected.text);
    }
}

#[tokio::test]
async fn projects_and_pods_need_the_right_to_read_projects() {
    let setup = Setup::new(Arc::new(MemoryMetrics::new())).await;
    let token = |name: &str, scope: &str| json!({ "name": name, "scopes": [scope] });
    for (scope, whole, parts) in [
        ("workspaces:read", StatusCode::OK, StatusCode::FORBIDDEN),
        ("projects:read", StatusCode::FORBIDDEN, StatusCode::OK),
    ] {
        let token = token(&scope.replace(':', "-"), scope);
        let created = setup.ann.client.send_ok(Method::POST, "/api/v1/me/tokens", &token).await;
        let client = setup.app.anonymous().with_bearer(created["secret"].as_str().unwrap());
        for (query, expected) in [("", whole), ("?by=pod", parts), ("?project=shop", parts)] {
            let response = setup.get(&client, &format!("/metrics/cpu{query}")).await;
            assert_eq!(response.status, expected, "{scope} {query}: {}", response.text);
        }
    }
}

/// A metrics source that is absent, or never responds.
#[derive(Debug, Default)]
struct BrokenSource {
    stalls: bool,
    calls: AtomicUsize,
}

impl BrokenSource {
    async fn respond<T: Send>(&self) -> Result<T> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match self.stalls {
            true => std::future::pending().await,
            false => Err(Error::unavailable("the Prometheus query failed")),
        }
    }
}

#[async_trait]
impl MetricsSource for BrokenSource {
    async fn series(&self, _: &SeriesQuery) -> Result<Vec<Series>> {
        self.respond().await
    }

    async fn chart(&self, _: &ChartQuery) -> Result<Chart> {
        self.respond().await
    }

    async fn rule_values(&self, _: &RuleQuery) -> Result<Vec<Sample>> {
        self.respond().await
    }

    async fn latest(&self, _: &TenantTarget, _: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        self.respond().await
    }

    async fn federate(&self, _: &TenantTarget, _: Timestamp) -> Result<Federation> {
        self.respond().await
    }

    fn name(&self) -> &'static str {
        "broken"
    }
}

#[tokio::test]
async fn a_source_that_does_not_respond_delays_nothing_else() {
    let source = Arc::new(BrokenSource { stalls: true, ..BrokenSource::default() });
    let setup = Setup::new(source.clone()).await;
    let get = || {
        let (client, path) = (setup.ann.client.clone(), setup.path("/metrics/cpu"));
        tokio::spawn(async move { client.send(Method::GET, &path, &Value::Null).await })
    };
    let requests: Vec<_> = (0..4).map(|_| get()).collect();
    while source.calls.load(Ordering::Relaxed) < 4 {
        tokio::task::yield_now().await;
    }
    // The workspace has four queries in progress; everything else responds.
    let fifth = get().await.unwrap();
    assert_eq!(
        (fifth.status, &fifth.body["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_metric_queries"))
    );
    let rule = json!({
        "name": "high", "metric": "cpu", "comparison": "above", "threshold": 1, "for": "0", "severity": "info",
    });
    let dry_run = setup.path("/alert-rules?dry_run=true");
    let dry_run = setup.ann.client.send(Method::POST, &dry_run, &rule).await;
    assert_eq!(dry_run.body["code"], "too_many_metric_queries", "{}", dry_run.text);
    assert_eq!(setup.get(&setup.ann.client, "").await.status, StatusCode::OK);
    for _ in 0..IDLE_YIELDS {
        tokio::task::yield_now().await;
    }
    setup.clock.advance(Duration::from_secs(10));
    for request in requests {
        let late = request.await.unwrap();
        assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE, "{}", late.text);
        assert_eq!(late.headers["retry-after"], "10");
    }
    // The slots are free again.
    let next = get();
    while source.calls.load(Ordering::Relaxed) < 5 {
        tokio::task::yield_now().await;
    }
    next.abort();
}

#[tokio::test]
async fn a_failing_source_is_unavailable() {
    let source = Arc::new(BrokenSource::default());
    let setup = Setup::new(source.clone()).await;
    for path in ["/metrics/cpu", "/metrics/federate", "/metrics/federate"] {
        let failed = setup.get(&setup.ann.client, path).await;
        assert_eq!(
            (failed.status, &failed.body["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable"))
        );
    }
    assert_eq!(source.calls.load(Ordering::Relaxed), 3, "errors are not reused");
}

#[tokio::test]
async fn a_slow_source_is_unavailable_for_federation_after_ten_seconds() {
    let source = Arc::new(BrokenSource { stalls: true, ..BrokenSource::default() });
    let setup = Setup::new(source.clone()).await;
    let (client, path) = (setup.ann.client.clone(), setup.path("/metrics/federate"));
    let request = tokio::spawn(async move { client.send(Method::GET, &path, &Value::Null).await });
    while source.calls.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..IDLE_YIELDS {
        tokio::task::yield_now().await;
    }
    setup.clock.advance(Duration::from_secs(10));
    assert_eq!(request.await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Source that counts the reads of federated series.
#[derive(Debug, Default)]
struct CountedSource {
    measured: MemoryMetrics,
    reads: AtomicUsize,
}

#[async_trait]
impl MetricsSource for CountedSource {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
        self.measured.series(query).await
    }

    async fn chart(&self, query: &ChartQuery) -> Result<Chart> {
        self.measured.chart(query).await
    }

    async fn latest(&self, target: &TenantTarget, now: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        self.measured.latest(target, now).await
    }

    async fn rule_values(&self, query: &RuleQuery) -> Result<Vec<Sample>> {
        self.measured.rule_values(query).await
    }

    async fn federate(&self, target: &TenantTarget, now: Timestamp) -> Result<Federation> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.measured.federate(target, now).await
    }

    fn name(&self) -> &'static str {
        "counted"
    }
}

#[tokio::test]
async fn federated_series_are_read_once_per_interval_for_all_callers() {
    let source = Arc::new(CountedSource::default());
    let setup = Setup::new(source.clone()).await;
    measure(&source.measured, &setup.workspace);
    let token = json!({ "name": "prometheus", "scopes": ["projects:read"] });
    let token = setup.ann.client.send_ok(Method::POST, "/api/v1/me/tokens", &token).await;
    let prometheus = setup.app.anonymous().with_bearer(token["secret"].as_str().unwrap());
    for client in [&setup.ann.client, &prometheus, &prometheus] {
        let federated = setup.get(client, "/metrics/federate").await;
        assert_eq!(federated.status, StatusCode::OK, "{}", federated.text);
        assert_eq!(federated.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        let series = "container_cpu_usage_seconds_total{namespace=\"shop\",pod=\"web-1\",container=\"main\"}";
        assert!(federated.text.contains(series), "{}", federated.text);
        assert!(federated.text.contains("hexabase_federation_series_left_out 0 "), "{}", federated.text);
    }
    assert_eq!(source.reads.load(Ordering::Relaxed), 1);
    setup.clock.advance(Duration::from_secs(15));
    setup.get(&prometheus, "/metrics/federate").await;
    assert_eq!(source.reads.load(Ordering::Relaxed), 2);

    let other = json!({ "name": "other", "scopes": ["workspaces:read"] });
    let other = setup.ann.client.send_ok(Method::POST, "/api/v1/me/tokens", &other).await;
    let other = setup.app.anonymous().with_bearer(other["secret"].as_str().unwrap());
    let stranger = setup.app.sign_in("eve").await.client;
    for (client, status) in [
        (&other, StatusCode::FORBIDDEN),
        (&stranger, StatusCode::NOT_FOUND),
        (&setup.app.anonymous(), StatusCode::UNAUTHORIZED),
    ] {
        let rejected = setup.get(client, "/metrics/federate").await;
        assert_eq!(
            rejected.status, status,
            "a recent result is for permitted callers only: {}",
            rejected.text
        );
    }
    assert_eq!(source.reads.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn conditions_of_a_source_without_readings_are_unknown() {
    let setup = Setup::new(Arc::new(MemoryMetrics::new())).await;
    let health = setup.get(&setup.ann.client, "/health").await.body;
    let conditions = health["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 9);
    assert!(conditions.iter().all(|it| it["status"] == "Unknown" && it["remedy"] != ""), "{health}");
}
