//! Runs the suites on the memory backends, and checks that each suite lists all of its cases.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use jiff::{SignedDuration, Timestamp};

use super::alert_source::AlertHarness;
use super::cluster_provisioner::ClusterHarness;
use super::log_source::LogHarness;
use super::metrics_source;
use super::metrics_source::MetricsHarness;
use super::task_queue::{TEST_MAX_DELIVERIES, TEST_VISIBILITY};
use crate::alerts::{AlertSource, MemoryAlerts, SilenceId};
use crate::clock::SystemClock;
use crate::desired::TenantTarget;
use crate::ephemeral::{MemoryEphemeral, RateLimitFallback};
use crate::id::{AlertRuleId, WorkspaceId};
use crate::logs::{LogLine, LogSource, MemoryLogs};
use crate::metrics::{MemoryMetrics, Metric, MetricsSource, Sample, SandboxMetrics};
use crate::name::ProjectName;
use crate::provisioner::{ClusterProvisioner, MemoryProvisioner};
use crate::queue::MemoryQueue;
use crate::store::MemoryStore;

mod memory_store {
    use super::MemoryStore;

    crate::tenant_store_conformance!(async { (MemoryStore::new(), ()) });
}

mod memory_ephemeral {
    use super::{Arc, MemoryEphemeral, SystemClock};

    crate::ephemeral_store_conformance!(async { (MemoryEphemeral::new(Arc::new(SystemClock)), ()) });
}

mod rate_limit_fallback {
    use super::{Arc, MemoryEphemeral, RateLimitFallback, SystemClock};

    crate::ephemeral_store_conformance!(async {
        let store = Arc::new(MemoryEphemeral::new(Arc::new(SystemClock)));
        (RateLimitFallback::new(store, Arc::new(SystemClock)), ())
    });
}

mod memory_queue {
    use super::{Arc, MemoryQueue, SystemClock, TEST_MAX_DELIVERIES, TEST_VISIBILITY};

    crate::task_queue_conformance!(async {
        (MemoryQueue::new(Arc::new(SystemClock)).with_delivery(TEST_VISIBILITY, TEST_MAX_DELIVERIES), ())
    });
}

#[async_trait]
impl AlertHarness for MemoryAlerts {
    fn source(&self) -> &dyn AlertSource {
        self
    }

    async fn fire(&self, workspace: WorkspaceId, rule: AlertRuleId, starts_at: Timestamp) {
        MemoryAlerts::fire(self, workspace, rule, starts_at);
    }

    async fn fire_for_operators(&self, _: WorkspaceId) {}

    async fn silence_for_operators(&self, _: WorkspaceId, _: AlertRuleId) -> Vec<SilenceId> {
        Vec::new()
    }
}

mod memory_alerts {
    use super::{Arc, MemoryAlerts, SystemClock};

    crate::alert_source_conformance!(async { (MemoryAlerts::new(Arc::new(SystemClock)), ()) });
}

#[async_trait]
impl ClusterHarness for MemoryProvisioner {
    fn provisioner(&self) -> &dyn ClusterProvisioner {
        self
    }

    async fn occupy_cluster(&self, target: &TenantTarget) {
        MemoryProvisioner::occupy_cluster(self, target);
    }

    async fn exhaust_quota(&self, target: &TenantTarget) {
        MemoryProvisioner::exhaust_quota(self, target);
    }

    async fn occupy_namespace(&self, target: &TenantTarget, namespace: &ProjectName) {
        MemoryProvisioner::occupy_namespace(self, target, namespace.clone());
    }
}

mod memory_provisioner {
    use super::{Arc, Duration, MemoryProvisioner, SystemClock};

    crate::cluster_provisioner_conformance!(async {
        (MemoryProvisioner::new(Arc::new(SystemClock), Duration::from_millis(20)), ())
    });
}

impl MetricsHarness for MemoryMetrics {
    fn source(&self) -> &dyn MetricsSource {
        self
    }
}

mod memory_metrics {
    use super::metrics_source::{MEASUREMENT_START, busy, in_use, is_measured, other, parts};
    use super::{MemoryMetrics, Metric, Sample, SignedDuration, Timestamp, WorkspaceId};
    use crate::metrics::GroupBy;

    /// Measures every part; metrics of the whole workspace are measured as one.
    fn measure(metrics: &MemoryMetrics, workspace: WorkspaceId, metric: Metric, at: Timestamp) {
        if !metric.has_groups(GroupBy::Project) {
            metrics.measure(workspace, metric, Sample { at, value: in_use(metric) });
            return;
        }
        for part in parts(workspace) {
            let sample = Sample { at, value: part.in_use(metric) };
            metrics.measure_part(workspace, metric, &part.labels(), sample);
        }
    }

    crate::metrics_source_conformance!(async {
        let metrics = MemoryMetrics::new();
        let times = (-10..=70).map(|minutes| MEASUREMENT_START + SignedDuration::from_mins(minutes));
        for at in times.filter(|at| is_measured(*at)) {
            for metric in Metric::ALL.iter().copied() {
                for workspace in [busy(), other()] {
                    measure(&metrics, workspace, metric, at);
                }
            }
        }
        (metrics, ())
    });
}

impl MetricsHarness for SandboxMetrics {
    fn source(&self) -> &dyn MetricsSource {
        self
    }
}

/// The values are invented, so the cases about given measurements do not apply.
mod sandbox_metrics {
    use super::{Arc, MemoryStore, SandboxMetrics, SystemClock};

    crate::__conformance_tests!(
        metrics_source,
        async { (SandboxMetrics::new(Arc::new(SystemClock), Arc::new(MemoryStore::new())), ()) },
        [
            a_period_without_measurements_has_no_samples,
            metrics_for_charts_cannot_be_metered,
            charts_that_a_metric_does_not_have_are_rejected,
        ]
    );
}

#[async_trait]
impl LogHarness for MemoryLogs {
    fn source(&self) -> &dyn LogSource {
        self
    }

    async fn write(&self, target: &TenantTarget, lines: &[LogLine]) {
        MemoryLogs::write(self, target, lines.iter().cloned());
    }
}

mod memory_logs {
    use super::MemoryLogs;

    crate::log_source_conformance!(async { (MemoryLogs::new(), ()) });
}

/// The names of the cases that are defined in the sources of a suite.
fn defined(sources: &[&str]) -> Vec<String> {
    let lines = sources.iter().flat_map(|source| source.lines());
    let mut names: Vec<String> = lines
        .filter_map(|line| line.strip_prefix("pub async fn "))
        .filter_map(|rest| rest.split(['(', '<']).next().map(str::to_owned))
        .collect();
    names.sort_unstable();
    names
}

/// The names of the cases in the macro of a suite.
fn listed(source: &str) -> Vec<String> {
    let list = source.split_once("[\n").and_then(|(_, rest)| rest.split_once("]\n")).map(|(list, _)| list);
    let entries = list.unwrap_or_default().split(',').map(|entry| entry.trim().to_owned());
    let mut names: Vec<String> = entries.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_case_that_is_defined_is_also_run() {
    let store = include_str!("tenant_store/mod.rs");
    let store_cases = [
        include_str!("tenant_store/alerts.rs"),
        include_str!("tenant_store/billing.rs"),
        include_str!("tenant_store/commits.rs"),
        include_str!("tenant_store/leases.rs"),
        include_str!("tenant_store/lists.rs"),
        include_str!("tenant_store/outbox.rs"),
        include_str!("tenant_store/plans.rs"),
        include_str!("tenant_store/pruning.rs"),
        include_str!("tenant_store/reads.rs"),
        include_str!("tenant_store/sealed.rs"),
        include_str!("tenant_store/searches.rs"),
        include_str!("tenant_store/usage.rs"),
    ];
    assert_eq!(defined(&store_cases), listed(store));
    for source in [
        include_str!("alert_source.rs"),
        include_str!("authenticator.rs"),
        include_str!("ephemeral_store.rs"),
        include_str!("task_queue.rs"),
        include_str!("identity_provider.rs"),
        include_str!("key_value_store.rs"),
        include_str!("billing_provider.rs"),
        include_str!("log_source.rs"),
        include_str!("metrics_source.rs"),
        include_str!("cluster_provisioner.rs"),
    ] {
        assert_eq!(defined(&[source]), listed(source));
        assert!(!listed(source).is_empty());
    }
}
