use serde_json::json;

use super::*;

const RETENTION: Duration = Duration::from_secs(15 * 86_400);

/// Readings of a healthy Prometheus with pods and volumes of workspaces.
const HEALTHY: [(&str, f64); 21] = [
    ("kubelets", 3.0),
    ("kubelets_up", 3.0),
    ("kubelet_scrapes", 10.0),
    ("containers", 90.0),
    ("tenant_containers", 40.0),
    ("container_copies", 1.0),
    ("states", 1.0),
    ("states_up", 1.0),
    ("state_scrapes", 10.0),
    ("tenant_pods", 60.0),
    ("pod_copies", 1.0),
    ("pods", 12.0),
    ("labelled_pods", 12.0),
    ("named_pods", 12.0),
    ("claims", 4.0),
    ("labelled_claims", 4.0),
    ("api_servers", 5.0),
    ("api_servers_up", 5.0),
    ("api_server_scrapes", 10.0),
    ("exporters", 2.0),
    ("exporters_up", 2.0),
];

fn healthy() -> MonitoringState {
    MonitoringState {
        readings: HEALTHY.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        rules: Some((10, 0)),
        alertmanagers: Some(2),
        retention: Some(RETENTION),
    }
}

fn findings_of(state: &MonitoringState) -> Vec<MonitoringFinding> {
    let jobs = ScrapeJobs::default();
    let scrape_interval = Duration::from_secs(30);
    findings(state, Expected { jobs: &jobs, scrape_interval, metrics_retention: RETENTION })
}

/// Findings that are not `ok`.
fn problems(state: &MonitoringState) -> Vec<(&'static str, FindingLevel)> {
    let all = findings_of(state).into_iter().filter(|it| it.level != FindingLevel::Ok);
    all.map(|it| (it.check, it.level)).collect()
}

#[test]
fn a_healthy_prometheus_has_one_ok_per_check() {
    let found = findings_of(&healthy());
    assert_eq!(problems(&healthy()), []);
    assert!(found.iter().all(|it| it.remedy.is_empty() && !it.message.is_empty()));
    let names: std::collections::BTreeSet<&str> = found.iter().map(|it| it.check).collect();
    assert_eq!(names.len(), found.len());
}

#[test]
fn each_deviation_has_its_finding_and_a_remedy() {
    use FindingLevel::{Error, Warning};
    for (reading, value, check, level, remedy) in [
        ("kubelets", None, "KubeletTargets", Error, "--prometheus-kubelet-job"),
        ("kubelets_up", Some(2.0), "KubeletTargets", Error, "Status, Targets"),
        ("renamed_containers", Some(1.0), "ContainerSeries", Error, "honor_labels: true"),
        ("containers", None, "ContainerSeries", Error, "/metrics/cadvisor"),
        ("states", None, "KubeStateMetricsTargets", Error, "--prometheus-kube-state-metrics-job"),
        ("renamed_pods", Some(7.0), "KubeStateMetricsSeries", Error, "honor_labels: true"),
        (
            "labelled_pods",
            None,
            "PodLabels",
            Warning,
            "--metric-labels-allowlist=pods=[vcluster.loft.sh/namespace],persistentvolumeclaims=[vcluster.loft.sh/namespace]",
        ),
        (
            "labelled_claims",
            None,
            "ClaimLabels",
            Warning,
            "persistentvolumeclaims=[vcluster.loft.sh/namespace]",
        ),
        (
            "named_pods",
            None,
            "PodNames",
            Warning,
            "--metric-annotations-allowlist=pods=[vcluster.loft.sh/object-name]",
        ),
        ("container_copies", Some(2.0), "Duplicates", Warning, "one scrape job of cAdvisor"),
        ("pod_copies", Some(2.0), "Duplicates", Warning, "one kube-state-metrics"),
        ("stale_containers", Some(3.0), "Staleness", Warning, "track_timestamps_staleness"),
        ("api_servers", None, "ApiServerTargets", Warning, "--scrape-tenants"),
        ("api_servers_up", Some(4.0), "ApiServerTargets", Warning, "Status, Targets"),
        ("unnamed_api_servers", Some(1.0), "ApiServerTargets", Error, "/api/v1/admin/prometheus/targets"),
        ("exporters_up", None, "AlertLimits", Warning, "/metrics/alert-rules"),
        ("renamed_thresholds", Some(1.0), "AlertLimits", Error, "honor_labels: true"),
        ("state_scrapes", Some(4.0), "ScrapeInterval", Error, "--prometheus-scrape-seconds"),
        ("api_server_scrapes", Some(21.0), "ScrapeInterval", Warning, "--prometheus-scrape-seconds"),
    ] {
        let mut state = healthy();
        match value {
            Some(value) => drop(state.readings.insert(reading.to_owned(), value)),
            None => drop(state.readings.remove(reading)),
        }
        assert_eq!(problems(&state), [(check, level)], "{reading}");
        let found = findings_of(&state).into_iter().find(|it| it.check == check).unwrap();
        assert!(found.remedy.contains(remedy), "{found:?}");
    }
    for (state, check, level) in [
        (MonitoringState { rules: Some((0, 0)), ..healthy() }, "AlertRules", Warning),
        (MonitoringState { rules: Some((10, 1)), ..healthy() }, "AlertRules", Error),
        (MonitoringState { alertmanagers: Some(0), ..healthy() }, "Alertmanager", Warning),
        (MonitoringState { retention: Some(RETENTION / 2), ..healthy() }, "Retention", Warning),
    ] {
        assert_eq!(problems(&state), [(check, level)]);
    }
}

#[test]
fn lost_series_of_workspaces_are_found_by_those_of_the_other_job() {
    let without = |names: &[&str]| {
        let mut state = healthy();
        state.readings.retain(|name, _| !names.contains(&name.as_str()));
        state
    };
    let without_containers = without(&["tenant_containers", "container_copies"]);
    assert!(problems(&without_containers).contains(&("ContainerSeries", FindingLevel::Error)));
    let pods =
        ["tenant_pods", "pod_copies", "pods", "labelled_pods", "named_pods", "claims", "labelled_claims"];
    assert!(problems(&without(&pods)).contains(&("KubeStateMetricsSeries", FindingLevel::Error)));
    // An installation without workspaces is not broken.
    let empty = without(&[&pods[..], &["tenant_containers", "container_copies"]].concat());
    assert!(problems(&empty).iter().all(|(_, level)| *level == FindingLevel::Unknown));
}

#[test]
fn what_the_server_does_not_tell_is_unknown() {
    let state = MonitoringState { rules: None, alertmanagers: None, retention: None, ..healthy() };
    let unknown = ["AlertRules", "Alertmanager", "Retention"].map(|check| (check, FindingLevel::Unknown));
    assert_eq!(problems(&state), unknown);
}

#[test]
fn the_state_of_prometheus_is_read_from_its_responses() {
    let retention = |text: &str| retention_of(&json!({ "storageRetention": text })).map(|it| it.as_secs());
    for (text, seconds) in [
        ("15d", Some(1_296_000)),
        ("1w2d", Some(777_600)),
        ("15d or 10GiB", Some(1_296_000)),
        ("36h30m", Some(131_400)),
        ("10GiB", None),
        ("", None),
        ("d", None),
        ("99999999999999999999y", None),
    ] {
        assert_eq!(retention(text), seconds, "{text}");
    }
    let rule = |name: &str, health: &str| json!({ "name": name, "health": health, "type": "alerting" });
    let groups = json!({ "groups": [
        { "name": "hexabase-tenants", "rules": [rule(ALERT_NAME, "ok"), rule(ALERT_NAME, "err"), rule("x", "err")] },
        { "name": "others" },
    ] });
    assert_eq!(rules_of(&groups), Some((2, 1)));
    assert_eq!(rules_of(&json!({})), None);
    assert_eq!(alertmanagers_of(&json!({ "activeAlertmanagers": [{ "url": "x" }] })), Some(1));
}
