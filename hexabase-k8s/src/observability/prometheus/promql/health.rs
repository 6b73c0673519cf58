//! Expressions of a tenant's health. Each query joins several readings, which the label [`READING`] tells apart.

use super::chart::{PROJECT, with_reading};
use super::{
    CONTROL_PLANE_CLAIMS, CONTROL_PLANE_PODS, Matcher, Scope, differs, equals, from_job, matches,
    not_matching, select, state,
};

/// Namespace of the cluster's DNS in the tenant cluster.
const DNS_PROJECT: &str = "kube-system";
/// Pattern of the pods of the cluster's DNS; even shortened names begin with the name of their Deployment.
const DNS_PODS: &str = "coredns-.*";

/// Readings of kube-state-metrics: the control plane, pods, DNS and quotas.
pub(in super::super) fn state_health(scope: &Scope<'_>, name: &str) -> String {
    let own = |series: &str, others: Vec<Matcher>| {
        select(series, state(scope, [scope.namespaces()].into_iter().chain(others)))
    };
    let workload = |series: &str, others: Vec<Matcher>| {
        own(series, [not_matching("pod", CONTROL_PLANE_PODS)].into_iter().chain(others).collect())
    };
    let statefulset = || vec![equals("statefulset", name)];
    let by_container = "max by (namespace,pod,container)";
    let restarts = own("kube_pod_container_status_restarts_total", vec![matches("pod", CONTROL_PLANE_PODS)]);
    let restarted = workload("kube_pod_container_status_restarts_total", vec![]);
    let pending = format!(
        "max by (namespace,pod) ({})",
        workload("kube_pod_status_phase", vec![equals("phase", "Pending")])
    );
    let dns = format!(
        "max by (namespace,pod) ({})",
        own("kube_pod_labels", vec![equals(PROJECT, DNS_PROJECT), matches("pod", DNS_PODS)])
    );
    let dns_ready = own("kube_pod_status_ready", vec![equals("condition", "true"), matches("pod", DNS_PODS)]);
    let quota = own("kube_resourcequota", vec![equals("resourcequota", &format!("vc-{name}"))]);
    let waiting =
        workload("kube_pod_container_status_waiting_reason", vec![equals("reason", "CrashLoopBackOff")]);
    let killed =
        workload("kube_pod_container_status_last_terminated_reason", vec![equals("reason", "OOMKilled")]);
    join(&[
        ("up", format!("max({})", select("up", state(scope, [])))),
        ("desired", format!("max({})", own("kube_statefulset_replicas", statefulset()))),
        ("ready", format!("max({})", own("kube_statefulset_status_replicas_ready", statefulset()))),
        (
            "restarts",
            format!(
                "sum(max by (namespace,pod,uid,container) (max_over_time({restarts}[1h]) - min_over_time({restarts}[1h])))"
            ),
        ),
        ("pending", format!("sum({pending})")),
        (
            "pending_since",
            format!("min({} and on (namespace,pod) ({pending} == 1))", workload("kube_pod_created", vec![])),
        ),
        (
            "unschedulable",
            format!("sum(max by (namespace,pod) ({}))", workload("kube_pod_status_unschedulable", vec![])),
        ),
        ("crash_looping", format!("sum({by_container} ({waiting}))")),
        (
            "oom_killed",
            format!(
                "sum({by_container} ({killed}) * on (namespace,pod,container) {by_container} (max_over_time({restarted}[1h]) - min_over_time({restarted}[1h]) > bool 0))"
            ),
        ),
        ("named", format!("count({})", own("kube_pod_labels", vec![differs(PROJECT, "")]))),
        ("dns", format!("count({dns})")),
        ("dns_ready", format!("sum(max by (namespace,pod) ({dns_ready}) * on (namespace,pod) {dns})")),
        ("quota", format!("max by (resource,type) ({quota})")),
    ])
}

/// Reading of the kubelets: the used share of the fullest volume of the control plane.
pub(in super::super) fn volume_health(scope: &Scope<'_>) -> String {
    let volumes = |series: &str| {
        let claims = [scope.namespaces(), matches("persistentvolumeclaim", CONTROL_PLANE_CLAIMS)];
        let series = select(series, scope.kubelet().into_iter().chain(claims));
        format!("max by (namespace,persistentvolumeclaim) ({series})")
    };
    let [used, capacity] =
        ["kubelet_volume_stats_used_bytes", "kubelet_volume_stats_capacity_bytes"].map(volumes);
    join(&[("volume", format!("max({used} / {capacity})"))])
}

/// Readings of the tenant API server, in the last five minutes. Watches and connections last long by design.
pub(in super::super) fn api_health(scope: &Scope<'_>) -> String {
    let requests = |series: &str, others: Vec<Matcher>| {
        let own = [from_job(&scope.jobs.api_servers), scope.namespaces()];
        format!("rate({}[5m])", select(series, own.into_iter().chain(others)))
    };
    let all = requests("apiserver_request_total", vec![]);
    let failed = requests("apiserver_request_total", vec![matches("code", "5..")]);
    let short = vec![not_matching("verb", "WATCH|CONNECT|WATCHLIST")];
    let buckets = requests("apiserver_request_duration_seconds_bucket", short);
    join(&[
        ("error_ratio", format!("(sum({failed}) or 0 * sum({all})) / sum({all})")),
        ("p99", format!("histogram_quantile(0.99, sum by (le) ({buckets}))")),
    ])
}

pub(super) fn join(readings: &[(&str, String)]) -> String {
    let tagged = readings.iter().map(|(reading, expression)| with_reading(expression, reading));
    tagged.collect::<Vec<_>>().join(" or ")
}
