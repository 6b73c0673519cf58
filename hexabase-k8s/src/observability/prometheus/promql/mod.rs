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

#[cfg(test)]
mod tests;

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
    /// Tenants to read.
    pub(super) targets: &'a [TenantTarget],
    /// Scrape jobs whose series count.
    pub(super) jobs: &'a ScrapeJobs,
    /// Interval between two scrapes.
    pub(super) scrape_interval: Duration,
    /// Interval between two samples.
    pub(super) step: Duration,
}

impl Scope<'_> {
    /// Time that a sample covers: the step, or more if the step has too few scrapes for a rate.
    fn window(&self) -> Duration {
        self.step.max(self.scrape_interval * SCRAPES_PER_WINDOW)
    }

    fn namespaces(&self) -> Matcher {
        one_of("namespace", self.targets.iter().map(|target| target.name.as_str()))
    }

    /// Matchers of cAdvisor's series and targets.
    fn cadvisor(&self) -> [Matcher; 2] {
        [from_job(&self.jobs.kubelet), matches("metrics_path", CADVISOR_PATH)]
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
    match metric {
        Metric::Cpu => cpu(scope),
        Metric::Memory => memory(scope),
        Metric::Storage => storage(scope),
        Metric::NetworkReceive => network("container_network_receive_bytes_total", scope),
        Metric::NetworkTransmit => network("container_network_transmit_bytes_total", scope),
        Metric::Pods => pods(scope),
        Metric::ApiRequests => api_requests(scope),
    }
}

fn cpu(scope: &Scope<'_>) -> String {
    let series = select("container_cpu_usage_seconds_total", containers(scope));
    sum_of_distinct(CONTAINER_RUN, &scope.rate(&series))
}

/// Memory that counts for evictions: used, without inactive files.
fn memory(scope: &Scope<'_>) -> String {
    sum_of_distinct(CONTAINER, &select("container_memory_working_set_bytes", containers(scope)))
}

fn network(series: &str, scope: &Scope<'_>) -> String {
    let others = [scope.namespaces(), differs("interface", "lo"), not_matching("pod", CONTROL_PLANE_PODS)];
    sum_of_distinct(INTERFACE, &scope.rate(&select(series, scope.cadvisor().into_iter().chain(others))))
}

fn storage(scope: &Scope<'_>) -> String {
    let claims = [
        from_job(&scope.jobs.kube_state_metrics),
        scope.namespaces(),
        not_matching("persistentvolumeclaim", CONTROL_PLANE_CLAIMS),
    ];
    sum_of_distinct(CLAIM, &select("kube_persistentvolumeclaim_resource_requests_storage_bytes", claims))
}

fn pods(scope: &Scope<'_>) -> String {
    let running = [
        from_job(&scope.jobs.kube_state_metrics),
        scope.namespaces(),
        equals("phase", "Running"),
        not_matching("pod", CONTROL_PLANE_PODS),
    ];
    sum_of_distinct(POD, &select("kube_pod_status_phase", running))
}

fn api_requests(scope: &Scope<'_>) -> String {
    let series = select("apiserver_request_total", [from_job(&scope.jobs.api_servers), scope.namespaces()]);
    sum_of_distinct(API_COUNTER, &scope.rate(&series))
}

/// Matchers of tenants' containers. The sandbox has no container name or the name `POD`, and the cgroup of the pod has
/// none. The label `image` is missing on some runtimes.
fn containers(scope: &Scope<'_>) -> impl Iterator<Item = Matcher> {
    let others = [
        scope.namespaces(),
        differs("container", ""),
        differs("container", "POD"),
        not_matching("pod", CONTROL_PLANE_PODS),
    ];
    scope.cadvisor().into_iter().chain(others)
}

/// Share of successful scrapes in the window, of the target with the lowest share among those that provide the metric.
/// It is 0 if the window has too few scrapes, as after an outage of Prometheus itself, and absent without targets.
pub(super) fn coverage(metric: Metric, scope: &Scope<'_>) -> String {
    let (up, is_gauge) = match metric {
        Metric::Cpu | Metric::NetworkReceive | Metric::NetworkTransmit => {
            (select("up", scope.cadvisor()), false)
        }
        Metric::Memory => (select("up", scope.cadvisor()), true),
        Metric::Storage | Metric::Pods => (select("up", [from_job(&scope.jobs.kube_state_metrics)]), true),
        Metric::ApiRequests => {
            let tenants = matches("namespace", TENANT_NAMESPACES);
            (select("up", [from_job(&scope.jobs.api_servers), tenants]), false)
        }
    };
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

/// Sum by namespace, in which series with the same identity count once.
fn sum_of_distinct(identity: &[&str], series: &str) -> String {
    format!("sum by (namespace) (max by ({}) ({series}))", identity.join(","))
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
