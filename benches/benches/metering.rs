//! Metering: one pass that reads an hour of all meters of 10,000 workspaces from a real Prometheus into PostgreSQL,
//! compared with one query per meter and one plain insert.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::{Comparison, Target, median, report, row};
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::ManualClock;
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::metering;
use hexabase_core::model::{Hour, Meter};
use hexabase_core::store::Commit as _;
use hexabase_core::worker::UsageCollector;
use hexabase_k8s::{PrometheusConfig, PrometheusMetrics};
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::{Postgres, Prometheus, peak_memory_kib};
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection as _, Executor as _, PgConnection};

const ORGANIZATIONS: usize = 1_000;
const WORKSPACES: usize = 10;
/// Number of measured passes.
const MEASURED_PASSES: usize = 5;
/// Interval between scrapes, in seconds.
const SCRAPE_INTERVAL_SECONDS: usize = 150;

/// Name and labels of the series from which a meter is read.
fn series_of(meter: Meter) -> (&'static str, &'static str) {
    match meter {
        Meter::Cpu => ("container_cpu_usage_seconds_total", "pod=\"web\",container=\"web\",job=\"kubelet\""),
        Meter::Memory => {
            ("container_memory_working_set_bytes", "pod=\"web\",container=\"web\",job=\"kubelet\"")
        }
        Meter::Storage => (
            "kube_persistentvolumeclaim_resource_requests_storage_bytes",
            "persistentvolumeclaim=\"data\",job=\"kube-state-metrics\"",
        ),
        Meter::NetworkReceive => {
            ("container_network_receive_bytes_total", "pod=\"web\",interface=\"eth0\",job=\"kubelet\"")
        }
        Meter::NetworkTransmit => {
            ("container_network_transmit_bytes_total", "pod=\"web\",interface=\"eth0\",job=\"kubelet\"")
        }
        Meter::ApiRequests => ("apiserver_request_total", "job=\"vcluster\""),
    }
}

fn workspace(organization: usize, number: usize) -> WorkspaceId {
    id(&format!("workspace-{organization}-{number}"))
}

fn workspaces() -> impl Iterator<Item = WorkspaceId> {
    (0..ORGANIZATIONS).flat_map(|organization| (0..WORKSPACES).map(move |it| workspace(organization, it)))
}

fn hour() -> Hour {
    Hour::of(FIXTURE_TIME)
}

fn scrapes() -> impl Iterator<Item = Timestamp> {
    (-600_i64..=3_900)
        .step_by(SCRAPE_INTERVAL_SECONDS)
        .map(|seconds| hour().start() + SignedDuration::from_secs(seconds))
}

/// One hour of measurements of all workspaces, in the OpenMetrics format.
fn measurements() -> String {
    let mut text = String::new();
    let mut family = |name: &str, series: &mut dyn Iterator<Item = (String, u64)>| {
        let is_counter = name.ends_with("_total");
        let kind = if is_counter { "counter" } else { "gauge" };
        writeln!(text, "# TYPE {} {kind}", name.strip_suffix("_total").unwrap_or(name)).unwrap();
        for (labels, value) in series {
            for (index, at) in scrapes().enumerate() {
                let value = if is_counter { value * index as u64 } else { value };
                writeln!(text, "{name}{{{labels}}} {value} {}", at.as_second()).unwrap();
            }
        }
    };
    for meter in Meter::ALL {
        let (name, labels) = series_of(*meter);
        let series = |(index, id): (usize, WorkspaceId)| {
            (format!("namespace=\"{}\",{labels}", id.kubernetes_name()), 1_000 + index as u64)
        };
        family(name, &mut workspaces().enumerate().map(series));
    }
    let tenant = format!("job=\"vcluster\",namespace=\"{}\"", workspace(0, 0).kubernetes_name());
    let targets = ["job=\"kubelet\"".to_owned(), "job=\"kube-state-metrics\"".to_owned(), tenant];
    family("up", &mut targets.into_iter().map(|labels| (labels, 1)));
    text + "# EOF\n"
}

async fn create_platform(postgres: &Postgres, prometheus: &Prometheus) -> (Platform, String) {
    let database = postgres.database().await;
    let config = PostgresConfig::new(postgres.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    let create = |number: usize| {
        let name = format!("organization-{number}");
        let mut changeset = Changeset::new().insert(fixture::organization(&name));
        for index in 0..WORKSPACES {
            let mut created = fixture::workspace(&format!("workspace-{number}-{index}"));
            created.organization_id = id(&name);
            changeset = changeset.insert(created);
        }
        store.commit(changeset)
    };
    iter((0..ORGANIZATIONS).map(create))
        .buffer_unordered(8)
        .for_each(|created| async { created.unwrap() })
        .await;
    let scrape_interval = Duration::from_secs(SCRAPE_INTERVAL_SECONDS as u64);
    let config = PrometheusConfig { scrape_interval, ..PrometheusConfig::new(prometheus.url()) };
    let metrics = PrometheusMetrics::new(&config).unwrap();
    let clock = ManualClock::new(hour().end() + SignedDuration::from_mins(6));
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(store))
        .with_metrics(Arc::new(metrics))
        .with_clock(Arc::new(clock))
        .build()
        .unwrap();
    (platform, postgres.url_of(&database))
}

fn reset_peak_memory() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Queries all data, without parsing the responses. Returns their size in bytes.
async fn query_all(client: &reqwest::Client, prometheus: &Prometheus) -> usize {
    let mut bytes = 0;
    for meter in Meter::ALL {
        let (name, _) = series_of(*meter);
        let query = match name.ends_with("_total") {
            true => format!("sum by (namespace) (rate({name}[600s]))"),
            false => format!("sum by (namespace) ({name})"),
        };
        let start = (hour().start().as_second() + 300).to_string();
        let end = hour().end().as_second().to_string();
        let form = [("query", query.as_str()), ("start", &start), ("end", &end), ("step", "300")];
        let body = url_encoded(&form);
        let request = client
            .post(format!("{}/api/v1/query_range", prometheus.url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let response = request.send().await.unwrap();
        assert!(response.status().is_success());
        bytes += response.bytes().await.unwrap().len();
    }
    bytes
}

fn url_encoded(form: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// Inserts all rows with one statement that selects them in the database.
async fn insert_all(connection: &mut PgConnection) {
    let columns: Vec<String> = Meter::ALL.iter().map(|meter| format!("{meter}, {meter}_minutes")).collect();
    let values = ["1000, 60"; Meter::COUNT].join(", ");
    let insert = format!(
        "INSERT INTO usage_hours (organization_id, hour, workspace_id, {}) \
         SELECT organization_id, '{}', id, {values} FROM workspaces",
        columns.join(", "),
        hour().start()
    );
    connection.execute(sqlx::AssertSqlSafe(insert)).await.unwrap();
}

async fn delete_usage(connection: &mut PgConnection) {
    connection.execute("TRUNCATE usage_hours, metered_hours").await.unwrap();
}

#[tokio::main]
async fn main() {
    let (postgres, prometheus) = (Postgres::start(), Prometheus::with(&measurements()));
    let (platform, database) = create_platform(&postgres, &prometheus).await;
    let mut connection = PgConnection::connect(&database).await.unwrap();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let all = ORGANIZATIONS * WORKSPACES;
    let (mut ours, mut floors, mut memory_growth, mut responses) = (Vec::new(), Vec::new(), 0, 0);
    for pass in 0..=MEASURED_PASSES {
        delete_usage(&mut connection).await;
        reset_peak_memory();
        let before = peak_memory_kib(std::process::id());
        let started = Instant::now();
        assert_eq!(UsageCollector::new(&platform).collect().await.unwrap(), 1);
        let took = started.elapsed();
        memory_growth = peak_memory_kib(std::process::id()).saturating_sub(before);
        let complete =
            "SELECT COUNT(*) FROM usage_hours WHERE cpu_minutes = 60 AND api_requests_minutes = 60";
        let complete_rows: i64 = sqlx::query_scalar(complete).fetch_one(&mut connection).await.unwrap();
        assert_eq!(usize::try_from(complete_rows).unwrap(), all);
        delete_usage(&mut connection).await;
        let started = Instant::now();
        responses = query_all(&client, &prometheus).await;
        insert_all(&mut connection).await;
        // The first pass is a warm-up.
        if pass > 0 {
            ours.push(took);
            floors.push(started.elapsed());
        }
    }
    assert_eq!(metering::SAMPLE_INTERVAL, Duration::from_secs(300));
    let what =
        format!("{all} workspaces × {} meters × 1 hour, from Prometheus into PostgreSQL", Meter::COUNT);
    let comparison = Comparison { ours: median(ours), floor: median(floors) };
    report(
        &what,
        "one query per meter for all workspaces, response not parsed, and one insert",
        comparison,
        Target::AtMost(Duration::from_secs(5)),
    );
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let floor = format!("{} of responses", mib(responses as u64 / 1024));
    let most = 16 * 1024;
    row("peak memory of this", &mib(memory_growth), &floor, "", &"≤ 16 MiB", memory_growth <= most);
}
