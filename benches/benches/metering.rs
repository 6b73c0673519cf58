//! Metering: the meters of ten thousand workspaces read for an hour in one pass, from a real Prometheus into PostgreSQL,
//! next to asking that Prometheus for all of it at once and one bare insert.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_benches::{Pair, Target, median, report, row};
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::ManualClock;
use hexabase_core::fixture::{self, THEN, id};
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::metering;
use hexabase_core::model::{Hour, Meter};
use hexabase_core::store::Commit as _;
use hexabase_core::worker::MeterReader;
use hexabase_k8s::{PrometheusMetrics, PrometheusSettings};
use hexabase_store::{PostgresSettings, PostgresStore};
use hexabase_test_servers::{Postgres, Prometheus};
use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection as _, Executor as _, PgConnection};

const ORGANIZATIONS: usize = 1_000;
const WORKSPACES: usize = 10;
/// How often the pass is made.
const PASSES: usize = 5;
/// How far scrapes are apart, in seconds.
const SCRAPE: usize = 150;

/// What is read of a meter, and what is written down for it in the floor.
fn name_of(meter: Meter) -> (&'static str, &'static str) {
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
    Hour::of(THEN)
}

fn scrapes() -> impl Iterator<Item = Timestamp> {
    (-600_i64..=3_900).step_by(SCRAPE).map(|seconds| hour().start() + SignedDuration::from_secs(seconds))
}

/// An hour of everybody, as a Prometheus knows it.
fn measurements() -> String {
    let mut text = String::new();
    let mut family = |name: &str, series: &mut dyn Iterator<Item = (String, u64)>| {
        let counts = name.ends_with("_total");
        let kind = if counts { "counter" } else { "gauge" };
        writeln!(text, "# TYPE {} {kind}", name.strip_suffix("_total").unwrap_or(name)).unwrap();
        for (labels, value) in series {
            for (place, at) in scrapes().enumerate() {
                let value = if counts { value * place as u64 } else { value };
                writeln!(text, "{name}{{{labels}}} {value} {}", at.as_second()).unwrap();
            }
        }
    };
    for meter in Meter::ALL {
        let (name, labels) = name_of(*meter);
        let of = |(place, id): (usize, WorkspaceId)| {
            (format!("namespace=\"{}\",{labels}", id.kubernetes_name()), 1_000 + place as u64)
        };
        family(name, &mut workspaces().enumerate().map(of));
    }
    family("machine_cpu_cores", &mut std::iter::once(("job=\"kubelet\"".to_owned(), 8)));
    family("kube_node_info", &mut std::iter::once(("job=\"kube-state-metrics\"".to_owned(), 1)));
    let tenant = format!("job=\"vcluster\",namespace=\"{}\"", workspace(0, 0).kubernetes_name());
    let targets = ["job=\"kubelet\"".to_owned(), "job=\"kube-state-metrics\"".to_owned(), tenant];
    family("up", &mut targets.into_iter().map(|labels| (labels, 1)));
    text + "# EOF\n"
}

async fn furnished(postgres: &Postgres, prometheus: &Prometheus) -> (Platform, String) {
    let database = postgres.database().await;
    let settings = PostgresSettings::new(postgres.url_of(&database));
    PostgresStore::migrate(&settings).await.unwrap();
    let store = PostgresStore::connect(&settings).await.unwrap();
    let make = |number: usize| {
        let name = format!("organization-{number}");
        let mut changeset = Changeset::new().insert(fixture::organization(&name));
        for place in 0..WORKSPACES {
            let mut made = fixture::workspace(&format!("workspace-{number}-{place}"));
            made.organization_id = id(&name);
            changeset = changeset.insert(made);
        }
        store.commit(changeset)
    };
    iter((0..ORGANIZATIONS).map(make)).buffer_unordered(8).for_each(|made| async { made.unwrap() }).await;
    let metrics = PrometheusMetrics::new(&PrometheusSettings::new(prometheus.url())).unwrap();
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

/// The most memory that this process had since it was last asked to count anew, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn count_anew() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Asks for everything at once, and reads nothing of the answers.
async fn ask_for_all(client: &reqwest::Client, prometheus: &Prometheus) -> usize {
    let mut bytes = 0;
    for meter in Meter::ALL {
        let (name, _) = name_of(*meter);
        let query = match name.ends_with("_total") {
            true => format!("sum by (namespace) (rate({name}[300s]))"),
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
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success());
        bytes += answer.bytes().await.unwrap().len();
    }
    bytes
}

fn url_encoded(form: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    form.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect::<Vec<_>>().join("&")
}

/// All rows in one statement, made by the database itself.
async fn insert_all(bare: &mut PgConnection) {
    let columns: Vec<String> = Meter::ALL.iter().map(|meter| format!("{meter}, {meter}_minutes")).collect();
    let values = ["1000, 60"; Meter::COUNT].join(", ");
    let insert = format!(
        "INSERT INTO usage_hours (organization_id, hour, workspace_id, {}) \
         SELECT organization_id, '{}', id, {values} FROM workspaces",
        columns.join(", "),
        hour().start()
    );
    bare.execute(sqlx::AssertSqlSafe(insert)).await.unwrap();
}

async fn forget(bare: &mut PgConnection) {
    bare.execute("TRUNCATE usage_hours, metered_hours").await.unwrap();
}

#[tokio::main]
async fn main() {
    let (postgres, prometheus) = (Postgres::start(), Prometheus::with(&measurements()));
    let (platform, database) = furnished(&postgres, &prometheus).await;
    let mut bare = PgConnection::connect(&database).await.unwrap();
    let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let all = ORGANIZATIONS * WORKSPACES;
    let (mut ours, mut floors, mut grown, mut answers) = (Vec::new(), Vec::new(), 0, 0);
    for pass in 0..=PASSES {
        forget(&mut bare).await;
        count_anew();
        let before = peak();
        let begun = Instant::now();
        assert_eq!(MeterReader::new(&platform).read().await.unwrap(), 1);
        let took = begun.elapsed();
        grown = peak().saturating_sub(before);
        let complete =
            "SELECT COUNT(*) FROM usage_hours WHERE cpu_minutes = 60 AND api_requests_minutes = 60";
        let kept: i64 = sqlx::query_scalar(complete).fetch_one(&mut bare).await.unwrap();
        assert_eq!(usize::try_from(kept).unwrap(), all);
        forget(&mut bare).await;
        let begun = Instant::now();
        answers = ask_for_all(&client, &prometheus).await;
        insert_all(&mut bare).await;
        // The first time everything is cold.
        if pass > 0 {
            ours.push(took);
            floors.push(begun.elapsed());
        }
    }
    assert_eq!(metering::STEP, Duration::from_secs(300));
    let what =
        format!("{all} workspaces × {} meters × 1 hour, from Prometheus into PostgreSQL", Meter::COUNT);
    let pair = Pair { ours: median(ours), floor: median(floors) };
    report(&what, "all at once, unread, and one insert", pair, Target::AtMost(Duration::from_secs(5)));
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
    let floor = format!("{} of answers", mib(answers as u64 / 1024));
    let most = 16 * 1024;
    row("memory that this takes at most", &mib(grown), &floor, "", &"≤ 16 MiB", grown <= most);
}
