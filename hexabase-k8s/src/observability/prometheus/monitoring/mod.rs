//! Check of the monitoring: whether Prometheus has the series that Hexabase reads, with a remedy for each finding.

use std::collections::BTreeMap;
use std::time::Duration;

use hexabase_core::alerts::ALERT_NAME;
use hexabase_core::clock::before;
use hexabase_core::error::Result;
use jiff::Timestamp;
use serde_json::Value;

use super::chart::INGESTION_DELAY;
use super::promql::{COUNTED_INTERVALS, READING, monitoring};
use super::{PrometheusMetrics, ScrapeJobs, http};

/// Maximum size of a response about the state of Prometheus, in bytes.
const MAX_STATE_BYTES: usize = 16 << 20;

/// Severity of a [`MonitoringFinding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingLevel {
    /// As expected.
    Ok,
    /// Not known: there is nothing to judge by, or Prometheus does not tell.
    Unknown,
    /// Some metrics are missing or less exact.
    Warning,
    /// Usage or metrics of workspaces are missing or wrong.
    Error,
}

impl FindingLevel {
    /// Returns the name: `ok`, `unknown`, `warning` or `error`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Result of one check of the monitoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitoringFinding {
    /// Name of the check, in `CamelCase`.
    pub check: &'static str,
    /// Severity.
    pub level: FindingLevel,
    /// Description of what was found.
    pub message: String,
    /// Next step; empty if none is needed.
    pub remedy: String,
}

/// What Prometheus responded about itself and its series.
#[derive(Debug, Clone, Default)]
struct MonitoringState {
    /// Value of each reading; a reading without series is absent.
    readings: BTreeMap<String, f64>,
    /// Number of the alerts of Hexabase's rules, and of those that fail; `None` if unknown.
    rules: Option<(usize, usize)>,
    /// Number of Alertmanagers; `None` if unknown.
    alertmanagers: Option<usize>,
    /// Retention of samples; `None` if unknown.
    retention: Option<Duration>,
}

/// What Hexabase expects of Prometheus.
#[derive(Debug, Clone, Copy)]
struct Expected<'a> {
    jobs: &'a ScrapeJobs,
    scrape_interval: Duration,
    metrics_retention: Duration,
}

impl PrometheusMetrics {
    /// Checks that Prometheus has the series that Hexabase reads, with the expected labels and as often as expected.
    /// `metrics_retention` is the longest range of requests. Every check has one finding.
    ///
    /// # Errors
    /// `Unavailable` if Prometheus does not respond.
    pub async fn check_monitoring(
        &self,
        now: Timestamp,
        metrics_retention: Duration,
    ) -> Result<Vec<MonitoringFinding>> {
        let found =
            self.query_at(monitoring(&self.scope(&[], self.scrape_interval)), before(now, INGESTION_DELAY));
        let mut readings = BTreeMap::new();
        for vector in found.await? {
            if let Some(name) = vector.metric().get(READING) {
                readings.insert(name.clone(), vector.sample().value());
            }
        }
        let state = MonitoringState {
            readings,
            rules: self.read_state("rules").await.as_ref().and_then(rules_of),
            alertmanagers: self.read_state("alertmanagers").await.as_ref().and_then(alertmanagers_of),
            retention: self.read_state("status/runtimeinfo").await.as_ref().and_then(retention_of),
        };
        let expected =
            Expected { jobs: &self.jobs, scrape_interval: self.scrape_interval, metrics_retention };
        Ok(findings(&state, expected))
    }

    /// Returns the data of a response about the state of Prometheus. `None` if the server has no such endpoint, as some
    /// compatible ones.
    async fn read_state(&self, endpoint: &str) -> Option<Value> {
        let url = http::below(self.client.base_url(), &["api", "v1"]);
        let url = endpoint.split('/').fold(url, |url, segment| http::below(&url, &[segment]));
        let response = self.client.inner().get(url).send().await.ok()?;
        let body = http::read_body(response.error_for_status().ok()?, MAX_STATE_BYTES).await.ok()??;
        let mut parsed: Value = serde_json::from_slice(&body).ok()?;
        parsed.get_mut("data").map(Value::take)
    }
}

/// Number of alerts of Hexabase's rules that are loaded, and of those whose evaluation fails.
fn rules_of(data: &Value) -> Option<(usize, usize)> {
    let groups = data["groups"].as_array()?;
    let rules = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
    let own: Vec<&Value> = rules.filter(|rule| rule["name"] == ALERT_NAME).collect();
    Some((own.len(), own.iter().filter(|rule| rule["health"] == "err").count()))
}

fn alertmanagers_of(data: &Value) -> Option<usize> {
    Some(data["activeAlertmanagers"].as_array()?.len())
}

/// Time for which samples are kept: `15d`, or `15d or 10GiB`. `None` if only their size is limited.
fn retention_of(data: &Value) -> Option<Duration> {
    let first = data["storageRetention"].as_str()?.split(" or ").next()?;
    let (mut seconds, mut rest) = (0_u64, first);
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let letters = unit.find(|character: char| character.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(letters);
        let factor = match unit {
            "ms" => 0,
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            "y" => 365 * 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = next;
    }
    Some(Duration::from_secs(seconds)).filter(|retention| !retention.is_zero())
}

impl MonitoringState {
    /// Value of a reading; 0 without series.
    fn number(&self, name: &str) -> f64 {
        self.readings.get(name).copied().unwrap_or(0.0)
    }

    fn has(&self, name: &str) -> bool {
        self.number(name) > 0.0
    }
}

/// Returns the finding of each check.
fn findings(state: &MonitoringState, expected: Expected<'_>) -> Vec<MonitoringFinding> {
    let Expected { jobs, .. } = expected;
    vec![
        targets(state, "KubeletTargets", ("kubelets", "--prometheus-kubelet-job"), &jobs.kubelet),
        container_series(state),
        targets(
            state,
            "KubeStateMetricsTargets",
            ("states", "--prometheus-kube-state-metrics-job"),
            &jobs.kube_state_metrics,
        ),
        state_series(state),
        names(state, "PodLabels", ("pods", "labelled_pods"), "pods", PROJECT_LABELS),
        names(state, "ClaimLabels", ("claims", "labelled_claims"), "volumes", PROJECT_LABELS),
        names(state, "PodNames", ("pods", "named_pods"), "pods", POD_NAMES),
        copies(state),
        staleness(state),
        api_servers(state, jobs),
        alert_limits(state),
        alert_rules(state),
        alertmanager(state),
        scrape_interval(state, expected),
        retention(state, expected),
    ]
}

/// Flags of kube-state-metrics with which it has the names of the tenant.
const PROJECT_LABELS: &str = "--metric-labels-allowlist=pods=[vcluster.loft.sh/namespace],persistentvolumeclaims=[vcluster.loft.sh/namespace]";
const POD_NAMES: &str = "--metric-annotations-allowlist=pods=[vcluster.loft.sh/object-name]";

fn finding(
    check: &'static str,
    level: FindingLevel,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> MonitoringFinding {
    MonitoringFinding { check, level, message: message.into(), remedy: remedy.into() }
}

fn ok(check: &'static str, message: impl Into<String>) -> MonitoringFinding {
    finding(check, FindingLevel::Ok, message, "")
}

/// Targets of jobs, of which the reading is the number; with the suffix `_up`, the number of those that are up.
fn targets(
    state: &MonitoringState,
    check: &'static str,
    (reading, setting): (&str, &str),
    jobs: &[String],
) -> MonitoringFinding {
    let (all, up) = (state.number(reading), state.number(&format!("{reading}_up")));
    let jobs = jobs.join(", ");
    if all == 0.0 {
        let message = format!("Prometheus has no target of the job {jobs}");
        let remedy = format!("set {setting} to the name of the scrape job, or add the job to Prometheus");
        return finding(check, FindingLevel::Error, message, remedy);
    }
    if up < all {
        let message =
            format!("{up} of {all} targets of the job {jobs} are up; usage is unmeasured meanwhile");
        let remedy = "repair the targets that are down; Prometheus shows the reason under Status, Targets";
        return finding(check, FindingLevel::Error, message, remedy);
    }
    ok(check, format!("{all} targets of the job {jobs} are up"))
}

fn container_series(state: &MonitoringState) -> MonitoringFinding {
    let check = "ContainerSeries";
    if state.has("renamed_containers") {
        let message = "the namespaces of containers are in the label exported_namespace";
        return finding(check, FindingLevel::Error, message, honor_labels("the scrape job of the kubelets"));
    }
    if !state.has("containers") {
        let message = "Prometheus has no series of containers";
        let remedy = "scrape /metrics/cadvisor of every node in the job of the kubelets; a label metrics_path must end in \
             /metrics/cadvisor";
        return finding(check, FindingLevel::Error, message, remedy);
    }
    if state.has("tenant_containers") {
        let containers = state.number("tenant_containers");
        return ok(check, format!("{containers} series of containers in namespaces of workspaces"));
    }
    if state.has("tenant_pods") {
        let message = "pods of workspaces have no series of containers";
        let remedy = "keep the namespaces ws-… and the labels namespace, pod and container in the scrape job of the kubelets";
        return finding(check, FindingLevel::Error, message, remedy);
    }
    finding(check, FindingLevel::Unknown, "no workspace runs", "")
}

fn honor_labels(job: &str) -> String {
    format!("set honor_labels: true (ServiceMonitor: honorLabels) in {job}")
}

fn state_series(state: &MonitoringState) -> MonitoringFinding {
    let check = "KubeStateMetricsSeries";
    if state.has("renamed_pods") {
        let message = "the namespaces of pods are in the label exported_namespace";
        return finding(
            check,
            FindingLevel::Error,
            message,
            honor_labels("the scrape job of kube-state-metrics"),
        );
    }
    if state.has("tenant_pods") {
        return ok(check, "pods of workspaces have their namespaces");
    }
    if state.has("tenant_containers") {
        let message = "kube-state-metrics has no pods of workspaces";
        let remedy =
            "let kube-state-metrics export the resources pods and persistentvolumeclaims of all namespaces";
        return finding(check, FindingLevel::Error, message, remedy);
    }
    finding(check, FindingLevel::Unknown, "no workspace runs", "")
}

/// Names of the tenant in kube-state-metrics, which has them with a flag only.
fn names(
    state: &MonitoringState,
    check: &'static str,
    (all, named): (&str, &str),
    objects: &str,
    flag: &str,
) -> MonitoringFinding {
    if state.has(named) {
        return ok(check, format!("{objects} of workspaces have the names of the tenant"));
    }
    if !state.has(all) {
        return finding(check, FindingLevel::Unknown, format!("no workspace has {objects}"), "");
    }
    let message =
        format!("{objects} of workspaces do not have the names of the tenant; metrics by project lack them");
    let remedy = format!("start kube-state-metrics with {flag}");
    finding(check, FindingLevel::Warning, message, remedy)
}

fn copies(state: &MonitoringState) -> MonitoringFinding {
    let check = "Duplicates";
    let (containers, pods) = (state.number("container_copies"), state.number("pod_copies"));
    if containers > 1.0 {
        let message = format!("containers have {containers} series each; they count once");
        let remedy = "unless several Prometheus servers scrape on purpose, keep one scrape job of cAdvisor";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    if pods > 1.0 {
        let message = format!("pods have {pods} series each in kube-state-metrics; they count once");
        let remedy = "unless several Prometheus servers scrape on purpose, run one kube-state-metrics, or shards: usage is \
             unmeasured while one instance is down";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    match containers + pods > 0.0 {
        true => ok(check, "containers and pods have one series each"),
        false => finding(check, FindingLevel::Unknown, "no workspace runs", ""),
    }
}

fn staleness(state: &MonitoringState) -> MonitoringFinding {
    let check = "Staleness";
    if state.has("stale_containers") {
        let stale = state.number("stale_containers");
        let message = format!(
            "{stale} series of containers are older than two scrapes; containers that ended count for five more minutes"
        );
        let remedy =
            "set honor_timestamps: false, or track_timestamps_staleness: true, in the scrape job of cAdvisor";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    match state.has("tenant_containers") {
        true => ok(check, "series of containers end with them"),
        false => finding(check, FindingLevel::Unknown, "no workspace runs", ""),
    }
}

fn api_servers(state: &MonitoringState, jobs: &ScrapeJobs) -> MonitoringFinding {
    let check = "ApiServerTargets";
    let (all, up, jobs) =
        (state.number("api_servers"), state.number("api_servers_up"), jobs.api_servers.join(", "));
    if state.has("unnamed_api_servers") {
        let message =
            format!("targets of the job {jobs} lack the label namespace with the namespace of a workspace");
        let remedy = "use the ServiceMonitors of --scrape-tenants, or the targets of GET /api/v1/admin/prometheus/targets";
        return finding(check, FindingLevel::Error, message, remedy);
    }
    if all == 0.0 {
        let message = format!("Prometheus has no target of the job {jobs}: requests are not measured");
        let remedy = "if api_requests has a price or its charts are wanted, set --scrape-tenants; see docs/operations.md";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    if up < all {
        let message = format!("{up} of {all} tenant API servers are scraped");
        let remedy =
            "find the reason under Status, Targets in Prometheus; suspended workspaces have no API server";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    ok(check, format!("{all} tenant API servers are scraped"))
}

fn alert_limits(state: &MonitoringState) -> MonitoringFinding {
    let check = "AlertLimits";
    if state.has("renamed_thresholds") {
        let message = "the namespaces of alert rules are in the label exported_namespace; no rule fires";
        return finding(check, FindingLevel::Error, message, honor_labels("the scrape job hexabase"));
    }
    if !state.has("exporters_up") {
        let message = "Prometheus does not scrape the limits of alert rules; no rule fires";
        let remedy = "add a scrape job named hexabase for /metrics/alert-rules with honor_labels: true";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    ok(check, "the limits of alert rules are scraped")
}

fn alert_rules(state: &MonitoringState) -> MonitoringFinding {
    let check = "AlertRules";
    match state.rules {
        None => finding(check, FindingLevel::Unknown, "the server does not tell which rules it has", ""),
        Some((0, _)) => {
            let message = "Prometheus has not loaded the rules of Hexabase; no alert rule fires";
            let remedy = "load the file that `hexabase alert-rules` prints (rule_files)";
            finding(check, FindingLevel::Warning, message, remedy)
        }
        Some((_, 0)) => ok(check, "the rules of Hexabase are loaded"),
        Some((all, failing)) => {
            let message = format!("{failing} of {all} rules of Hexabase fail");
            let remedy = "load the file that `hexabase alert-rules` of this version prints";
            finding(check, FindingLevel::Error, message, remedy)
        }
    }
}

fn alertmanager(state: &MonitoringState) -> MonitoringFinding {
    let check = "Alertmanager";
    match state.alertmanagers {
        None => finding(check, FindingLevel::Unknown, "the server does not tell its Alertmanagers", ""),
        Some(0) => {
            let message = "Prometheus sends alerts to no Alertmanager";
            let remedy = "configure alerting.alertmanagers in Prometheus";
            finding(check, FindingLevel::Warning, message, remedy)
        }
        Some(number) => ok(check, format!("Prometheus sends alerts to {number} Alertmanagers")),
    }
}

fn scrape_interval(state: &MonitoringState, expected: Expected<'_>) -> MonitoringFinding {
    let check = "ScrapeInterval";
    let seconds = expected.scrape_interval.as_secs();
    let counts = ["kubelet_scrapes", "state_scrapes", "api_server_scrapes"];
    let known = || counts.iter().filter_map(|name| state.readings.get(*name).copied());
    let (Some(least), Some(most)) = (known().reduce(f64::min), known().reduce(f64::max)) else {
        return finding(check, FindingLevel::Unknown, "Prometheus has no targets of the jobs", "");
    };
    let (intervals, period) = (f64::from(COUNTED_INTERVALS), seconds * u64::from(COUNTED_INTERVALS));
    if least < intervals / 2.0 {
        let message = format!(
            "a job made {least} scrapes in {period} s, and {COUNTED_INTERVALS} are expected; its metrics are unmeasured"
        );
        let remedy = "set --prometheus-scrape-seconds to the longest scrape interval of the jobs; after a start of \
             Prometheus, check again later";
        return finding(check, FindingLevel::Error, message, remedy);
    }
    if most > intervals * 2.0 {
        let message =
            format!("a job made {most} scrapes in {period} s, and {COUNTED_INTERVALS} are expected");
        let remedy = "set --prometheus-scrape-seconds to the longest scrape interval of the jobs: rates cover four of them";
        return finding(check, FindingLevel::Warning, message, remedy);
    }
    ok(check, format!("the jobs scrape about every {seconds} s"))
}

fn retention(state: &MonitoringState, expected: Expected<'_>) -> MonitoringFinding {
    let check = "Retention";
    let days = |duration: Duration| duration.as_secs() / 86_400;
    let longest = days(expected.metrics_retention);
    match state.retention {
        None => {
            let message = "the server does not tell for how long it keeps samples";
            finding(check, FindingLevel::Unknown, message, "")
        }
        Some(kept) if kept < expected.metrics_retention => {
            let message = format!(
                "Prometheus keeps samples for {} days, and requests reach back {longest} days",
                days(kept)
            );
            let remedy = "set --metrics-retention-days to the retention of Prometheus, or extend that \
                 (--storage.tsdb.retention.time)";
            finding(check, FindingLevel::Warning, message, remedy)
        }
        Some(kept) => ok(
            check,
            format!("Prometheus keeps samples for {} days, at least {longest} are needed", days(kept)),
        ),
    }
}

#[cfg(test)]
mod tests;
