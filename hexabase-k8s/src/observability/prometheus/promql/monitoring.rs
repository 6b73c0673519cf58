//! Expressions with which an operator checks that Prometheus has the series that Hexabase reads, as expected.

use hexabase_core::alerts::THRESHOLD_SERIES;

use super::chart::{OBJECT_NAME, PROJECT};
use super::health::join;
use super::rules::THRESHOLD_JOB;
use super::{
    CLAIM, CONTAINER_RUN, CONTROL_PLANE_CLAIMS, CONTROL_PLANE_PODS, Matcher, SCRAPE_TARGET, Scope,
    TENANT_NAMESPACES, claims, differs, equals, from_job, matches, not_matching, select, state,
};

/// Label that Prometheus gives the namespace of a series if its target has one, unless the job has `honor_labels`.
const RENAMED_NAMESPACE: &str = "exported_namespace";
/// Number of scrape intervals in which scrapes are counted.
pub(in super::super) const COUNTED_INTERVALS: u32 = 10;
/// Time by which the newest sample of a healthy series of cAdvisor may be older than two scrapes.
const CADVISOR_DELAY_SECONDS: u64 = 15;

/// Readings about all tenants, which the label [`READING`](super::READING) tells apart.
pub(in super::super) fn monitoring(scope: &Scope<'_>) -> String {
    let jobs = scope.jobs;
    let count = |series: String| format!("count({series})");
    let targets = |up: &str| format!("count(max by ({}) ({up}))", SCRAPE_TARGET.join(","));
    let up_targets = |up: &str| format!("sum(max by ({}) ({up}))", SCRAPE_TARGET.join(","));
    let scrapes = |up: &str| {
        let range = (scope.scrape_interval * COUNTED_INTERVALS).as_secs();
        format!("max(count_over_time({up}[{range}s]))")
    };
    let kubelets = select("up", [from_job(&jobs.kubelet)]);
    let states = select("up", state(scope, []));
    let api_servers = select("up", [from_job(&jobs.api_servers), scope.namespaces()]);
    let api_targets = |up: &str, operation: &str| {
        format!("{operation}(max by (namespace,{}) ({up}))", SCRAPE_TARGET.join(","))
    };
    let renamed = || matches(RENAMED_NAMESPACE, TENANT_NAMESPACES);
    let memory = "container_memory_working_set_bytes";
    let own_memory = || select(memory, scope.cadvisor().into_iter().chain([scope.namespaces()]));
    let own_cpu =
        select("container_cpu_usage_seconds_total", scope.cadvisor().into_iter().chain([scope.namespaces()]));
    let own = |series: &str, others: Vec<Matcher>| {
        select(series, state(scope, [scope.namespaces()].into_iter().chain(others)))
    };
    let phases = || own("kube_pod_status_phase", vec![]);
    let workload = || not_matching("pod", CONTROL_PLANE_PODS);
    let running = own("kube_pod_status_phase", vec![equals("phase", "Running"), workload()]);
    let threshold = |others: Vec<Matcher>| {
        select(THRESHOLD_SERIES, [equals("job", THRESHOLD_JOB)].into_iter().chain(others))
    };
    let thresholds_up = select("up", [equals("job", THRESHOLD_JOB)]);
    let longest_age = (scope.scrape_interval * 2).as_secs() + CADVISOR_DELAY_SECONDS;
    join(&[
        ("kubelets", targets(&kubelets)),
        ("kubelets_up", up_targets(&kubelets)),
        ("kubelet_scrapes", scrapes(&kubelets)),
        ("containers", count(select(memory, scope.cadvisor()))),
        ("tenant_containers", count(own_memory())),
        ("renamed_containers", count(select(memory, [from_job(&jobs.kubelet), renamed()]))),
        ("container_copies", format!("max(count by ({}) ({own_cpu}))", CONTAINER_RUN.join(","))),
        ("stale_containers", count(format!("time() - timestamp({}) > {longest_age}", own_memory()))),
        ("states", targets(&states)),
        ("states_up", up_targets(&states)),
        ("state_scrapes", scrapes(&states)),
        ("tenant_pods", count(phases())),
        ("renamed_pods", count(select("kube_pod_status_phase", state(scope, [renamed()])))),
        ("pod_copies", format!("max(count by (namespace,pod,uid,phase) ({}))", phases())),
        ("pods", format!("count({running} == 1)")),
        ("labelled_pods", count(own("kube_pod_labels", vec![differs(PROJECT, ""), workload()]))),
        ("named_pods", count(own("kube_pod_annotations", vec![differs(OBJECT_NAME, ""), workload()]))),
        (
            "claims",
            format!(
                "count(max by ({}) ({}))",
                CLAIM.join(","),
                select(
                    "kube_persistentvolumeclaim_resource_requests_storage_bytes",
                    state(scope, claims(scope)),
                )
            ),
        ),
        (
            "labelled_claims",
            count(own(
                "kube_persistentvolumeclaim_labels",
                vec![differs(PROJECT, ""), not_matching("persistentvolumeclaim", CONTROL_PLANE_CLAIMS)],
            )),
        ),
        ("api_servers", api_targets(&api_servers, "count")),
        ("api_servers_up", api_targets(&api_servers, "sum")),
        ("api_server_scrapes", scrapes(&api_servers)),
        (
            "unnamed_api_servers",
            count(select("up", [from_job(&jobs.api_servers), not_matching("namespace", TENANT_NAMESPACES)])),
        ),
        ("exporters", targets(&thresholds_up)),
        ("exporters_up", up_targets(&thresholds_up)),
        ("renamed_thresholds", count(threshold(vec![renamed()]))),
    ])
}
