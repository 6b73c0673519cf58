//! The rules for alerts of tenants, checked and evaluated by promtool.

use std::path::PathBuf;
use std::time::Duration;

use hexabase_test_servers::{check_rules, run_rule_tests};
use serde_json::{Value, json};

use crate::alert_rules;
use crate::observability::prometheus::ScrapeJobs;

const SHOP: &str = "ws-00000000000000000000000001";
const RIVAL: &str = "ws-00000000000000000000000002";

/// Rules file of the chart.
fn file() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    root.join("deploy/chart/hexabase/files/alerts/tenants.yaml")
}

#[test]
fn the_rules_of_the_chart_are_current_and_valid() {
    let current = alert_rules(&ScrapeJobs::default(), Duration::from_secs(30));
    let committed = std::fs::read_to_string(file()).unwrap_or_default();
    assert!(
        committed == current,
        "{} differs; regenerate it with `cargo run -p hexabase-server -- alert-rules` and review the difference",
        file().display()
    );
    check_rules(&file());
}

fn threshold(rule: &str, namespace: &str, labels: &str) -> String {
    format!(
        "hexabase_alert_rule_threshold{{job=\"hexabase\",rule=\"{rule}\",namespace=\"{namespace}\",severity=\"warning\",{labels}}}"
    )
}

fn memory(namespace: &str, pod: &str, labels: &str) -> String {
    format!(
        "container_memory_working_set_bytes{{namespace=\"{namespace}\",pod=\"{pod}\",container=\"web\",job=\"kubelet\",\
         metrics_path=\"/metrics/cadvisor\"{labels}}}"
    )
}

fn series(series: &str, values: &str) -> Value {
    json!({ "series": series, "values": values })
}

/// Targets that were scraped all the time.
fn targets() -> Vec<Value> {
    let kubelet = "up{job=\"kubelet\",instance=\"a\",metrics_path=\"/metrics/cadvisor\"}";
    vec![series(kubelet, "1x300"), series("up{job=\"kube-state-metrics\",instance=\"a\"}", "1x300")]
}

/// Rule, namespace, further labels and value of an alert.
type ExpectedAlert<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// Alerts at a time.
fn alerts_at(at: &str, expected: &[ExpectedAlert<'_>]) -> Value {
    let alert = |(rule, namespace, labels, value): &ExpectedAlert<'_>| {
        let mut all = json!({ "rule": rule, "namespace": namespace, "severity": "warning" });
        for (label, value) in *labels {
            all[*label] = json!(value);
        }
        json!({ "exp_labels": all, "exp_annotations": { "value": value } })
    };
    json!({
        "eval_time": at,
        "alertname": "HexabaseAlertRule",
        "exp_alerts": expected.iter().map(alert).collect::<Vec<_>>(),
    })
}

fn run(name: &str, input: Vec<Value>, alerts: Vec<Value>) {
    run_rule_tests(&json!({
        "rule_files": [file()],
        "evaluation_interval": "30s",
        "tests": [{
            "name": name,
            "interval": "30s",
            "input_series": targets().into_iter().chain(input).collect::<Vec<_>>(),
            "alert_rule_test": alerts,
        }],
    }));
}

#[test]
fn an_alert_fires_for_its_own_tenant_after_its_time_and_once_for_two_replicas() {
    let labels = "metric=\"memory\",comparison=\"above\",for=\"5m\"";
    let expected: &[(&str, &str)] = &[("metric", "memory"), ("comparison", "above"), ("for", "5m")];
    let own = threshold("alr_1", SHOP, labels);
    let input = vec![
        // Above the limit from minute 10 on; the dead predecessor of a container does not count.
        series(&memory(SHOP, "web", ",id=\"/new\""), "50x19 150x300"),
        series(&memory(SHOP, "web", ",id=\"/dead\""), "90x300"),
        series(&memory(RIVAL, "web", ",id=\"/new\""), "50x300"),
        series(&own.replace("job=", "instance=\"a\",job="), "100x300"),
        series(&own.replace("job=", "instance=\"b\",job="), "100x300"),
        series(&threshold("alr_2", RIVAL, labels), "100x300"),
        // A tenant's pod that invents limits is scraped by another job.
        series(&threshold("alr_3", SHOP, labels).replace("\"hexabase\"", "\"kubernetes-pods\""), "1x300"),
    ];
    let alerts = vec![
        alerts_at("9m", &[]),
        alerts_at("14m", &[]),
        alerts_at("16m", &[("alr_1", SHOP, expected, "150")]),
    ];
    run("above", input, alerts);
}

#[test]
fn an_alert_resolves_when_the_rule_or_its_cause_is_gone() {
    let expected: &[(&str, &str)] = &[("metric", "memory"), ("comparison", "above"), ("for", "0")];
    let labels = "metric=\"memory\",comparison=\"above\",for=\"0\"";
    let input = vec![
        series(&memory(SHOP, "web", ""), "150x19 50x300"),
        series(&memory(RIVAL, "web", ""), "150x300"),
        series(&threshold("alr_1", SHOP, labels), "100x300"),
        series(&threshold("alr_2", RIVAL, labels), "100x19 stale"),
    ];
    let both: &[ExpectedAlert<'_>] = &[("alr_1", SHOP, expected, "150"), ("alr_2", RIVAL, expected, "150")];
    run("resolved", input, vec![alerts_at("5m", both), alerts_at("12m", &[])]);
}

#[test]
fn a_tenant_that_used_nothing_is_below_a_limit_and_one_that_was_not_measured_is_not() {
    let expected: &[(&str, &str)] = &[("metric", "pods"), ("comparison", "below"), ("for", "1m")];
    let labels = "metric=\"pods\",comparison=\"below\",for=\"1m\"";
    let requests = "metric=\"api_requests\",comparison=\"below\",for=\"1m\"";
    let in_project = format!("project=\"web\",{labels}");
    let input = vec![
        series(&threshold("alr_1", SHOP, labels), "1x300"),
        // The API server is not scraped, and kube-state-metrics has no names of projects.
        series(&threshold("alr_2", SHOP, requests), "1x300"),
        series(&threshold("alr_3", SHOP, &in_project), "1x300"),
    ];
    let alerts = vec![alerts_at("5m", &[("alr_1", SHOP, expected, "0")])];
    run("nothing", input.clone(), alerts);

    let names = "kube_pod_labels{namespace=\"ws-00000000000000000000000009\",pod=\"x\",job=\"kube-state-metrics\",\
                 label_vcluster_loft_sh_namespace=\"other\"}";
    let with_names = input.iter().cloned().chain([series(names, "1x300")]).collect();
    let in_web: &[(&str, &str)] =
        &[("metric", "pods"), ("comparison", "below"), ("for", "1m"), ("project", "web")];
    let both: &[ExpectedAlert<'_>] = &[("alr_1", SHOP, expected, "0"), ("alr_3", SHOP, in_web, "0")];
    run("nothing in a project", with_names, vec![alerts_at("5m", both)]);

    // While targets do not respond, nothing fires.
    let outage: Vec<Value> = vec![
        series("up{job=\"kube-state-metrics\",instance=\"b\"}", "0x300"),
        series(&threshold("alr_1", SHOP, labels), "1x300"),
    ];
    run("outage", outage, vec![alerts_at("5m", &[])]);
}

#[test]
fn a_rule_of_a_project_compares_the_usage_of_that_project() {
    let labels =
        |project: &str| format!("project=\"{project}\",metric=\"memory\",comparison=\"above\",for=\"0\"");
    let names = |namespace: &str, pod: &str, project: &str| {
        format!(
            "kube_pod_labels{{namespace=\"{namespace}\",pod=\"{pod}\",job=\"kube-state-metrics\",\
             label_vcluster_loft_sh_namespace=\"{project}\"}}"
        )
    };
    let input = vec![
        series(&memory(SHOP, "web-1", ""), "80x300"),
        series(&memory(SHOP, "web-2", ""), "80x300"),
        series(&memory(SHOP, "db-1", ""), "80x300"),
        series(&names(SHOP, "web-1", "web"), "1x300"),
        series(&names(SHOP, "web-2", "web"), "1x300"),
        series(&names(SHOP, "db-1", "db"), "1x300"),
        // The project of the same name of another tenant.
        series(&memory(RIVAL, "web-1", ""), "10x300"),
        series(&names(RIVAL, "web-1", "web"), "1x300"),
        series(&threshold("alr_web", SHOP, &labels("web")), "100x300"),
        series(&threshold("alr_db", SHOP, &labels("db")), "100x300"),
        series(&threshold("alr_rival", RIVAL, &labels("web")), "100x300"),
    ];
    let expected: &[(&str, &str)] =
        &[("metric", "memory"), ("comparison", "above"), ("for", "0"), ("project", "web")];
    run("projects", input, vec![alerts_at("5m", &[("alr_web", SHOP, expected, "160")])]);
}
