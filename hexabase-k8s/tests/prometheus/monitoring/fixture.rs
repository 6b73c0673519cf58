//! Series of all sources of alert rules and dashboards: of Hexabase, its hosts, and a tenant with problems.

use std::collections::BTreeSet;

use hexabase_core::conformance::metrics_source::{busy, parts};
use hexabase_core::id::TypedId as _;

use super::super::{ScrapedSeries, health, series_of, tenant_series};
use super::documented_series;

/// Namespace of the tenant.
pub(super) fn namespace() -> String {
    busy().kubernetes_name()
}

/// Values that Hexabase gives a label of a series; a few of those without a fixed set.
fn values_of(series: &str, label: &str) -> &'static [&'static str] {
    match (series, label) {
        ("hexabase_mails_total", "kind") => &["invitation"],
        (_, "kind") => &["workspace", "billing_account"],
        ("hexabase_reconciles_total", "result") => &["succeeded", "failed", "busy", "aborted"],
        ("hexabase_messages_total", "result") => &["processed", "returned", "dead_lettered"],
        ("hexabase_mails_total", "result") => &["sent", "failed"],
        ("hexabase_kubernetes_request_seconds", "result") => &["succeeded", "rejected", "failed", "timeout"],
        ("hexabase_payment_request_seconds", "result") => &["succeeded", "rejected", "unavailable"],
        ("hexabase_http_connections_rejected_total", "reason") => &["total", "address"],
        (_, "reason") => &["failed"],
        (_, "topic") => &["reconcile", "mail"],
        (_, "server") => &["host", "tenant"],
        (_, "resource") => &["subscriptions"],
        (_, "host") => &["fra-1", "fra-2"],
        (_, "phase") => &["ready", "failed", "degraded", "suspended"],
        (_, "check") => &["PrivilegedPods"],
        (_, "method") => &["GET", "POST"],
        (_, "route") => &["/api/v1/me", "/api/v1/organizations/{org}/workspaces/{ws}/logs"],
        (_, "status") => &["200", "429", "503"],
        _ => panic!("{series} has the label {label}, whose values are unknown here"),
    }
}

/// All combinations of the values of the labels.
fn label_sets(series: &str, labels: &[String]) -> Vec<String> {
    let start = vec!["job=\"hexabase\",instance=\"one\"".to_owned()];
    labels.iter().fold(start, |sets, label| {
        let with = |set: &String| {
            let values = values_of(series, label).iter();
            values.map(|value| format!("{set},{label}=\"{value}\"")).collect::<Vec<_>>()
        };
        sets.iter().flat_map(with).collect()
    })
}

/// Series of the processes of Hexabase.
pub(super) fn own_series() -> Vec<ScrapedSeries> {
    let mut series = vec![series_of("up", "job=\"hexabase\",instance=\"one\"", 1.0)];
    for (name, (kind, labels)) in documented_series() {
        for set in label_sets(&name, &labels) {
            if kind == "histogram" {
                for (bound, rate) in [("0.1", 0.5), ("1", 0.9), ("+Inf", 1.0)] {
                    series.push(series_of(&format!("{name}_bucket"), format!("{set},le=\"{bound}\""), rate));
                }
                series.push(series_of(&format!("{name}_sum"), set.clone(), 0.3));
                series.push(series_of(&format!("{name}_count"), set, 1.0));
            } else {
                series.push(series_of(&name, set, 1.0));
            }
        }
    }
    series
}

/// Series of the host and of the tenant's API server, beyond those of usage and health.
fn further_series() -> Vec<ScrapedSeries> {
    let namespace = namespace();
    let api = format!("namespace=\"{namespace}\",job=\"vcluster\"");
    let mut series = Vec::new();
    let mut add = |name, labels: String, value| series.push(series_of(name, labels, value));
    for (bound, rate) in [("0.1", 8.0), ("1", 9.0), ("5", 9.0), ("+Inf", 9.0)] {
        let labels = format!("{api},verb=\"GET\",le=\"{bound}\"");
        add("apiserver_request_duration_seconds_bucket", labels, rate);
    }
    for (bound, rate) in [("604800", 0.1), ("+Inf", 1.0)] {
        let labels = format!("{api},le=\"{bound}\"");
        add("apiserver_client_certificate_expiration_seconds_bucket", labels, rate);
    }
    add("apiserver_current_inflight_requests", format!("{api},request_kind=\"mutating\""), 3.0);
    add("apiserver_storage_objects", format!("{api},resource=\"pods\""), 30.0);
    let limit = format!(
        "job=\"hexabase\",rule=\"alr_1\",namespace=\"{namespace}\",project=\"\",metric=\"memory\",comparison=\"above\",\
         for=\"5m\",severity=\"warning\""
    );
    add("hexabase_alert_rule_threshold", limit, 1e9);
    for deployment in ["hexabase-api", "hexabase-worker"] {
        let labels = format!("job=\"kube-state-metrics\",namespace=\"hexabase\",deployment=\"{deployment}\"");
        add("kube_deployment_spec_replicas", labels.clone(), 2.0);
        add("kube_deployment_status_replicas_ready", labels, 2.0);
    }
    series
}

/// Series of kubelets, kube-state-metrics and API servers.
pub(super) fn series_of_others() -> Vec<ScrapedSeries> {
    let namespace = namespace();
    let tenant = tenant_series(&namespace, &parts(busy()));
    let mut known = BTreeSet::new();
    // Series of both fixtures count once.
    let is_new = |series: &ScrapedSeries| {
        let mut labels: Vec<&str> = series.labels.split(',').collect();
        labels.sort_unstable();
        known.insert(format!("{}{}", series.name, labels.join(",")))
    };
    health::series(&namespace, false)
        .into_iter()
        .chain(tenant)
        .chain(further_series())
        .filter(is_new)
        .collect()
}

/// Names of the series of kubelets, kube-state-metrics, API servers and targets.
pub(super) fn names_of_others() -> BTreeSet<String> {
    series_of_others().into_iter().map(|series| series.name).chain(["up".to_owned()]).collect()
}
