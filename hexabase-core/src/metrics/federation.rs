//! Series of one tenant for its own Prometheus, with the names of the tenant cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::SeriesLabels;

/// Maximum number of series of a tenant; further ones are left out.
pub const MAX_FEDERATED_SERIES: usize = 10_000;
/// Maximum size of the text, in bytes; further series are left out.
const MAX_TEXT_BYTES: usize = 4 << 20;
/// Series with the number of series that are left out.
const LEFT_OUT: &str = "hexabase_federation_series_left_out";

/// Metric of a tenant's pods and volumes that its own Prometheus may read, under the name of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FederatedMetric {
    /// Processor time of a container.
    CpuSeconds,
    /// Memory of a container that counts for evictions.
    Memory,
    /// Bytes that an interface of a pod received.
    NetworkReceived,
    /// Bytes that an interface of a pod sent.
    NetworkTransmitted,
    /// Restarts of a container.
    Restarts,
    /// Requested size of a volume.
    StorageRequested,
    /// Used bytes of a volume.
    StorageUsed,
    /// Size of a volume.
    StorageCapacity,
}

impl FederatedMetric {
    /// All metrics.
    pub const ALL: &'static [Self] = &[
        Self::CpuSeconds,
        Self::Memory,
        Self::NetworkReceived,
        Self::NetworkTransmitted,
        Self::Restarts,
        Self::StorageRequested,
        Self::StorageUsed,
        Self::StorageCapacity,
    ];

    /// Returns the name of the series, that of cAdvisor, the kubelet or kube-state-metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuSeconds => "container_cpu_usage_seconds_total",
            Self::Memory => "container_memory_working_set_bytes",
            Self::NetworkReceived => "container_network_receive_bytes_total",
            Self::NetworkTransmitted => "container_network_transmit_bytes_total",
            Self::Restarts => "kube_pod_container_status_restarts_total",
            Self::StorageRequested => "kube_persistentvolumeclaim_resource_requests_storage_bytes",
            Self::StorageUsed => "kubelet_volume_stats_used_bytes",
            Self::StorageCapacity => "kubelet_volume_stats_capacity_bytes",
        }
    }

    /// `true` if the value only increases, until it starts again from zero.
    #[must_use]
    pub const fn is_counter(self) -> bool {
        matches!(self, Self::CpuSeconds | Self::NetworkReceived | Self::NetworkTransmitted | Self::Restarts)
    }

    /// `true` if the series belong to volumes, and otherwise to pods.
    #[must_use]
    pub const fn is_of_volumes(self) -> bool {
        matches!(self, Self::StorageRequested | Self::StorageUsed | Self::StorageCapacity)
    }
}

/// Label of a federated series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FederatedLabel {
    /// Namespace in the tenant cluster.
    Namespace,
    /// Name of the pod in the tenant cluster.
    Pod,
    /// Name of the container.
    Container,
    /// Digest of the cgroup: it tells apart the runs of a container, whose counters start from zero.
    Id,
    /// Processor, or `total`.
    Cpu,
    /// Network interface of the pod.
    Interface,
    /// Name of the PersistentVolumeClaim in the tenant cluster.
    PersistentVolumeClaim,
}

impl FederatedLabel {
    /// Returns the name of the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::Container => "container",
            Self::Id => "id",
            Self::Cpu => "cpu",
            Self::Interface => "interface",
            Self::PersistentVolumeClaim => "persistentvolumeclaim",
        }
    }
}

/// Labels of a federated series.
pub type FederatedLabels = BTreeMap<FederatedLabel, String>;

impl SeriesLabels {
    /// Returns the labels of a container's series of a metric, as far as the metric has them; `None` without a project or
    /// pod. Each container has an interface and a volume of its own here.
    pub(super) fn federated(&self, metric: FederatedMetric) -> Option<FederatedLabels> {
        let (project, pod) = (self.project.clone()?, self.pod.clone()?);
        let container = self.container.clone().unwrap_or_default();
        let mut labels = FederatedLabels::from([(FederatedLabel::Namespace, project)]);
        match metric {
            FederatedMetric::NetworkReceived | FederatedMetric::NetworkTransmitted => {
                labels.extend([
                    (FederatedLabel::Pod, pod),
                    (FederatedLabel::Interface, format!("eth-{container}")),
                ]);
            }
            _ if metric.is_of_volumes() => {
                labels.extend([(FederatedLabel::PersistentVolumeClaim, format!("{pod}-{container}"))]);
            }
            _ => labels.extend([(FederatedLabel::Pod, pod), (FederatedLabel::Container, container)]),
        }
        Some(labels)
    }
}

/// Latest value of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct FederatedSeries {
    /// Metric.
    pub metric: FederatedMetric,
    /// Labels, in the names of the tenant cluster.
    pub labels: FederatedLabels,
    /// Value.
    pub value: f64,
}

/// Latest values of the series of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Federation {
    /// Time of the values.
    pub at: Timestamp,
    /// Series.
    pub series: Vec<FederatedSeries>,
    /// Number of series that are left out: their pods or volumes have no known or no unique name in the tenant cluster.
    pub left_out: usize,
}

impl Federation {
    /// Returns the series in the text format of Prometheus, and the number of those that are left out because they have no
    /// name or are too many. A series occurs once.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut sorted: Vec<&FederatedSeries> = self.series.iter().collect();
        sorted.sort_by(|one, other| (one.metric, &one.labels).cmp(&(other.metric, &other.labels)));
        let (mut text, mut last, mut known) = (String::new(), None, BTreeSet::new());
        let (mut written, mut left_out) = (0_usize, self.left_out);
        let at = self.at.as_millisecond();
        for FederatedSeries { metric, labels, value } in sorted {
            if !known.insert((*metric, labels)) {
                continue;
            }
            if written >= MAX_FEDERATED_SERIES || text.len() > MAX_TEXT_BYTES {
                left_out += 1;
                continue;
            }
            if last != Some(*metric) {
                let kind = if metric.is_counter() { "counter" } else { "gauge" };
                // Writing to a string cannot fail.
                let _ = writeln!(text, "# TYPE {} {kind}", metric.as_str());
                last = Some(*metric);
            }
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, value)| format!("{}=\"{}\"", label.as_str(), escaped(value)))
                .collect();
            let _ = writeln!(text, "{}{{{}}} {value} {at}", metric.as_str(), labels.join(","));
            written += 1;
        }
        let _ = writeln!(text, "# TYPE {LEFT_OUT} gauge\n{LEFT_OUT} {left_out} {at}");
        text
    }
}

/// Value of a label in the text format.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::FIXTURE_TIME;

    fn series(metric: FederatedMetric, pod: &str, value: f64) -> FederatedSeries {
        let labels = [(FederatedLabel::Namespace, "shop"), (FederatedLabel::Pod, pod)];
        let labels = labels.map(|(label, value)| (label, value.to_owned())).into_iter().collect();
        FederatedSeries { metric, labels, value }
    }

    fn federation(series: Vec<FederatedSeries>) -> Federation {
        Federation { at: FIXTURE_TIME, series, left_out: 2 }
    }

    #[test]
    fn the_text_has_each_series_once_and_counts_what_is_left_out() {
        let found = federation(vec![
            series(FederatedMetric::Memory, "web", 5.0),
            series(FederatedMetric::CpuSeconds, "web", 1.5),
            series(FederatedMetric::Memory, "web", 7.0),
        ]);
        let at = FIXTURE_TIME.as_millisecond();
        let expected = format!(
            "# TYPE container_cpu_usage_seconds_total counter\n\
             container_cpu_usage_seconds_total{{namespace=\"shop\",pod=\"web\"}} 1.5 {at}\n\
             # TYPE container_memory_working_set_bytes gauge\n\
             container_memory_working_set_bytes{{namespace=\"shop\",pod=\"web\"}} 5 {at}\n\
             # TYPE hexabase_federation_series_left_out gauge\n\
             hexabase_federation_series_left_out 2 {at}\n"
        );
        assert_eq!(found.to_text(), expected);
    }

    #[test]
    fn values_of_labels_cannot_end_a_series() {
        let hostile = "web\"} 1\ncontainer_memory_working_set_bytes{pod=\"x\\";
        let text = federation(vec![series(FederatedMetric::Memory, hostile, 1.0)]).to_text();
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(
            text.contains(r#"pod="web\"} 1\ncontainer_memory_working_set_bytes{pod=\"x\\"} 1 "#),
            "{text}"
        );
    }

    #[test]
    fn series_and_bytes_are_bounded() {
        let many = (0..MAX_FEDERATED_SERIES + 3).map(|number| format!("pod-{number}"));
        let text = federation(many.map(|pod| series(FederatedMetric::Memory, &pod, 1.0)).collect()).to_text();
        assert!(text.contains("left_out 5 "), "two without a name, and three that are too many");
        let long = (0..1_000).map(|number| format!("{number}-{}", "x".repeat(10_000)));
        let text = federation(long.map(|pod| series(FederatedMetric::Memory, &pod, 1.0)).collect()).to_text();
        assert!(text.len() < MAX_TEXT_BYTES + 20_000, "{}", text.len());
    }

    #[test]
    fn names_of_metrics_are_unique() {
        let names: BTreeSet<&str> = FederatedMetric::ALL.iter().map(|metric| metric.as_str()).collect();
        assert_eq!(names.len(), FederatedMetric::ALL.len());
        let counters = FederatedMetric::ALL.iter().filter(|metric| metric.is_counter());
        assert!(counters.clone().all(|metric| metric.as_str().ends_with("_total")) && counters.count() == 4);
    }
}
