//! Read of a workspace over HTTP, compared with an axum handler that executes the same query; and with traces and metrics
//! of the requests, compared with a process that records neither.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path as PathParams, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig, DevProvider};
use hexabase_benches::{Rounds, Target, alternate, alternate_in, report};
use hexabase_core::Platform;
use hexabase_core::model::Origin;
use hexabase_core::name::{Email, ProviderName};
use hexabase_store::SqliteStore;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// First argument of this program as a server whose requests are measured. The second is the URL of the collector of its
/// spans; without it the server records neither spans nor metrics.
const SERVE: &str = "serve-a-workspace";
/// Number of pairs of servers with and without telemetry. Two equal processes differ by some percent.
const SERVER_PAIRS: usize = 9;
/// Interval at which recorded histogram samples are aggregated, as in the server.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next() {
        Some(first) if first == SERVE => serve(arguments.next().as_deref()),
        _ => {
            measure_read();
            measure_telemetry();
        }
    }
}

fn measure_read() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hexabase.db");
    let client = reqwest::Client::builder().build().unwrap();
    let (ours, baseline, token) = runtime.block_on(async {
        let (ours, path, token) = start_server(&file, &client).await;
        (format!("{ours}{path}"), format!("{}{path}", start_baseline(&file).await), token)
    });
    let request = |url: &str| {
        runtime.block_on(async {
            let response = client.get(url).bearer_auth(&token).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.bytes().await.unwrap().len() > 300);
        });
    };
    let comparison = alternate(|| request(&ours), || request(&baseline));
    report(
        "`GET` of a workspace over HTTP",
        "an axum handler with the same query",
        comparison,
        Target::TimesFloor(2.5),
    );
}

/// Measures the same read in a process that exports the span of each request and records its metrics. The result is the
/// median of several pairs of processes.
fn measure_telemetry() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = reqwest::Client::builder().build().unwrap();
    // It accepts all spans, and drops them.
    let collector =
        runtime.block_on(listen(Router::new().route("/v1/traces", post(async |_: Bytes| Json(json!({}))))));
    let request = |server: &Server| {
        runtime.block_on(async {
            let response = client.get(&server.url).bearer_auth(&server.token).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert!(response.bytes().await.unwrap().len() > 300);
        });
    };
    let compare = |_| {
        let (with, without) = (Server::start(&[&collector]), Server::start(&[]));
        alternate_in(Rounds::LONG, || request(&with), || request(&without))
    };
    let mut comparisons: Vec<_> = (0..SERVER_PAIRS).map(compare).collect();
    comparisons.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
    let comparison = comparisons[SERVER_PAIRS / 2];
    let floor = "the same server without spans and metrics";
    report("`GET` of a workspace, traced and counted", floor, comparison, Target::TimesFloor(1.05));
}

/// This program as a server, in a process of its own: recorders are global. It stops when this value is dropped.
struct Server {
    url: String,
    token: String,
    child: Child,
    input: Option<ChildStdin>,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(SERVE).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, mut line) = (child.stdin.take(), String::new());
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (url, token) = line.trim().split_once(' ').unwrap();
        Self { url: url.to_owned(), token: token.to_owned(), child, input }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

/// Serves a workspace until the standard input ends.
fn serve(collector: Option<&str>) {
    // The exporter needs to be created outside of an async runtime.
    let telemetry = collector.map(record_telemetry);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().build().unwrap();
        let (ours, path, token) = start_server(&directory.path().join("hexabase.db"), &client).await;
        if let Some((_, metrics)) = telemetry.clone() {
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(UPKEEP_INTERVAL).await;
                    metrics.run_upkeep();
                }
            });
        }
        std::io::stdout().write_all(format!("{ours}{path} {token}\n").as_bytes()).unwrap();
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    });
    if let Some((spans, _)) = telemetry {
        spans.shutdown().unwrap();
    }
}

/// Installs the recorders of spans and metrics as in the server, which also writes log lines.
fn record_telemetry(collector: &str) -> (SdkTracerProvider, PrometheusHandle) {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(reqwest::blocking::Client::new())
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{collector}/v1/traces"))
        .build()
        .unwrap();
    let spans = SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(spans.tracer("hexabase"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    let filter: Targets = "warn,hexabase=info".parse().unwrap();
    tracing_subscriber::Registry::default().with(filter).with(layer).init();
    let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
    let metrics = PrometheusBuilder::new().set_buckets(&buckets).unwrap().install_recorder().unwrap();
    (spans, metrics)
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Starts the API on a database with a workspace. Returns its URL, the path of the workspace, and a token.
async fn start_server(file: &Path, client: &reqwest::Client) -> (String, String, String) {
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(SqliteStore::open(file).await.unwrap()))
        .build()
        .unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let identity = DevProvider::identity(&Email::parse("ann@example.com").unwrap(), None);
    let dev = ProviderName::parse("dev").unwrap();
    let token = auth.sign_in().with_identity(&dev, &identity, &Origin::default()).await.unwrap().access_token;
    // Requests are counted, but never rejected.
    let config = ApiConfig { requests_per_minute: u32::MAX, ..ApiConfig::default() };
    let ours = listen(router(ApiState::builder(platform, auth).with_config(config).build())).await;
    let create = async |path: &str, body: Value| -> String {
        let request = client.post(format!("{ours}{path}")).bearer_auth(&token).json(&body);
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        format!("{path}/{}", created["id"].as_str().unwrap())
    };
    let organization = create("/api/v1/organizations", json!({"name": "acme", "display_name": "Acme"})).await;
    let path =
        create(&format!("{organization}/workspaces"), json!({"name": "shop", "plan_id": "team"})).await;
    (ours, path, token)
}

/// Starts a server whose handler only executes the query and serializes the result. Returns its URL.
async fn start_baseline(file: &Path) -> String {
    let options =
        SqliteConnectOptions::new().filename(file).journal_mode(SqliteJournalMode::Wal).read_only(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let path = "/api/v1/organizations/{org}/workspaces/{ws}";
    listen(Router::new().route(path, get(read)).with_state(pool)).await
}

async fn read(
    State(pool): State<SqlitePool>,
    PathParams((org, ws)): PathParams<(String, String)>,
) -> Json<Value> {
    let query = "SELECT name, display_name, plan_id, region, kubernetes_version, power, deletion_requested_at, \
                 host_cluster, generation, access_version, status, reconcile_at, created_by, created_at, updated_at, \
                 version FROM workspaces WHERE organization_id = ? AND id = ?";
    let row = sqlx::query(query).bind(&org).bind(&ws).fetch_one(&pool).await.unwrap();
    let status: Value = serde_json::from_str(row.get("status")).unwrap();
    let (text, number) =
        (|name: &str| row.get::<Option<String>, _>(name), |name: &str| row.get::<Option<i64>, _>(name));
    Json(json!({
        "id": ws, "organization_id": org, "name": text("name"), "display_name": text("display_name"),
        "plan_id": text("plan_id"), "host_cluster": text("host_cluster"), "power": text("power"),
        "kubernetes_version": text("kubernetes_version"), "generation": number("generation"),
        "access_version": number("access_version"), "version": number("version"), "status": status,
        "created_at": number("created_at"), "updated_at": number("updated_at"),
    }))
}
