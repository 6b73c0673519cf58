//! The check of the monitoring on a real Prometheus: each finding appears when what it is about is missing.

use std::fmt::Write as _;
use std::time::Duration;

use hexabase_core::conformance::metrics_source::{MEASUREMENT_START, busy, parts};
use hexabase_core::id::TypedId as _;
use hexabase_k8s::{FindingLevel, PrometheusConfig, PrometheusMetrics, ScrapeJobs, alert_rules};
use hexabase_test_servers::Prometheus;
use jiff::SignedDuration;
use serde_json::json;

use super::{SCRAPE_INTERVAL_SECONDS, ScrapedSeries, series_of, tenant_series};

const RETENTION: Duration = Duration::from_secs(15 * 86_400);
/// Time for which there are samples, in seconds.
const PERIOD: i64 = 600;

fn is_of(series: &ScrapedSeries, job: &str) -> bool {
    series.labels.contains(&format!("job=\"{job}\""))
}

/// Series as they should be. The conformance suite has a dead container, which is not part of them.
fn healthy() -> Vec<ScrapedSeries> {
    let namespace = busy().kubernetes_name();
    let mut series = tenant_series(&namespace, &parts(busy()));
    series.retain(|series| !series.labels.contains("/dead"));
    let threshold = format!("job=\"hexabase\",namespace=\"{namespace}\",rule=\"alr_1\"");
    series.push(series_of("hexabase_alert_rule_threshold", threshold, 1.0));
    for job in ["kubelet", "kube-state-metrics", "hexabase"] {
        series.push(series_of("up", format!("job=\"{job}\",instance=\"one\""), 1.0));
    }
    let api_server = format!("job=\"vcluster\",instance=\"one\",namespace=\"{namespace}\"");
    series.push(series_of("up", api_server, 1.0));
    series
}

/// Text in the OpenMetrics format, with samples until the time of the check unless it is older.
fn open_metrics(mut series: Vec<ScrapedSeries>) -> String {
    series.sort_by(|one, other| one.name.cmp(&other.name));
    let (mut text, mut last) = (String::new(), String::new());
    for ScrapedSeries { name, labels, value, .. } in series {
        if name != last {
            writeln!(text, "# TYPE {name} unknown").unwrap();
            last.clone_from(&name);
        }
        // The newest samples of a series that has its own timestamps are old.
        let end = if labels.contains("/old") { PERIOD - 120 } else { PERIOD };
        for seconds in (0..=end).step_by(usize::try_from(SCRAPE_INTERVAL_SECONDS).unwrap()) {
            let at = (MEASUREMENT_START + SignedDuration::from_secs(seconds)).as_second();
            writeln!(text, "{name}{{{labels}}} {value} {at}").unwrap();
        }
    }
    text + "# EOF\n"
}

/// Server with these series.
fn start(series: Vec<ScrapedSeries>, configuration: &serde_json::Value) -> (Prometheus, PrometheusMetrics) {
    let server = Prometheus::with_measurements(&open_metrics(series), configuration);
    let scrape_interval = Duration::from_secs(SCRAPE_INTERVAL_SECONDS.unsigned_abs());
    let config = PrometheusConfig { scrape_interval, ..PrometheusConfig::new(server.url()) };
    let metrics = PrometheusMetrics::new(&config).unwrap();
    (server, metrics)
}

/// Findings that are not `ok`.
async fn problems(metrics: &PrometheusMetrics) -> Vec<(&'static str, FindingLevel)> {
    // The query is about the time of the newest scrape.
    let now = MEASUREMENT_START + SignedDuration::from_secs(PERIOD + 15);
    let found = metrics.check_monitoring(now, RETENTION).await.unwrap();
    for finding in &found {
        let needs_remedy = matches!(finding.level, FindingLevel::Warning | FindingLevel::Error);
        assert_eq!(needs_remedy, !finding.remedy.is_empty(), "{finding:?}");
    }
    let problems = found.into_iter().filter(|it| it.level != FindingLevel::Ok);
    problems.map(|it| (it.check, it.level)).collect()
}

#[tokio::test]
async fn a_healthy_prometheus_has_no_finding_and_each_broken_one_its_own() {
    use FindingLevel::{Error, Warning};
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    let scrape_interval = Duration::from_secs(SCRAPE_INTERVAL_SECONDS.unsigned_abs());
    std::fs::write(&rules, alert_rules(&ScrapeJobs::default(), scrape_interval)).unwrap();
    let healthy_configuration = json!({
        "rule_files": [rules],
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": ["127.0.0.1:9"] }] }] },
    });
    let (_server, metrics) = start(healthy(), &healthy_configuration);
    // Prometheus applies the discovery of Alertmanagers some seconds after its start.
    while problems(&metrics).await == [("Alertmanager", Warning)] {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(problems(&metrics).await, []);
    let (_server, metrics) = start(healthy(), &json!({}));
    assert_eq!(problems(&metrics).await, [("AlertRules", Warning), ("Alertmanager", Warning)]);

    type Edit = fn(&mut ScrapedSeries) -> bool;
    let cases: [(&str, Edit, (&str, FindingLevel)); 11] = [
        ("no kubelet", |it| it.name != "up" || !is_of(it, "kubelet"), ("KubeletTargets", Error)),
        (
            "a kubelet that is down",
            |it| {
                if it.name == "up" && is_of(it, "kubelet") {
                    it.value = 0.0;
                }
                true
            },
            ("KubeletTargets", Error),
        ),
        (
            "renamed namespaces of containers",
            |it| {
                if is_of(it, "kubelet") {
                    it.labels = it.labels.replace("namespace=", "exported_namespace=");
                }
                true
            },
            ("ContainerSeries", Error),
        ),
        (
            "renamed namespaces of pods",
            |it| {
                if is_of(it, "kube-state-metrics") {
                    it.labels = it.labels.replace("namespace=\"ws", "exported_namespace=\"ws");
                }
                true
            },
            ("KubeStateMetricsSeries", Error),
        ),
        ("no labels of pods", |it| it.name != "kube_pod_labels", ("PodLabels", Warning)),
        (
            "no labels of volumes",
            |it| it.name != "kube_persistentvolumeclaim_labels",
            ("ClaimLabels", Warning),
        ),
        ("no names of pods", |it| it.name != "kube_pod_annotations", ("PodNames", Warning)),
        ("no API servers", |it| !is_of(it, "vcluster"), ("ApiServerTargets", Warning)),
        (
            "API servers without a namespace",
            |it| {
                if it.name == "up" && is_of(it, "vcluster") {
                    it.labels = "job=\"vcluster\",instance=\"one\"".to_owned();
                }
                true
            },
            ("ApiServerTargets", Error),
        ),
        ("no limits", |it| !is_of(it, "hexabase"), ("AlertLimits", Warning)),
        (
            "renamed limits",
            |it| {
                if is_of(it, "hexabase") {
                    it.labels = it.labels.replace("namespace=", "exported_namespace=");
                }
                true
            },
            ("AlertLimits", Error),
        ),
    ];
    for (name, edit, expected) in cases {
        let mut series = healthy();
        series.retain_mut(edit);
        let (_server, metrics) = start(series, &healthy_configuration);
        let found = problems(&metrics).await;
        assert!(found.contains(&expected), "{name}: {found:?}");
    }

    // Second series of the same containers and pods, and a container that ended.
    for (job, label, expected) in [
        ("kubelet", "prometheus_replica=\"b\"", ("Duplicates", Warning)),
        ("kube-state-metrics", "instance=\"two\"", ("Duplicates", Warning)),
        ("kubelet", "id=\"/old\"", ("Staleness", Warning)),
    ] {
        let mut series = healthy();
        let copies: Vec<ScrapedSeries> = healthy().into_iter().filter(|it| is_of(it, job)).collect();
        series.extend(copies.into_iter().filter(|it| it.name != "up").map(|mut copy| {
            copy.labels = match label.starts_with("id") {
                true => {
                    let labels = copy.labels.split(',').filter(|it| !it.starts_with("id="));
                    labels.chain([label]).collect::<Vec<_>>().join(",")
                }
                false => format!("{},{label}", copy.labels),
            };
            copy
        }));
        // Different containers of a pod would have the same series otherwise.
        series.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
        series.dedup_by(|one, other| (&one.name, &one.labels) == (&other.name, &other.labels));
        let (_server, metrics) = start(series, &healthy_configuration);
        let found = problems(&metrics).await;
        assert!(found.contains(&expected), "{job} {label}: {found:?}");
    }
}

#[tokio::test]
async fn the_check_fails_without_prometheus() {
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new("http://127.0.0.1:9")).unwrap();
    assert!(metrics.check_monitoring(MEASUREMENT_START, RETENTION).await.is_err());
}
