//! `PrometheusMetrics` against a real Prometheus with series as host clusters produce them.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;

use hexabase_core::ErrorKind;
use hexabase_core::conformance::metrics_source::{
    MEASUREMENT_START, MetricsHarness, SAMPLE_STEP, busy, in_use, is_measured, other,
};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::TypedId as _;
use hexabase_core::metrics::{Metric, MetricsSource, SeriesQuery};
use hexabase_k8s::{PrometheusConfig, PrometheusMetrics};
use hexabase_test_servers::Prometheus;
use jiff::{SignedDuration, Timestamp};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Scrape interval, in seconds.
const SCRAPE_INTERVAL_SECONDS: i64 = 15;

/// Series that Prometheus has scraped.
struct ScrapedSeries {
    name: &'static str,
    labels: String,
    value: f64,
    /// `true` if it is a counter, which increases by `value` every second; a gauge has the constant `value`.
    is_counter: bool,
}

fn series_of(name: &'static str, labels: impl Into<String>, value: f64) -> ScrapedSeries {
    ScrapedSeries { name, labels: labels.into(), value, is_counter: name.ends_with("_total") }
}

/// Series of kubelets, kube-state-metrics and API servers about a tenant: of two containers, of series that must not
/// count, and of the control plane.
fn tenant_series(namespace: &str) -> Vec<ScrapedSeries> {
    let kubelet_labels = format!("namespace=\"{namespace}\",job=\"kubelet\"");
    let state_labels = format!("namespace=\"{namespace}\",job=\"kube-state-metrics\"");
    let pod_label = format!("pod=\"web-x-shop-x-{namespace}\"");
    let control_plane_label = format!("pod=\"{namespace}-0\"");
    let mut series = Vec::new();
    for (name, metric) in [
        ("container_cpu_usage_seconds_total", Metric::Cpu),
        ("container_memory_working_set_bytes", Metric::Memory),
    ] {
        for container in ["web", "sidecar"] {
            let labels = format!("{kubelet_labels},{pod_label},container=\"{container}\"");
            series.push(series_of(name, labels, in_use(metric) / 2.0));
        }
        // Series that must not count: the sum of the pod, its sandbox container, and the control plane.
        series.push(series_of(name, format!("{kubelet_labels},{pod_label},container=\"\""), in_use(metric)));
        series.push(series_of(name, format!("{kubelet_labels},{pod_label},container=\"POD\""), 1.0));
        series.push(series_of(
            name,
            format!("{kubelet_labels},{control_plane_label},container=\"syncer\""),
            7.0,
        ));
    }
    for (name, metric) in [
        ("container_network_receive_bytes_total", Metric::NetworkReceive),
        ("container_network_transmit_bytes_total", Metric::NetworkTransmit),
    ] {
        series.push(series_of(
            name,
            format!("{kubelet_labels},{pod_label},interface=\"eth0\""),
            in_use(metric),
        ));
        series.push(series_of(name, format!("{kubelet_labels},{pod_label},interface=\"lo\""), 99.0));
        series.push(series_of(
            name,
            format!("{kubelet_labels},{control_plane_label},interface=\"eth0\""),
            77.0,
        ));
    }
    let claims = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
    let claim = |name: &str| format!("{state_labels},persistentvolumeclaim=\"{name}\"");
    series.push(series_of(claims, claim(&format!("data-x-shop-x-{namespace}")), in_use(Metric::Storage)));
    series.push(series_of(claims, claim(&format!("data-{namespace}-0")), 5e9));
    for number in 0..3 {
        let phase = |phase: &str| {
            format!("{state_labels},pod=\"web-{number}-x-shop-x-{namespace}\",phase=\"{phase}\"")
        };
        series.push(series_of("kube_pod_status_phase", phase("Running"), 1.0));
        series.push(series_of("kube_pod_status_phase", phase("Pending"), 0.0));
    }
    series.push(series_of(
        "kube_pod_status_phase",
        format!("{state_labels},{control_plane_label},phase=\"Running\""),
        1.0,
    ));
    for verb in ["GET", "LIST"] {
        let labels = format!("namespace=\"{namespace}\",job=\"vcluster\",verb=\"{verb}\"");
        series.push(series_of("apiserver_request_total", labels, in_use(Metric::ApiRequests) / 2.0));
    }
    series
}

/// All series in OpenMetrics format: grouped by name, and each in order of time.
fn open_metrics() -> String {
    let targets = [
        "job=\"kubelet\",instance=\"one\"".to_owned(),
        "job=\"kubelet\",instance=\"two\"".to_owned(),
        "job=\"kube-state-metrics\",instance=\"one\"".to_owned(),
        format!("job=\"vcluster\",instance=\"busy\",namespace=\"{}\"", busy().kubernetes_name()),
        // A target that is always down, and that no query uses.
        "job=\"broken\",instance=\"one\"".to_owned(),
    ];
    let mut series: Vec<ScrapedSeries> =
        [busy(), other()].iter().flat_map(|it| tenant_series(&it.kubernetes_name())).collect();
    for target in &targets {
        series.push(series_of("up", target.clone(), f64::from(u8::from(!target.contains("broken")))));
    }
    series.push(series_of("machine_cpu_cores", targets[0].clone(), 8.0));
    series.push(series_of("kube_node_info", targets[2].clone(), 1.0));
    series.sort_by_key(|series| series.name);
    let mut text = String::new();
    let mut last_name = "";
    for ScrapedSeries { name, labels, value, is_counter } in series {
        if name != last_name {
            let family = name.strip_suffix("_total").unwrap_or(name);
            writeln!(text, "# TYPE {family} {}", if is_counter { "counter" } else { "gauge" }).unwrap();
            last_name = name;
        }
        for seconds in (-600..=4_200).step_by(usize::try_from(SCRAPE_INTERVAL_SECONDS).unwrap()) {
            let at = MEASUREMENT_START + SignedDuration::from_secs(seconds);
            let value = match (name, is_measured(at)) {
                // The series `up` shows targets that do not respond.
                ("up", false) => 0.0,
                (_, false) => continue,
                _ if is_counter => value * f64::from(i32::try_from(seconds + 600).unwrap()),
                _ => value,
            };
            writeln!(text, "{name}{{{labels}}} {value} {}", at.as_second()).unwrap();
        }
    }
    text + "# EOF\n"
}

#[derive(Debug)]
struct PrometheusHarness(PrometheusMetrics);

impl MetricsHarness for PrometheusHarness {
    fn source(&self) -> &dyn MetricsSource {
        &self.0
    }
}

mod conformance {
    use super::{Prometheus, PrometheusConfig, PrometheusHarness, PrometheusMetrics, open_metrics};

    hexabase_core::metrics_source_conformance!(async {
        let server = Prometheus::with(&open_metrics());
        let metrics = PrometheusMetrics::new(&PrometheusConfig::new(server.url())).unwrap();
        (PrometheusHarness(metrics), server)
    });
}

fn query(targets: &[TenantTarget], end: Timestamp) -> SeriesQuery {
    SeriesQuery {
        targets: targets.into(),
        metric: Metric::Cpu,
        start: MEASUREMENT_START,
        end,
        step: SAMPLE_STEP,
    }
}

#[tokio::test]
async fn a_kubelet_that_does_not_respond_leaves_a_gap_for_all_tenants() {
    let mut text = open_metrics();
    let from = (MEASUREMENT_START + SignedDuration::from_mins(45)).as_second();
    let is_down = |line: &str| {
        let at = line.rsplit(' ').next().and_then(|at| at.parse::<i64>().ok());
        line.starts_with("up{job=\"kubelet\",instance=\"two\"}") && at.is_some_and(|at| at > from)
    };
    text = text
        .lines()
        .map(|line| if is_down(line) { line.replace("} 1 ", "} 0 ") } else { line.to_owned() } + "\n")
        .collect();
    let server = Prometheus::with(&text);
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new(server.url())).unwrap();
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    let hour = query(&targets, MEASUREMENT_START + SignedDuration::from_hours(1));
    let minutes = |samples: &[hexabase_core::metrics::Sample]| {
        samples.iter().map(|it| it.at.duration_since(MEASUREMENT_START).as_mins()).collect::<Vec<_>>()
    };
    let cpu = metrics.series(&hour).await.unwrap();
    assert_eq!(minutes(&cpu[0].samples), [5, 10, 15, 20, 40, 45]);
    // Other targets measure volumes, and are up.
    let storage = metrics.series(&SeriesQuery { metric: Metric::Storage, ..hour }).await.unwrap();
    assert_eq!(storage[0].samples.len(), 9);
}

#[tokio::test]
async fn the_token_is_sent_and_never_printed() {
    let server = MockServer::start().await;
    let empty = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    Mock::given(path("/prometheus/api/v1/query_range"))
        .and(header("authorization", "Bearer hunter2"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(empty, "application/json"))
        .expect(2)
        .mount(&server)
        .await;
    let config = PrometheusConfig {
        token: Some("hunter2".into()),
        ..PrometheusConfig::new(format!("{}/prometheus", server.uri()))
    };
    let metrics = PrometheusMetrics::new(&config).unwrap();
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    let found =
        metrics.series(&query(&targets, MEASUREMENT_START + SignedDuration::from_hours(1))).await.unwrap();
    assert!(found.is_empty(), "the response has no series");
    assert!(!format!("{config:?} {metrics:?}").contains("hunter2"));
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
        let metrics = PrometheusMetrics::new(&PrometheusConfig::new(url)).unwrap();
        let result =
            metrics.series(&query(&targets, MEASUREMENT_START + SignedDuration::from_hours(1))).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new("http://127.0.0.1:9")).unwrap();
    let long_query = query(&targets, MEASUREMENT_START + SignedDuration::from_hours(24 * 400));
    assert_eq!(metrics.series(&long_query).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        PrometheusMetrics::new(&PrometheusConfig::new("no url")).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}
