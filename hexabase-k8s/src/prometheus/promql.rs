//! What is asked of Prometheus: pure functions. The namespaces of the tenants are in every question.

use std::time::Duration;

use hexabase_core::desired::TenantTarget;
use hexabase_core::metrics::Metric;

/// The pods of tenants' control planes, which are not the tenants' own: the names of StatefulSets' pods. What the syncer
/// makes for tenants is never called like that.
const CONTROL_PLANE: &str = "ws-[0-9a-z]{26}-[0-9]{1,2}";
/// Their volumes.
const CONTROL_PLANE_DATA: &str = "data-ws-[0-9a-z]{26}-[0-9]{1,2}";
/// The namespaces of tenants.
const TENANT: &str = "ws-[0-9a-z]{26}";

/// What each tenant uses, by `namespace`.
pub(super) fn used(metric: Metric, targets: &[TenantTarget], step: Duration) -> String {
    // Names are DNS labels: nothing in them means anything in a pattern.
    let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let of = format!("namespace=~\"{}\"", names.join("|"));
    let containers = format!("{of},container!=\"\",container!=\"POD\",pod!~\"{CONTROL_PLANE}\"");
    let pods = format!("{of},interface!=\"lo\",pod!~\"{CONTROL_PLANE}\"");
    let rate = |series: &str| format!("rate({series}[{}s])", step.as_secs());
    let each = match metric {
        Metric::Cpu => rate(&format!("container_cpu_usage_seconds_total{{{containers}}}")),
        Metric::Memory => format!("container_memory_working_set_bytes{{{containers}}}"),
        Metric::Storage => format!(
            "kube_persistentvolumeclaim_resource_requests_storage_bytes{{{of},persistentvolumeclaim!~\"{CONTROL_PLANE_DATA}\"}}"
        ),
        Metric::NetworkReceive => rate(&format!("container_network_receive_bytes_total{{{pods}}}")),
        Metric::NetworkTransmit => rate(&format!("container_network_transmit_bytes_total{{{pods}}}")),
        Metric::Pods => {
            format!("kube_pod_status_phase{{{of},phase=\"Running\",pod!~\"{CONTROL_PLANE}\"}}")
        }
        Metric::ApiRequests => rate(&format!("apiserver_request_total{{{of}}}")),
    };
    format!("sum by (namespace) ({each})")
}

/// How well it was measured in the step before: of what is to be asked, the share of answers of whoever answered least.
pub(super) fn measured(metric: Metric, step: Duration) -> String {
    // Something small that comes from the same place as what is measured.
    let beside = match metric {
        Metric::Cpu | Metric::Memory | Metric::NetworkReceive | Metric::NetworkTransmit => {
            "machine_cpu_cores"
        }
        Metric::Storage | Metric::Pods => "kube_node_info",
        // A tenant whose API server does not answer has no requests; it must not speak for all others.
        Metric::ApiRequests => return format!("max(up{{namespace=~\"{TENANT}\"}})"),
    };
    let answers = format!("avg_over_time(up[{}s])", step.as_secs());
    format!("min({answers} and on (job) group by (job) ({beside}))")
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::id;

    use super::*;

    #[test]
    fn every_question_names_the_tenants_and_leaves_out_their_control_planes() {
        let target =
            |name: &str| TenantTarget { name: name.to_owned(), ..TenantTarget::by_id(id("acme"), id(name)) };
        let targets = [target("ws-one"), target("ws-two")];
        let step = Duration::from_secs(300);
        for metric in Metric::ALL.iter().copied() {
            let query = used(metric, &targets, step);
            assert!(query.contains("namespace=~\"ws-one|ws-two\""), "{query}");
            assert!(query.contains("ws-[0-9a-z]{26}-") || metric == Metric::ApiRequests, "{query}");
        }
        assert_eq!(
            used(Metric::Cpu, &targets[..1], step),
            "sum by (namespace) (rate(container_cpu_usage_seconds_total{namespace=~\"ws-one\",container!=\"\",\
             container!=\"POD\",pod!~\"ws-[0-9a-z]{26}-[0-9]{1,2}\"}[300s]))"
        );
    }
}
