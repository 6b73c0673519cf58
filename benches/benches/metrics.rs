//! Metrics of a workspace: one request for the last hour at a step of 30 seconds, compared with its bare query of
//! Prometheus, the one for the values, whose response is not parsed; and the number of queries of a request for the
//! health. Requests for metrics also read what was measured, and the names of pods.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use hexabase_benches::{Comparison, Target, median, report, row};
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::ManualClock;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::metrics::{GroupBy, Metric};
use hexabase_core::model::OrganizationRole;
use hexabase_core::platform::{Caller, ChartRequest};
use hexabase_core::store::{Commit as _, MemoryStore};
use hexabase_k8s::{PrometheusConfig, PrometheusMetrics};
use hexabase_test_servers::Prometheus;
use jiff::SignedDuration;

const PODS: usize = 50;
/// Number of other workspaces with as many pods.
const OTHERS: usize = 20;
const MEASURED_PASSES: usize = 20;
/// Maximum number of queries for the health of a workspace.
const MAX_HEALTH_QUERIES: usize = 4;
const SCRAPE_INTERVAL_SECONDS: usize = 30;

/// Two hours of processor time of all workspaces, in the OpenMetrics format.
fn measurements() -> String {
    let mut text = String::from("# TYPE container_cpu_usage_seconds counter\n");
    let scrapes = || {
        let seconds = (-7_200_i64..=0).step_by(SCRAPE_INTERVAL_SECONDS);
        seconds.map(|seconds| FIXTURE_TIME + SignedDuration::from_secs(seconds)).enumerate()
    };
    let others = (0..OTHERS).map(|number| id::<WorkspaceId>(&format!("other-{number}")));
    for workspace in [id::<WorkspaceId>("dev")].into_iter().chain(others) {
        let namespace = workspace.kubernetes_name();
        for pod in 0..PODS {
            let labels =
                format!("namespace=\"{namespace}\",pod=\"web-{pod}\",container=\"web\",job=\"kubelet\"");
            for (index, at) in scrapes() {
                writeln!(text, "container_cpu_usage_seconds_total{{{labels}}} {index} {}", at.as_second())
                    .unwrap();
            }
        }
    }
    text.push_str("# TYPE up gauge\n");
    for (_, at) in scrapes() {
        writeln!(text, "up{{job=\"kubelet\"}} 1 {}", at.as_second()).unwrap();
    }
    text + "# EOF\n"
}

async fn create_platform(prometheus: &str) -> Platform {
    let store = MemoryStore::new();
    let owner = fixture::member(id("acme"), id("ann"), OrganizationRole::Owner);
    let workspace = fixture::workspace("dev");
    let changeset = Changeset::new()
        .insert(fixture::organization("acme"))
        .insert(fixture::user("ann"))
        .insert(owner)
        .insert(workspace);
    store.commit(changeset).await.unwrap();
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new(prometheus)).unwrap();
    Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(store))
        .with_metrics(Arc::new(metrics))
        .with_clock(Arc::new(ManualClock::new(FIXTURE_TIME)))
        .build()
        .unwrap()
}

/// Query that a platform sent to Prometheus.
#[derive(Debug, Clone)]
struct SentQuery {
    uri: Uri,
    content_type: HeaderValue,
    body: Bytes,
}

impl SentQuery {
    /// Sends the query without parsing the response.
    async fn send(self, client: &reqwest::Client, prometheus: &str) -> Bytes {
        let request = client.post(format!("{prometheus}{}", self.uri)).body(self.body);
        let response = request.header(header::CONTENT_TYPE, self.content_type).send().await.unwrap();
        assert!(response.status().is_success());
        response.bytes().await.unwrap()
    }
}

/// Returns the queries that a platform sends to Prometheus for one request.
async fn queries_of(
    prometheus: &Prometheus,
    client: &reqwest::Client,
    request: impl AsyncFnOnce(Platform),
) -> Vec<SentQuery> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let (recorded, upstream, client) = (sent.clone(), prometheus.url().to_owned(), client.clone());
    let forward = async move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let query = SentQuery { uri, content_type: headers[header::CONTENT_TYPE].clone(), body };
        recorded.lock().unwrap().push(query.clone());
        query.send(&client, &upstream).await
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(forward)).await });
    request(create_platform(&proxy).await).await;
    let sent = sent.lock().unwrap();
    sent.clone()
}

#[tokio::main]
async fn main() {
    let prometheus = Prometheus::with(&measurements());
    let platform = create_platform(prometheus.url()).await;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let caller = Caller::for_user(id("ann"));
    for (by, what) in [
        (None, "one metric of a workspace, 1 hour in steps of 30 s"),
        (Some(GroupBy::Pod), "the same by pod, 50 pods with their names"),
    ] {
        let range = Duration::from_secs(3_600);
        let request = ChartRequest { metric: Metric::Cpu, range, step: None, project: None, by };
        let sent = queries_of(&prometheus, &client, async |platform: Platform| {
            platform.metrics().chart(&caller, id("acme"), id("dev"), &request).await.unwrap();
        });
        let is_of_values = |sent: &SentQuery| {
            String::from_utf8_lossy(&sent.body).contains("container_cpu_usage_seconds_total")
        };
        let values = sent.await.into_iter().find(is_of_values).unwrap();
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for pass in 0..=MEASURED_PASSES {
            let started = Instant::now();
            let found = platform.metrics().chart(&caller, id("acme"), id("dev"), &request).await.unwrap();
            let took = started.elapsed();
            assert!(found.chart.measured.iter().all(|is_measured| *is_measured));
            let started = Instant::now();
            assert!(values.clone().send(&client, prometheus.url()).await.len() > 1_000);
            // The first pass is a warm-up.
            if pass > 0 {
                ours.push(took);
                floors.push(started.elapsed());
            }
        }
        let comparison = Comparison { ours: median(ours), floor: median(floors) };
        report(
            what,
            "its bare query of Prometheus, response not parsed",
            comparison,
            Target::TimesFloor(1.3),
        );
    }
    let queries = queries_of(&prometheus, &client, async |platform: Platform| {
        platform.metrics().health(&caller, id("acme"), id("dev")).await.unwrap();
    });
    let queries = queries.await.len();
    let target = format!("≤ {MAX_HEALTH_QUERIES}");
    row(
        "queries of a request for the health of a workspace",
        &queries,
        "1",
        "–",
        &target,
        queries <= MAX_HEALTH_QUERIES,
    );
}
