//! PromQL expressions, by metric. Pure functions from typed parameters; values of labels are escaped. Every expression
//! is restricted to the namespaces of tenants and to the configured scrape jobs.
//!
//! Expressions of usage have two layers. The inner one reduces all series of one container, pod or volume to one:
//! several Prometheus servers, several instances of kube-state-metrics, and dead containers that the kubelet still
//! reports would otherwise count more than once. The outer one sums by namespace.

use std::time::Duration;

use hexabase_core::desired::TenantTarget;
use hexabase_core::metrics::Metric;

use super::ScrapeJobs;

mod chart;
mod federation;
mod health;
mod monitoring;
mod rules;
#[cfg(test)]
mod tests;

pub(super) use chart::{
    MAX_READ_SERIES, MEASURED, Names, OBJECT_NAME, PROJECT, READING, Selection, chart, chart_coverage,
    latest, names, names_known,
};
pub(super) use federation::{federated, federated_names};
pub(super) use health::{api_health, state_health, volume_health};
pub(super) use monitoring::{COUNTED_INTERVALS, monitoring};
pub(super) use rules::{alert_rules, rule_step, rule_value};

/// Pattern of the pods of control planes and their etcd, which do not count as usage of the tenant: names of pods of
/// StatefulSets. The syncer never gives such names to the pods of tenants.
const CONTROL_PLANE_PODS: &str = "ws-[0-9a-z]{26}(-etcd)?-[0-9]{1,2}";
/// Pattern of the PersistentVolumeClaims of control planes and their etcd.
const CONTROL_PLANE_CLAIMS: &str = "data-ws-[0-9a-z]{26}(-etcd)?-[0-9]{1,2}";
/// Pattern of the namespaces of tenants.
const TENANT_NAMESPACES: &str = "ws-[0-9a-z]{26}";
/// Pattern of the label `metrics_path` of cAdvisor's targets, which many scrape configurations set. The kubelet's
/// endpoint `/metrics/resource` has series with the same names.
const CADVISOR_PATH: &str = "(.*/metrics/cadvisor)?";

/// Labels that identify a container. A restarted container has the labels of its predecessor.
const CONTAINER: &[&str] = &["namespace", "pod", "container"];
/// Labels that identify a run of a container: `id` is its cgroup. Its predecessor used other processor time.
const CONTAINER_RUN: &[&str] = &["namespace", "pod", "container", "id", "cpu"];
/// Labels that identify a network interface of a run of a pod; network is measured in the pod's sandbox.
const INTERFACE: &[&str] = &["namespace", "pod", "interface", "id"];
const CLAIM: &[&str] = &["namespace", "persistentvolumeclaim"];
const POD: &[&str] = &["namespace", "pod"];
/// Labels that identify the counter of a container's restarts. A pod that replaces another has another `uid`.
const RESTARTS: &[&str] = &["namespace", "pod", "uid", "container"];
/// Pattern of the label `metrics_path` of the kubelets' own targets, which have the volumes.
const KUBELET_PATH: &str = "(.*/metrics)?";
/// Labels that identify a counter of an API server, without those that Prometheus servers add.
const API_COUNTER: &[&str] = &[
    "namespace",
    "pod",
    "instance",
    "verb",
    "dry_run",
    "group",
    "version",
    "resource",
    "subresource",
    "scope",
    "component",
    "code",
];
/// Labels that identify a scrape target, without those that Prometheus servers add. Addresses are unique within a
/// cluster only.
const SCRAPE_TARGET: &[&str] = &["cluster", "job", "instance", "metrics_path"];

/// Number of scrapes that the window of a rate covers at least.
const SCRAPES_PER_WINDOW: u32 = 4;
/// Minimum share of the expected scrapes for a window to count as measured.
pub(super) const MIN_MEASURED_SHARE: f64 = 0.5;

/// Parameters of an expression.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Tenants to read; empty for all.
    pub(super) targets: &'a [TenantTarget],
    /// Scrape jobs whose series count.
    pub(super) jobs: &'a ScrapeJobs,
    /// Interval between two scrapes.
    pub(super) scrape_interval: Duration,
    /// Interval between two samples.
    pub(super) step: Duration,
    /// Pods to read; empty for all.
    pub(super) pods: &'a [String],
}

impl Scope<'_> {
    /// Time that a sample covers: the step, or more if the step has too few scrapes for a rate.
    pub(super) fn window(&self) -> Duration {
        self.step.max(self.scrape_interval * SCRAPES_PER_WINDOW)
    }

    fn namespaces(&self) -> Matcher {
        if self.targets.is_empty() {
            return matches("namespace", TENANT_NAMESPACES);
        }
        one_of("namespace", self.targets.iter().map(|target| target.name.as_str()))
    }

    /// Matchers of the names of the workload's pods.
    fn pods(&self) -> impl Iterator<Item = Matcher> {
        let requested = (!self.pods.is_empty()).then(|| one_of("pod", self.pods.iter().map(String::as_str)));
        [not_matching("pod", CONTROL_PLANE_PODS)].into_iter().chain(requested)
    }

    /// Matchers of cAdvisor's series and targets.
    fn cadvisor(&self) -> [Matcher; 2] {
        [from_job(&self.jobs.kubelet), matches("metrics_path", CADVISOR_PATH)]
    }

    /// Matchers of the series and targets of the kubelets themselves.
    fn kubelet(&self) -> [Matcher; 2] {
        [from_job(&self.jobs.kubelet), matches("metrics_path", KUBELET_PATH)]
    }

    fn rate(&self, series: &str) -> String {
        format!("rate({series}{})", self.range())
    }

    fn range(&self) -> String {
        format!("[{}s]", self.window().as_secs())
    }
}

/// Usage of each tenant, by `namespace`.
pub(super) fn usage(metric: Metric, scope: &Scope<'_>) -> String {
    let sum = |series: String| format!("sum by (namespace) ({series})");
    match distinct(metric, scope) {
        Distinct::Sum(series) => sum(series),
        Distinct::Ratio(part, whole) => format!("{} / {}", sum(part), sum(whole)),
    }
}

/// Series of a metric, in which those with the same identity count once.
enum Distinct {
    /// Series that add up.
    Sum(String),
    /// Series whose sums are divided.
    Ratio(String, String),
}

fn distinct(metric: Metric, scope: &Scope<'_>) -> Distinct {
    Distinct::Sum(match metric {
        Metric::Cpu => cpu(scope),
        Metric::Memory => memory(scope),
        Metric::Storage => storage(scope),
        Metric::StorageUsed => storage_used(scope),
        Metric::NetworkReceive => network("container_network_receive_bytes_total", scope),
        Metric::NetworkTransmit => network("container_network_transmit_bytes_total", scope),
        Metric::Pods => pods(scope),
        Metric::Restarts => restarts(scope),
        Metric::Throttling => {
            let [throttled, periods] =
                ["container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_periods_total"];
            return Distinct::Ratio(scheduling_periods(throttled, scope), scheduling_periods(periods, scope));
        }
        Metric::ApiRequests => api_requests(scope),
    })
}

fn cpu(scope: &Scope<'_>) -> String {
    let series = select("container_cpu_usage_seconds_total", containers(scope));
    max_by(CONTAINER_RUN, &scope.rate(&series))
}

/// Memory that counts for evictions: used, without inactive files.
fn memory(scope: &Scope<'_>) -> String {
    max_by(CONTAINER, &select("container_memory_working_set_bytes", containers(scope)))
}

/// Scheduling periods of containers with a limit of processor time, per second.
fn scheduling_periods(series: &str, scope: &Scope<'_>) -> String {
    max_by(CONTAINER_RUN, &scope.rate(&select(series, containers(scope))))
}

fn network(series: &str, scope: &Scope<'_>) -> String {
    let others = [scope.namespaces(), differs("interface", "lo")].into_iter().chain(scope.pods());
    max_by(INTERFACE, &scope.rate(&select(series, scope.cadvisor().into_iter().chain(others))))
}

/// Matchers of the tenants' claims.
fn claims(scope: &Scope<'_>) -> [Matcher; 2] {
    [scope.namespaces(), not_matching("persistentvolumeclaim", CONTROL_PLANE_CLAIMS)]
}

/// Matchers of series of kube-state-metrics.
fn state(scope: &Scope<'_>, others: impl IntoIterator<Item = Matcher>) -> impl Iterator<Item = Matcher> {
    [from_job(&scope.jobs.kube_state_metrics)].into_iter().chain(others)
}

fn storage(scope: &Scope<'_>) -> String {
    let claims = state(scope, claims(scope));
    max_by(CLAIM, &select("kube_persistentvolumeclaim_resource_requests_storage_bytes", claims))
}

/// Volumes that several nodes mount have a series for each.
fn storage_used(scope: &Scope<'_>) -> String {
    let claims = scope.kubelet().into_iter().chain(claims(scope));
    max_by(CLAIM, &select("kubelet_volume_stats_used_bytes", claims))
}

fn pods(scope: &Scope<'_>) -> String {
    let running = [scope.namespaces(), equals("phase", "Running")].into_iter().chain(scope.pods());
    max_by(POD, &select("kube_pod_status_phase", state(scope, running)))
}

/// Difference of the counter between both ends of the window. `increase` extrapolates: one restart of a new pod would
/// be one and a half. The range has the scrape before the window too, unless it is older than one interval.
fn restarts(scope: &Scope<'_>) -> String {
    let pods = [scope.namespaces()].into_iter().chain(scope.pods());
    let series = select("kube_pod_container_status_restarts_total", state(scope, pods));
    let range = (scope.window() + scope.scrape_interval).as_secs().saturating_sub(1);
    max_by(RESTARTS, &format!("max_over_time({series}[{range}s]) - min_over_time({series}[{range}s])"))
}

fn api_requests(scope: &Scope<'_>) -> String {
    let series = select("apiserver_request_total", [from_job(&scope.jobs.api_servers), scope.namespaces()]);
    max_by(API_COUNTER, &scope.rate(&series))
}

/// Matchers of tenants' containers. The sandbox has no container name or the name `POD`, and the cgroup of the pod has
/// none. The label `image` is missing on some runtimes.
fn containers(scope: &Scope<'_>) -> impl Iterator<Item = Matcher> {
    let others = [scope.namespaces(), differs("container", ""), differs("container", "POD")];
    scope.cadvisor().into_iter().chain(others).chain(scope.pods())
}

/// Share of successful scrapes in the window, of the target with the lowest share among those that provide the metric.
/// It is 0 if the window has too few scrapes, as after an outage of Prometheus itself, and absent without targets.
pub(super) fn coverage(metric: Metric, scope: &Scope<'_>) -> String {
    let (up, is_gauge) = match metric {
        Metric::Cpu | Metric::NetworkReceive | Metric::NetworkTransmit | Metric::Throttling => {
            (select("up", scope.cadvisor()), false)
        }
        Metric::Memory => (select("up", scope.cadvisor()), true),
        Metric::StorageUsed => (select("up", scope.kubelet()), true),
        Metric::Storage | Metric::Pods => (select("up", state(scope, [])), true),
        Metric::Restarts => (select("up", state(scope, [])), false),
        Metric::ApiRequests => {
            let tenants = matches("namespace", TENANT_NAMESPACES);
            (select("up", [from_job(&scope.jobs.api_servers), tenants]), false)
        }
    };
    measured_share(metric, scope, &up, is_gauge)
}

/// [`coverage`] for these targets; gauges are read at the end of the window.
fn measured_share(metric: Metric, scope: &Scope<'_>, up: &str, is_gauge: bool) -> String {
    let range = scope.range();
    let share = match metric {
        // A tenant API server that is down has no requests, and must not mark the others as unmeasured.
        Metric::ApiRequests => format!("max(avg_over_time({up}{range}))"),
        _ => {
            // Gauges are read at the end of the window, and are missing if the scrape before it failed.
            let at_end = if is_gauge { format!(" * {up}") } else { String::new() };
            // It suffices that one of several Prometheus servers scraped the target.
            format!("min(max by ({}) (avg_over_time({up}{range}){at_end}))", SCRAPE_TARGET.join(","))
        }
    };
    let expected = scope.window().as_secs_f64() / scope.scrape_interval.as_secs_f64();
    format!("{share} * (max(count_over_time({up}{range})) >= bool {})", expected * MIN_MEASURED_SHARE)
}

/// Series in which those with the same identity count once.
fn max_by(identity: &[&str], series: &str) -> String {
    format!("max by ({}) ({series})", identity.join(","))
}

/// Matcher of a label, in PromQL.
type Matcher = String;

fn select(metric: &str, matchers: impl IntoIterator<Item = Matcher>) -> String {
    format!("{metric}{{{}}}", matchers.into_iter().collect::<Vec<_>>().join(","))
}

fn from_job(names: &[String]) -> Matcher {
    one_of("job", names.iter().map(String::as_str))
}

fn equals(label: &str, value: &str) -> Matcher {
    format!("{label}={}", quoted(value))
}

fn differs(label: &str, value: &str) -> Matcher {
    format!("{label}!={}", quoted(value))
}

fn matches(label: &str, pattern: &str) -> Matcher {
    format!("{label}=~{}", quoted(pattern))
}

fn not_matching(label: &str, pattern: &str) -> Matcher {
    format!("{label}!~{}", quoted(pattern))
}

/// Matcher of a label with one of the values.
fn one_of<'a>(label: &str, values: impl Iterator<Item = &'a str>) -> Matcher {
    let values: Vec<&str> = values.collect();
    match values.as_slice() {
        [value] => equals(label, value),
        values => matches(label, &values.iter().map(|value| literal(value)).collect::<Vec<_>>().join("|")),
    }
}

/// Pattern that matches a text only: special characters of RE2 are escaped.
fn literal(text: &str) -> String {
    let escaped = |character: char| {
        let is_special = r"\.+*?()|[]{}^$".contains(character);
        is_special.then_some('\\').into_iter().chain([character])
    };
    text.chars().flat_map(escaped).collect()
}

/// String literal of PromQL.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n"))
}
