//! `PrometheusMetrics` against a real Prometheus with series as host clusters produce them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod charts;
mod federation;
mod health;
mod monitoring;
mod monitoring_check;
mod rule_values;

use std::fmt::Write as _;
use std::time::Duration;

use hexabase_core::ErrorKind;
use hexabase_core::conformance::metrics_source::{
    MEASUREMENT_START, MetricsHarness, Part, SAMPLE_STEP, busy, idle, in_use, is_measured, other, parts,
};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::metering;
use hexabase_core::metrics::{Metric, MetricsSource, Sample, SeriesQuery};
use hexabase_core::model::{Hour, Meter};
use hexabase_k8s::{PrometheusConfig, PrometheusMetrics, ScrapeJobs};
use hexabase_test_servers::Prometheus;
use jiff::{SignedDuration, Timestamp};
use wiremock::matchers::{header, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Scrape interval, in seconds.
const SCRAPE_INTERVAL_SECONDS: i64 = 15;

/// Series that Prometheus has scraped.
#[derive(Debug, Clone)]
struct ScrapedSeries {
    name: String,
    labels: String,
    value: f64,
    /// `true` if it is a counter, which increases by `value` every second; a gauge has the constant `value`.
    is_counter: bool,
}

fn series_of(name: &str, labels: impl Into<String>, value: f64) -> ScrapedSeries {
    let is_counter = ["_total", "_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix));
    ScrapedSeries { name: name.to_owned(), labels: labels.into(), value, is_counter }
}

/// Name of a pod on the host. That of `db-0` is shortened, so that it has neither the name nor the project.
fn host_name(part: &Part, namespace: &str) -> String {
    match part.pod {
        "db-0" => "abcdefghijklmnopqrstuvwxyz-0123456789".to_owned(),
        pod => format!("{pod}-x-{}-x-{namespace}", part.project),
    }
}

/// Series of kubelets, kube-state-metrics and API servers about a tenant: of its containers, of series that must not
/// count, and of the control plane with its etcd.
fn tenant_series(namespace: &str, parts: &[Part]) -> Vec<ScrapedSeries> {
    let kubelet_labels = format!("namespace=\"{namespace}\",job=\"kubelet\"");
    let state_labels = format!("namespace=\"{namespace}\",job=\"kube-state-metrics\"");
    let control_plane_pods = [format!("{namespace}-0"), format!("{namespace}-etcd-0")];
    let mut series = Vec::new();
    let mut add = |name, labels: String, value| series.push(series_of(name, labels, value));
    for part in parts {
        let pod = format!("pod=\"{}\"", host_name(part, namespace));
        let id = format!("id=\"/{}/{}\"", part.pod, part.container);
        let container = format!("{kubelet_labels},{pod},container=\"{}\",{id}", part.container);
        add("container_cpu_usage_seconds_total", container.clone(), part.in_use(Metric::Cpu));
        add("container_memory_working_set_bytes", container.clone(), part.in_use(Metric::Memory));
        add("container_cpu_cfs_periods_total", container.clone(), 10.0);
        let throttled = 10.0 * part.in_use(Metric::Throttling);
        add("container_cpu_cfs_throttled_periods_total", container, throttled);
        // Interfaces belong to the sandbox. The shares of the containers are those of interfaces here.
        for (name, metric) in [
            ("container_network_receive_bytes_total", Metric::NetworkReceive),
            ("container_network_transmit_bytes_total", Metric::NetworkTransmit),
        ] {
            let interface = |interface: &str| {
                format!("{kubelet_labels},{pod},interface=\"{interface}\",id=\"/{}\"", part.pod)
            };
            add(name, interface(&format!("eth-{}", part.container)), part.in_use(metric));
            if part.container != "sidecar" {
                add(name, interface("lo"), 99.0);
            }
        }
        let restarts = format!("{state_labels},{pod},uid=\"1\",container=\"{}\"", part.container);
        let restarts_per_second = part.in_use(Metric::Restarts) / SAMPLE_STEP.as_secs_f64();
        add("kube_pod_container_status_restarts_total", restarts, restarts_per_second);
        // A claim for each container, in its project.
        let claim = format!("persistentvolumeclaim=\"{}-{}-x-{namespace}\"", part.pod, part.container);
        let requests = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
        add(requests, format!("{state_labels},{claim}"), part.in_use(Metric::Storage));
        for node in ["one", "two"] {
            let labels = format!("{kubelet_labels},{claim},node=\"{node}\",metrics_path=\"/metrics\"");
            add("kubelet_volume_stats_used_bytes", labels, part.in_use(Metric::StorageUsed));
        }
        let project = format!("label_vcluster_loft_sh_namespace=\"{}\"", part.project);
        add("kube_persistentvolumeclaim_labels", format!("{state_labels},{claim},{project}"), 1.0);
        let name = format!("annotation_vcluster_loft_sh_object_name=\"{}-{}\"", part.pod, part.container);
        add("kube_persistentvolumeclaim_annotations", format!("{state_labels},{claim},{name}"), 1.0);
        if part.container == "sidecar" {
            continue;
        }
        add("kube_pod_labels", format!("{state_labels},{pod},uid=\"1\",{project}"), 1.0);
        let name = format!("annotation_vcluster_loft_sh_object_name=\"{}\"", part.pod);
        add("kube_pod_annotations", format!("{state_labels},{pod},uid=\"1\",{name}"), 1.0);
        let phase = |phase: &str| format!("{state_labels},{pod},phase=\"{phase}\"");
        add("kube_pod_status_phase", phase("Running"), 1.0);
        add("kube_pod_status_phase", phase("Pending"), 0.0);
    }
    if let Some(part) = parts.first() {
        let pod = format!("pod=\"{}\"", host_name(part, namespace));
        for (name, metric) in [
            ("container_cpu_usage_seconds_total", Metric::Cpu),
            ("container_memory_working_set_bytes", Metric::Memory),
        ] {
            // The predecessor of a restarted container, which used memory and uses no processor time.
            let predecessor = if metric == Metric::Memory { part.in_use(metric) / 2.0 } else { 0.0 };
            let labels = format!("{kubelet_labels},{pod},container=\"{}\",id=\"/dead\"", part.container);
            add(name, labels, predecessor);
            // Series that must not count: the sum of the pod, its sandbox container, and the control plane.
            add(name, format!("{kubelet_labels},{pod},container=\"\""), in_use(metric));
            add(name, format!("{kubelet_labels},{pod},container=\"POD\""), 1.0);
        }
    }
    for pod in control_plane_pods.iter().map(|name| format!("pod=\"{name}\"")) {
        let container = format!("{kubelet_labels},{pod},container=\"syncer\"");
        for name in [
            "container_cpu_usage_seconds_total",
            "container_memory_working_set_bytes",
            "container_cpu_cfs_periods_total",
            "container_cpu_cfs_throttled_periods_total",
        ] {
            add(name, container.clone(), 7.0);
        }
        for name in ["container_network_receive_bytes_total", "container_network_transmit_bytes_total"] {
            add(name, format!("{kubelet_labels},{pod},interface=\"eth0\""), 77.0);
        }
        add("kube_pod_status_phase", format!("{state_labels},{pod},phase=\"Running\""), 1.0);
        let restarts = format!("{state_labels},{pod},uid=\"2\",container=\"syncer\"");
        add("kube_pod_container_status_restarts_total", restarts, 1.0);
    }
    for claim in control_plane_pods.iter().map(|name| format!("persistentvolumeclaim=\"data-{name}\"")) {
        let requests = "kube_persistentvolumeclaim_resource_requests_storage_bytes";
        add(requests, format!("{state_labels},{claim}"), 5e9);
        let used = format!("{kubelet_labels},{claim},metrics_path=\"/metrics\"");
        add("kubelet_volume_stats_used_bytes", used, 5e9);
    }
    for verb in ["GET", "LIST"] {
        let labels = format!("namespace=\"{namespace}\",job=\"vcluster\",verb=\"{verb}\"");
        add("apiserver_request_total", labels, in_use(Metric::ApiRequests) / 2.0);
    }
    series
}

/// Series that a pod of a tenant invents: labels of another tenant, and targets that are down. Such a pod is scraped by
/// a job whose label `job` it cannot change.
fn invented_series(namespace: &str) -> Vec<ScrapedSeries> {
    let mut series = tenant_series(namespace, &parts(busy()));
    series.push(series_of("machine_cpu_cores", "job=\"kubelet\"", 8.0));
    series.push(series_of("kube_node_info", "job=\"kube-state-metrics\"", 1.0));
    for series in &mut series {
        let job = series.labels.find("job=\"").unwrap();
        series.labels.replace_range(job..job + 5, "job=\"kubernetes-pods\",exported_job=\"");
        series.labels.push_str(",instance=\"evil\"");
        series.value *= 10.0;
    }
    series.push(series_of("up", "job=\"kubernetes-pods\",instance=\"evil\"", 0.0));
    series
}

fn seen_by_two_servers(series: ScrapedSeries) -> [ScrapedSeries; 2] {
    ["a", "b"].map(|replica| {
        let labels = format!("{},prometheus_replica=\"{replica}\"", series.labels);
        ScrapedSeries { labels, ..series.clone() }
    })
}

/// All series of the conformance suite.
fn measurements() -> String {
    let tenants = [busy(), other()].map(|it| tenant_series(&it.kubernetes_name(), &parts(it)));
    open_metrics(tenants.into_iter().flatten().collect())
}

/// These series and those of the targets in OpenMetrics format: grouped by name, and each in order of time.
fn open_metrics(mut series: Vec<ScrapedSeries>) -> String {
    let api_server = |of: WorkspaceId| {
        format!("job=\"vcluster\",instance=\"{of}\",namespace=\"{}\"", of.kubernetes_name())
    };
    let targets = [
        "job=\"kubelet\",instance=\"one\"".to_owned(),
        "job=\"kubelet\",instance=\"two\"".to_owned(),
        "job=\"kube-state-metrics\",instance=\"one\"".to_owned(),
        api_server(busy()),
        api_server(idle()),
        // A target that is always down, and that no query uses.
        "job=\"broken\",instance=\"one\"".to_owned(),
    ];
    for target in &targets {
        series.push(series_of("up", target.clone(), f64::from(u8::from(!target.contains("broken")))));
    }
    // Two Prometheus servers scraped everything.
    series = series.into_iter().flat_map(seen_by_two_servers).collect();
    series.extend(invented_series(&busy().kubernetes_name()));
    series.sort_by(|one, other| one.name.cmp(&other.name));
    let mut text = String::new();
    let mut last_name = String::new();
    for ScrapedSeries { name, labels, value, is_counter } in series {
        if name != last_name {
            let family = name.strip_suffix("_total").unwrap_or(&name);
            writeln!(text, "# TYPE {family} {}", if is_counter { "counter" } else { "gauge" }).unwrap();
            last_name.clone_from(&name);
        }
        for seconds in (-600..=4_200).step_by(usize::try_from(SCRAPE_INTERVAL_SECONDS).unwrap()) {
            let at = MEASUREMENT_START + SignedDuration::from_secs(seconds);
            let value = match (name.as_str(), is_measured(at)) {
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

fn metrics_of(server: &Prometheus) -> PrometheusMetrics {
    let scrape_interval = Duration::from_secs(SCRAPE_INTERVAL_SECONDS.unsigned_abs());
    PrometheusMetrics::new(&PrometheusConfig { scrape_interval, ..PrometheusConfig::new(server.url()) })
        .unwrap()
}

#[derive(Debug)]
struct PrometheusHarness(PrometheusMetrics);

impl MetricsHarness for PrometheusHarness {
    fn source(&self) -> &dyn MetricsSource {
        &self.0
    }
}

mod conformance {
    use super::{Prometheus, PrometheusHarness, measurements, metrics_of};

    hexabase_core::metrics_source_conformance!(async {
        let server = Prometheus::with(&measurements());
        (PrometheusHarness(metrics_of(&server)), server)
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
    let mut text = measurements();
    let from = (MEASUREMENT_START + SignedDuration::from_mins(45)).as_second();
    let is_down = |line: &str| {
        let at = line.rsplit(' ').next().and_then(|at| at.parse::<i64>().ok());
        line.starts_with("up{job=\"kubelet\",instance=\"two\",") && at.is_some_and(|at| at > from)
    };
    text = text
        .lines()
        .map(|line| if is_down(line) { line.replace("} 1 ", "} 0 ") } else { line.to_owned() } + "\n")
        .collect();
    let server = Prometheus::with(&text);
    let metrics = metrics_of(&server);
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
async fn an_hour_with_an_outage_of_prometheus_is_charged_for_what_was_measured() {
    let hour = Hour::of(MEASUREMENT_START);
    // Besides the gap from minute 20 to 35, in which targets do not respond, nothing exists between minutes 41 and 58.
    let is_lost = |line: &str| {
        let at = line.rsplit(' ').next().and_then(|at| at.parse::<i64>().ok());
        at.is_some_and(|at| (41 * 60 + 1..58 * 60).contains(&(at - hour.start().as_second())))
    };
    let text: String =
        measurements().lines().filter(|line| !is_lost(line)).map(|line| line.to_owned() + "\n").collect();
    let server = Prometheus::with(&text);
    let metrics = metrics_of(&server);
    let targets = [TenantTarget::by_id(id("acme"), busy())];
    for meter in Meter::ALL.iter().copied() {
        let whole = query(&targets, hour.end());
        let series = metrics.series(&SeriesQuery { metric: meter.metric(), ..whole }).await.unwrap();
        let reading = metering::read(meter, hour, &series[0].samples);
        // The steps at both edges of the outage have less than half of their scrapes.
        assert_eq!(reading.minutes, 25, "{meter}");
        let sample = |step| Sample { at: hour.start() + SAMPLE_STEP * step, value: in_use(meter.metric()) };
        let expected = metering::read(meter, hour, &(1..=5).map(sample).collect::<Vec<_>>());
        assert_eq!(reading.amount, expected.amount, "{meter}");
    }
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
    let huge = MockServer::start().await;
    Mock::given(path("/api/v1/query_range"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(" ".repeat(17 << 20), "application/json"))
        .mount(&huge)
        .await;
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new(huge.uri())).unwrap();
    let hour = query(&targets, MEASUREMENT_START + SignedDuration::from_hours(1));
    let error = metrics.series(&hour).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("more than 16 MiB"), "{error}");
    for url in [server.uri(), "http://127.0.0.1:9".to_owned()] {
        let metrics = PrometheusMetrics::new(&PrometheusConfig::new(url)).unwrap();
        let result =
            metrics.series(&query(&targets, MEASUREMENT_START + SignedDuration::from_hours(1))).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unavailable);
    }
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new("http://127.0.0.1:9")).unwrap();
    let long_query = query(&targets, MEASUREMENT_START + SignedDuration::from_hours(24 * 400));
    assert_eq!(metrics.series(&long_query).await.unwrap_err().kind(), ErrorKind::Invalid);
    let uneven = SeriesQuery { step: Duration::from_millis(1_500), ..query(&targets, MEASUREMENT_START) };
    assert_eq!(metrics.series(&uneven).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(
        PrometheusMetrics::new(&PrometheusConfig::new("no url")).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn jobs_without_names_and_impossible_scrape_intervals_are_rejected() {
    let config = || PrometheusConfig::new("http://127.0.0.1:9");
    let with_interval =
        |milliseconds| PrometheusConfig { scrape_interval: Duration::from_millis(milliseconds), ..config() };
    let with_job = |jobs: &[&str]| {
        let kubelet = jobs.iter().map(|job| (*job).to_owned()).collect();
        PrometheusConfig { jobs: ScrapeJobs { kubelet, ..ScrapeJobs::default() }, ..config() }
    };
    for valid in [with_interval(1_000), with_interval(150_000), with_job(&["kubelet", "k3s"])] {
        assert!(PrometheusMetrics::new(&valid).is_ok());
    }
    let invalid = [
        (with_interval(0), "prometheus_scrape_seconds"),
        (with_interval(1_500), "prometheus_scrape_seconds"),
        (with_interval(151_000), "prometheus_scrape_seconds"),
        (with_job(&[]), "prometheus_kubelet_job"),
        (with_job(&["kubelet", ""]), "prometheus_kubelet_job"),
    ];
    for (config, setting) in invalid {
        let error = PrometheusMetrics::new(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(setting), "{error}");
    }
}
