use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    ApiServerReading, Chart, ChartQuery, FederatedMetric, FederatedSeries, Federation, GroupBy,
    HealthReadings, MemoryMetrics, Metric, MetricsSource, PodReading, QuotaReading, Replicas, RuleQuery,
    Sample, Series, SeriesLabels, SeriesQuery,
};
use crate::clock::Clock;
use crate::desired::TenantTarget;
use crate::error::Result;
use crate::store::TenantStore;

const DAY_SECONDS: f64 = 86_400.0;

/// [`MetricsSource`] of a platform without host clusters, for demonstrations: invents the usage of two pods in each
/// project. The values depend on the time and on the id of the workspace only. They are never metered.
#[derive(Debug)]
pub struct SandboxMetrics {
    clock: Arc<dyn Clock>,
    store: Arc<dyn TenantStore>,
}

impl SandboxMetrics {
    /// Creates a source whose series end at the time of the clock. The store has the names of projects.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, store: Arc<dyn TenantStore>) -> Self {
        Self { clock, store }
    }

    /// Containers of a workspace, with the seeds of their usage.
    async fn parts(&self, target: &TenantTarget) -> Result<Vec<(SeriesLabels, u64)>> {
        let found = self.store.load_workspace(target.organization_id, target.workspace_id).await?;
        let projects = found.map(|found| found.projects).unwrap_or_default();
        let part = |project: &str, container: &str| {
            let seed = seed(&format!("{} {project} {container}", target.name));
            let pod = format!("{container}-{:06x}", seed & 0xff_ffff);
            let [project, container] = [project, container].map(|name| Some(name.to_owned()));
            (SeriesLabels { project, pod: Some(pod), container }, seed)
        };
        let pods = |project: &str| [part(project, "web"), part(project, "worker")];
        Ok(projects.iter().flat_map(|project| pods(project.name.as_str())).collect())
    }

    /// Invents the values of a metric at these times.
    async fn measured(
        &self,
        target: &TenantTarget,
        metric: Metric,
        times: &[Timestamp],
    ) -> Result<MemoryMetrics> {
        let (metrics, parts, now) = (MemoryMetrics::new(), self.parts(target).await?, self.clock.now());
        for at in times.iter().copied().filter(|at| *at <= now) {
            metrics.measure_nothing(metric, at);
            if !metric.has_groups(GroupBy::Project) {
                let value = value(metric, seed(&target.name), at);
                metrics.measure(target.workspace_id, metric, Sample { at, value });
                continue;
            }
            for (part, seed) in &parts {
                let value = value(metric, *seed, at);
                metrics.measure_part(target.workspace_id, metric, part, Sample { at, value });
            }
        }
        Ok(metrics)
    }
}

/// Number that depends on a text only.
fn seed(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Usage of a container at a time: a daily curve with shorter waves.
fn value(metric: Metric, seed: u64, at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times and seeds need no precision")]
    let (seconds, phase) = (at.as_second() as f64, (seed % 4_096) as f64 / 4_096.0);
    let wave = |period: f64| ((seconds / period + phase) * TAU).sin();
    // Between 0.1 and 0.9.
    let load = 0.5 + 0.2 * wave(DAY_SECONDS) + 0.12 * wave(1_700.0) + 0.08 * wave(311.0);
    let size = 0.5 + phase;
    match metric {
        Metric::Cpu => 0.2 * size * load,
        Metric::Memory => 268_435_456.0 * size * (0.8 + 0.2 * load),
        Metric::Storage => 1_073_741_824.0,
        Metric::StorageUsed => 1_073_741_824.0 * (0.2 + 0.5 * phase + 0.05 * load),
        Metric::NetworkReceive => 40_000.0 * size * load,
        Metric::NetworkTransmit => 90_000.0 * size * load,
        Metric::Pods => 1.0,
        Metric::Restarts => 0.0,
        Metric::Throttling => (load - 0.7).max(0.0),
        Metric::ApiRequests => 3.0 * load,
    }
}

/// Value of a federated series of a container. Counters increase evenly since 1970.
fn federated_value(metric: FederatedMetric, seed: u64, at: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "times need no precision")]
    let seconds = at.as_second() as f64;
    match metric {
        FederatedMetric::CpuSeconds => 0.1 * seconds,
        FederatedMetric::NetworkReceived => 20_000.0 * seconds,
        FederatedMetric::NetworkTransmitted => 45_000.0 * seconds,
        FederatedMetric::Restarts => 0.0,
        FederatedMetric::Memory => value(Metric::Memory, seed, at),
        FederatedMetric::StorageRequested | FederatedMetric::StorageCapacity => {
            value(Metric::Storage, seed, at)
        }
        FederatedMetric::StorageUsed => value(Metric::StorageUsed, seed, at),
    }
}

#[async_trait]
impl MetricsSource for SandboxMetrics {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
        // Nothing was measured.
        MemoryMetrics::new().series(query).await
    }

    async fn chart(&self, query: &ChartQuery) -> Result<Chart> {
        query.check()?;
        self.measured(&query.target, query.metric, &query.times()).await?.chart(query).await
    }

    async fn rule_values(&self, query: &RuleQuery) -> Result<Vec<Sample>> {
        query.check()?;
        self.measured(&query.target, query.metric, &query.times()).await?.rule_values(query).await
    }

    async fn latest(&self, target: &TenantTarget, now: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        let mut values = BTreeMap::new();
        for metric in Metric::METERED.iter().copied() {
            values.append(&mut self.measured(target, metric, &[now]).await?.latest(target, now).await?);
        }
        Ok(values)
    }

    async fn health(&self, _target: &TenantTarget, _now: Timestamp) -> Result<HealthReadings> {
        let one = Some(Replicas { ready: 1, desired: 1 });
        Ok(HealthReadings {
            control_plane: one,
            control_plane_restarts: Some(0.0),
            api_server: ApiServerReading { error_ratio: Some(0.0), p99_seconds: Some(0.04) },
            volume_ratio: Some(0.2),
            dns: one,
            pods: Some(PodReading::default()),
            quotas: [("requests.cpu".to_owned(), QuotaReading { used: 1.0, hard: 4.0 })].into(),
        })
    }

    async fn federate(&self, target: &TenantTarget, now: Timestamp) -> Result<Federation> {
        let mut series = Vec::new();
        for (part, seed) in self.parts(target).await? {
            for metric in FederatedMetric::ALL.iter().copied() {
                let labels = part.federated(metric);
                let value = federated_value(metric, seed, now);
                series.extend(labels.map(|labels| FederatedSeries { metric, labels, value }));
            }
        }
        Ok(Federation { at: now, series, left_out: 0 })
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "sandbox"
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::changeset::Changeset;
    use crate::clock::ManualClock;
    use crate::fixture::{self, FIXTURE_TIME, id};
    use crate::metrics::FederatedLabel;
    use crate::store::{Commit as _, MemoryStore};

    async fn source() -> SandboxMetrics {
        let store = Arc::new(MemoryStore::new());
        let workspace = fixture::workspace("dev");
        let changeset = Changeset::new()
            .insert(fixture::organization("acme"))
            .insert(workspace)
            .insert(fixture::project("web"));
        store.commit(changeset).await.unwrap();
        SandboxMetrics::new(Arc::new(ManualClock::new(FIXTURE_TIME)), store)
    }

    fn query(metric: Metric, by: Option<GroupBy>) -> ChartQuery {
        let target = TenantTarget::by_id(id("acme"), id("dev"));
        let (start, end) = (FIXTURE_TIME - SignedDuration::from_hours(1), FIXTURE_TIME);
        ChartQuery { target, metric, start, end, step: Duration::from_secs(60), project: None, by }
    }

    #[tokio::test]
    async fn values_are_plausible_and_repeatable() {
        let source = source().await;
        for metric in Metric::ALL.iter().copied() {
            let chart = source.chart(&query(metric, None)).await.unwrap();
            assert_eq!(source.chart(&query(metric, None)).await.unwrap(), chart, "{metric}");
            let values: Vec<f64> = chart.series[0].values.iter().map(|value| value.unwrap()).collect();
            assert!(values.iter().all(|value| value.is_finite() && *value >= 0.0), "{metric}: {values:?}");
            if metric.is_ratio() {
                assert!(values.iter().all(|value| *value <= 1.0), "{metric}: {values:?}");
            }
        }
        let query = |metric| {
            let ChartQuery { target, start, end, .. } = query(metric, None);
            RuleQuery { target, metric, project: None, start, end }
        };
        assert_eq!(source.rule_values(&query(Metric::Memory)).await.unwrap().len(), 120);
        assert!(source.rule_values(&query(Metric::Restarts)).await.unwrap().iter().all(|it| it.value == 0.0));
    }

    #[tokio::test]
    async fn times_after_the_clock_are_not_measured() {
        let source = source().await;
        let late =
            ChartQuery { end: FIXTURE_TIME + SignedDuration::from_mins(5), ..query(Metric::Cpu, None) };
        let chart = source.chart(&late).await.unwrap();
        assert_eq!(chart.measured.iter().filter(|measured| !**measured).count(), 5);
    }

    #[tokio::test]
    async fn federated_series_have_the_projects_of_the_workspace_and_counters_that_increase() {
        let source = source().await;
        let target = TenantTarget::by_id(id("acme"), id("dev"));
        let later = FIXTURE_TIME + SignedDuration::from_mins(1);
        let [first, second] = [FIXTURE_TIME, later].map(|at| source.federate(&target, at));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(first.series.len(), 2 * FederatedMetric::ALL.len());
        for (one, other) in first.series.iter().zip(&second.series) {
            assert_eq!((one.metric, &one.labels), (other.metric, &other.labels));
            assert_eq!(one.labels[&FederatedLabel::Namespace], "web");
            assert!(
                !one.metric.is_counter()
                    || one.metric == FederatedMetric::Restarts
                    || other.value > one.value
            );
        }
    }

    #[tokio::test]
    async fn series_have_the_projects_of_the_workspace_and_nothing_is_metered() {
        let source = source().await;
        let chart = source.chart(&query(Metric::Cpu, Some(GroupBy::Pod))).await.unwrap();
        assert_eq!(chart.series.len(), 2);
        assert!(chart.series.iter().all(|series| series.labels.project.as_deref() == Some("web")));
        let ChartQuery { target, metric, start, end, step, .. } = query(Metric::Cpu, None);
        let metering = SeriesQuery { targets: [target.clone()].into(), metric, start, end, step };
        assert!(source.is_simulated() && source.series(&metering).await.unwrap().is_empty());
        let latest = source.latest(&target, FIXTURE_TIME).await.unwrap();
        assert_eq!(latest.keys().copied().collect::<Vec<_>>(), Metric::METERED);
    }
}
