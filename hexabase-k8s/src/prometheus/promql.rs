//! PromQL queries. Pure functions. Every query is restricted to the namespaces of tenants.

use std::time::Duration;

use hexabase_core::desired::TenantTarget;
use hexabase_core::metrics::Metric;

/// Pattern of the pods of control planes, which do not count as usage of the tenant: names of pods of StatefulSets.
/// The syncer never gives such names to the pods of tenants.
const CONTROL_PLANE_PODS: &str = "ws-[0-9a-z]{26}-[0-9]{1,2}";
/// Pattern of the PersistentVolumeClaims of control planes.
const CONTROL_PLANE_CLAIMS: &str = "data-ws-[0-9a-z]{26}-[0-9]{1,2}";
/// Pattern of the namespaces of tenants.
const TENANT_NAMESPACES: &str = "ws-[0-9a-z]{26}";

/// Query for the usage of each tenant, by `namespace`.
pub(super) fn usage_query(metric: Metric, targets: &[TenantTarget], step: Duration) -> String {
    // Names are DNS labels, so they contain no special characters of regular expressions.
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let selector = format!("namespace=~\"{}\"", names.join("|"));
    let containers = format!("{selector},container!=\"\",container!=\"POD\",pod!~\"{CONTROL_PLANE_PODS}\"");
    let pods = format!("{selector},interface!=\"lo\",pod!~\"{CONTROL_PLANE_PODS}\"");
    let rate = |series: &str| format!("rate({series}[{}s])", step.as_secs());
    let per_series = match metric {
        Metric::Cpu => rate(&format!("container_cpu_usage_seconds_total{{{containers}}}")),
        Metric::Memory => format!("container_memory_working_set_bytes{{{containers}}}"),
        Metric::Storage => format!(
            "kube_persistentvolumeclaim_resource_requests_storage_bytes{{{selector},persistentvolumeclaim!~\"{CONTROL_PLANE_CLAIMS}\"}}"
        ),
        Metric::NetworkReceive => rate(&format!("container_network_receive_bytes_total{{{pods}}}")),
        Metric::NetworkTransmit => rate(&format!("container_network_transmit_bytes_total{{{pods}}}")),
        Metric::Pods => {
            format!("kube_pod_status_phase{{{selector},phase=\"Running\",pod!~\"{CONTROL_PLANE_PODS}\"}}")
        }
        Metric::ApiRequests => rate(&format!("apiserver_request_total{{{selector}}}")),
    };
    format!("sum by (namespace) ({per_series})")
}

/// Query for the coverage of the previous step: the lowest share of successful scrapes among the targets that provide
/// the metric.
pub(super) fn coverage_query(metric: Metric, step: Duration) -> String {
    // Small series that the same job as the metric provides.
    let companion_series = match metric {
        Metric::Cpu | Metric::Memory | Metric::NetworkReceive | Metric::NetworkTransmit => {
            "machine_cpu_cores"
        }
        Metric::Storage | Metric::Pods => "kube_node_info",
        // A tenant API server that is down has no requests, and must not mark the others as unmeasured.
        Metric::ApiRequests => return format!("max(up{{namespace=~\"{TENANT_NAMESPACES}\"}})"),
    };
    let scrapes = format!("avg_over_time(up[{}s])", step.as_secs());
    format!("min({scrapes} and on (job) group by (job) ({companion_series}))")
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::id;

    use super::*;

    #[test]
    fn usage_queries_name_the_tenants_and_exclude_their_control_planes() {
        let target =
            |name: &str| TenantTarget { name: name.to_owned(), ..TenantTarget::by_id(id("acme"), id(name)) };
        let targets = [target("ws-one"), target("ws-two")];
        let step = Duration::from_secs(300);
        for metric in Metric::ALL.iter().copied() {
            let query = usage_query(metric, &targets, step);
            assert!(query.contains("namespace=~\"ws-one|ws-two\""), "{query}");
            assert!(query.contains("ws-[0-9a-z]{26}-") || metric == Metric::ApiRequests, "{query}");
        }
        assert_eq!(
            usage_query(Metric::Cpu, &targets[..1], step),
            "sum by (namespace) (rate(container_cpu_usage_seconds_total{namespace=~\"ws-one\",container!=\"\",\
             container!=\"POD\",pod!~\"ws-[0-9a-z]{26}-[0-9]{1,2}\"}[300s]))"
        );
    }
}
