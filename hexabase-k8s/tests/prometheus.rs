//! `PrometheusMetrics` against a real Prometheus, with measurements as host clusters make them.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;

use hexabase_core::ErrorKind;
use hexabase_core::conformance::metrics_source::{
    BEGIN, MetricsHarness, STEP, busy, in_use, is_measured, other,
};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::TypedId as _;
use hexabase_core::metrics::{Metric, MetricsSource, SeriesQuery};
use hexabase_k8s::{PrometheusMetrics, PrometheusSettings};
use hexabase_test_servers::Prometheus;
use jiff::{SignedDuration, Timestamp};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// How far scrapes are apart, in seconds.
const SCRAPE: i64 = 15;

/// What is scraped under a name, for whom, and how it goes on.
struct Scraped {
    name: &'static str,
    labels: String,
    value: f64,
    /// Whether it counts up by the value every second.
    counts: bool,
}

fn scraped(name: &'static str, labels: impl Into<String>, value: f64) -> Scraped {
    Scraped { name, labels: labels.into(), value, counts: name.ends_with("_total") }
}

/// What kubelets, kube-state-metrics and API servers tell of a tenant: of two containers of its own, of what lies around
/// them, and of its control plane.
fn tenant(namespace: &str) -> Vec<Scraped> {
    let own = format!("namespace=\"{namespace}\",job=\"kubelet\"");
    let state = format!("namespace=\"{namespace}\",job=\"kube-state-metrics\"");
    let pod = format!("pod=\"web-x-shop-x-{namespace}\"");
    let control = format!("pod=\"{namespace}-0\"");
    let mut all = Vec::new();
    for (name, metric) in [
        ("container_cpu_usage_seconds_total", Metric::Cpu),
        ("container_memory_working_set_bytes", Metric::Memory),
    ] {
        for container in ["web", "sidecar"] {
            let labels = format!("{own},{pod},container=\"{container}\"");
            all.push(scraped(name, labels, in_use(metric) / 2.0));
        }
        // The whole pod once more, its sandbox, and the control plane.
        all.push(scraped(name, format!("{own},{pod},container=\"\""), in_use(metric)));
        all.push(scraped(name, format!("{own},{pod},container=\"POD\""), 1.0));
        all.push(scraped(name, format!("{own},{control},container=\"syncer\""), 7.0));
    }
    for (name, metric) in [
        ("container_network_receive_bytes_total", Metric::NetworkReceive),
        ("container_network_transmit_bytes_total", Metric::NetworkTransmit),
    ] {
        all.push(scraped(name, format!("{own},{pod},interface=\"eth0\""), in_use(metric)));
        all.push(scraped(name, format!("{own},{pod},interface=\"lo\""), 99.0));
        all.push(scraped(name, format!("{own},{control},interface=\"eth0\""), 77.0));
    }
    let claims = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
    let claim = |name: &str| format!("{state},persistentvolumeclaim=\"{name}\"");
    all.push(scraped(claims, claim(&format!("data-x-shop-x-{namespace}")), in_use(Metric::Storage)));
    all.push(scraped(claims, claim(&format!("data-{namespace}-0")), 5e9));
    for number in 0..3 {
        let phase =
            |phase: &str| format!("{state},pod=\"web-{number}-x-shop-x-{namespace}\",phase=\"{phase}\"");
        all.push(scraped("kube_pod_status_phase", phase("Running"), 1.0));
        all.push(scraped("kube_pod_status_phase", phase("Pending"), 0.0));
    }
    all.push(scraped("kube_pod_status_phase", format!("{state},{control},phase=\"Running\""), 1.0));
    for verb in ["GET", "LIST"] {
        let labels = format!("namespace=\"{namespace}\",job=\"vcluster\",verb=\"{verb}\"");
        all.push(scraped("apiserver_request_total", labels, in_use(Metric::ApiRequests) / 2.0));
    }
    all
}

/// Everything that was scraped, in OpenMetrics: one name after the other, and each of its series in order of time.
fn measurements() -> String {
    let targets = [
        "job=\"kubelet\",instance=\"one\"".to_owned(),
        "job=\"kubelet\",instance=\"two\"".to_owned(),
        "job=\"kube-state-metrics\",instance=\"one\"".to_owned(),
        format!("job=\"vcluster\",instance=\"busy\",namespace=\"{}\"", busy().kubernetes_name()),
        // Somebody whom nobody could reach all the time, and who measures nothing that is asked for.
        "job=\"broken\",instance=\"one\"".to_owned(),
    ];
    let mut all: Vec<Scraped> =
        [busy(), other()].iter().flat_map(|it| tenant(&it.kubernetes_name())).collect();
    for target in &targets {
        all.push(scraped("up", target.clone(), f64::from(u8::from(!target.contains("broken")))));
    }
    all.push(scraped("machine_cpu_cores", targets[0].clone(), 8.0));
    all.push(scraped("kube_node_info", targets[2].clone(), 1.0));
    all.sort_by_key(|series| series.name);
    let mut text = String::new();
    let mut last = "";
    for Scraped { name, labels, value, counts } in all {
        if name != last {
            let family = name.strip_suffix("_total").unwrap_or(name);
            writeln!(text, "# TYPE {family} {}", if counts { "counter" } else { "gauge" }).unwrap();
            last = name;
        }
        for seconds in (-600..=4_200).step_by(usize::try_from(SCRAPE).unwrap()) {
            let at = BEGIN + SignedDuration::from_secs(seconds);
            let value = match (name, is_measured(at)) {
                // Whoever does not answer is noticed.
                ("up", false) => 0.0,
                (_, false) => continue,
                _ if counts => value * f64::from(i32::try_from(seconds + 600).unwrap()),
                _ => value,
            };
            writeln!(text, "{name}{{{labels}}} {value} {}", at.as_second()).unwrap();
        }
    }
    text + "# EOF\n"
}

#[derive(Debug)]
struct Watched(PrometheusMetrics);

impl MetricsHarness for Watched {
    fn source(&self) -> &dyn MetricsSource {
        &self.0
    }
}

mod conformance {
    use super::{Prometheus, PrometheusMetrics, PrometheusSettings, Watched, measurements};

    hexabase_core::metrics_source_conformance!(async {
        let server = Prometheus::with(&measurements());
        let metrics = PrometheusMetrics::new(&PrometheusSettings::new(server.url())).unwrap();
        (Watched(metrics), server)
    });
}

fn query(targets: &[TenantTarget], end: Timestamp) -> SeriesQuery<'_> {
    SeriesQuery { targets, metric: Metric::Cpu, start: BEGIN, end, step: STEP }
}

#[tokio::test]
async fn a_kubelet_that_does_not_answer_leaves_a_gap_for_everybody() {
    let mut text = measurements();
    let from = (BEGIN + SignedDuration::from_mins(45)).as_second();
    let fallen = |line: &str| {
        let at = line.rsplit(' ').next().and_then(|at| at.parse::<i64>().ok());
        line.starts_with("up{job=\"kubelet\",instance=\"two\"}") && at.is_some_and(|at| at > from)
    };
    text = text
        .lines()
        .map(|line| if fallen(line) { line.replace("} 1 ", "} 0 ") } else { line.to_owned() } + "\n")
        .collect();
    let server = Prometheus::with(&text);
    let metrics = PrometheusMetrics::new(&PrometheusSettings::new(server.url())).unwrap();
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    let hour = query(&targets, BEGIN + SignedDuration::from_hours(1));
    let minutes = |samples: &[hexabase_core::metrics::Sample]| {
        samples.iter().map(|it| it.at.duration_since(BEGIN).as_mins()).collect::<Vec<_>>()
    };
    let cpu = metrics.series(&hour).await.unwrap();
    assert_eq!(minutes(&cpu[0].samples), [5, 10, 15, 20, 40, 45]);
    // Others measure volumes, and go on.
    let storage = metrics.series(&SeriesQuery { metric: Metric::Storage, ..hour }).await.unwrap();
    assert_eq!(storage[0].samples.len(), 9);
}

#[tokio::test]
async fn a_token_is_shown_and_never_seen() {
    let server = MockServer::start().await;
    let empty = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    Mock::given(path("/prometheus/api/v1/query_range"))
        .and(header("authorization", "Bearer hunter2"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(empty, "application/json"))
        .expect(2)
        .mount(&server)
        .await;
    let settings = PrometheusSettings {
        token: Some("hunter2".into()),
        ..PrometheusSettings::new(format!("{}/prometheus", server.uri()))
    };
    let metrics = PrometheusMetrics::new(&settings).unwrap();
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    let found = metrics.series(&query(&targets, BEGIN + SignedDuration::from_hours(1))).await.unwrap();
    assert!(found.is_empty(), "nothing was measured by anybody");
    assert!(!format!("{settings:?} {metrics:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_prometheus_that_is_down_or_broken_is_unavailable() {
    let server = MockServer::start().await;
    Mock::given(path("/api/v1/query_range"))
        .respond_with(ResponseTemplate::new(503).set_body_string("<html>"))
        .mount(&server)
        .await;
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    for url in [server.uri(), "http://127.0.0.1:9".to_owned()] {
        let metrics = PrometheusMetrics::new(&PrometheusSettings::new(url)).unwrap();
        let asked = metrics.series(&query(&targets, BEGIN + SignedDuration::from_hours(1))).await;
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let metrics = PrometheusMetrics::new(&PrometheusSettings::new("http://127.0.0.1:9")).unwrap();
    let years = query(&targets, BEGIN + SignedDuration::from_hours(24 * 400));
    assert_eq!(metrics.series(&years).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        PrometheusMetrics::new(&PrometheusSettings::new("no url")).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}
