use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Chart, ChartQuery, FederatedMetric, FederatedSeries, Federation, GroupBy, Measurements, Metric,
    MetricsSource, RuleQuery, Sample, Series, SeriesLabels, SeriesQuery,
};
use crate::clock::{after, before, until};
use crate::desired::TenantTarget;
use crate::error::{Error, Result};
use crate::id::WorkspaceId;

/// Maximum age of the values that [`MetricsSource::latest`] and [`MetricsSource::rule_values`] return.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Time within which restarts count for alert rules.
const RESTARTS_WINDOW: Duration = Duration::from_secs(3_600);

/// In-memory [`MetricsSource`] that returns the samples it was given.
#[derive(Debug, Default)]
pub struct MemoryMetrics(Mutex<Measured>);

#[derive(Debug, Default)]
struct Measured {
    values: BTreeMap<(Metric, WorkspaceId, SeriesLabels), BTreeMap<Timestamp, f64>>,
    /// Times at which a metric was measured for any workspace, or for none.
    times: BTreeMap<Metric, BTreeSet<Timestamp>>,
}

impl MemoryMetrics {
    /// Creates a source without samples.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a sample of a workspace. Workspaces without a sample at that time count as 0.
    pub fn measure(&self, workspace: WorkspaceId, metric: Metric, sample: Sample) {
        self.measure_part(workspace, metric, &SeriesLabels::default(), sample);
    }

    /// Adds a sample of a part of a workspace: a project, pod or container. Parts add up.
    pub fn measure_part(&self, workspace: WorkspaceId, metric: Metric, part: &SeriesLabels, sample: Sample) {
        let mut measured = self.lock();
        let values = measured.values.entry((metric, workspace, part.clone())).or_default();
        values.insert(sample.at, sample.value);
        measured.times.entry(metric).or_default().insert(sample.at);
    }

    /// Records that a metric was measured at a time, with the value 0 for every workspace.
    pub fn measure_nothing(&self, metric: Metric, at: Timestamp) {
        self.lock().times.entry(metric).or_default().insert(at);
    }
}

impl Measured {
    /// `true` if the metric was measured between two times, without the first.
    fn is_measured(&self, metric: Metric, range: Step) -> bool {
        self.times.get(&metric).is_some_and(|times| times.range(range).next().is_some())
    }

    /// Values of the parts of a workspace.
    fn parts(
        &self,
        metric: Metric,
        workspace: WorkspaceId,
    ) -> impl Iterator<Item = (&SeriesLabels, &BTreeMap<Timestamp, f64>)> {
        let first = (metric, workspace, SeriesLabels::default());
        let parts =
            self.values.range(first..).take_while(move |((it, of, _), _)| (*it, *of) == (metric, workspace));
        parts.map(|((_, _, part), values)| (part, values))
    }

    /// Value of a workspace between two times: the last one of each part that matches, combined.
    fn value(
        &self,
        (metric, workspace): (Metric, WorkspaceId),
        range: Step,
        matches: impl Fn(&SeriesLabels) -> bool,
    ) -> f64 {
        let parts = self.parts(metric, workspace).filter(|(part, _)| matches(part));
        let last = parts.filter_map(|(_, values)| values.range(range).next_back());
        let (sum, count) = last.fold((0.0, 0_u32), |(sum, count), (_, value)| (sum + value, count + 1));
        if metric.is_ratio() && count > 0 { sum / f64::from(count) } else { sum }
    }

    /// Sum of the values of all parts of a workspace between two times that match.
    fn sum(
        &self,
        metric: Metric,
        workspace: WorkspaceId,
        range: Step,
        matches: impl Fn(&SeriesLabels) -> bool,
    ) -> f64 {
        let parts = self.parts(metric, workspace).filter(|(part, _)| matches(part));
        parts.flat_map(|(_, values)| values.range(range)).map(|(_, value)| *value).sum()
    }

    /// Distinct labels of the groups of a workspace.
    fn groups(&self, query: &ChartQuery, by: GroupBy) -> BTreeSet<SeriesLabels> {
        let parts = self.parts(query.metric, query.target.workspace_id);
        let parts = parts.filter(|(part, _)| part.project.is_some() && is_in(part, query.project.as_deref()));
        parts.map(|(part, _)| part.grouped(by)).collect()
    }
}

/// `true` if a part belongs to the project, or no project is requested.
fn is_in(part: &SeriesLabels, project: Option<&str>) -> bool {
    project.is_none_or(|project| part.project.as_deref() == Some(project))
}

/// Metric whose samples a federated metric has.
const fn source_of(metric: FederatedMetric) -> Metric {
    match metric {
        FederatedMetric::CpuSeconds => Metric::Cpu,
        FederatedMetric::Memory => Metric::Memory,
        FederatedMetric::NetworkReceived => Metric::NetworkReceive,
        FederatedMetric::NetworkTransmitted => Metric::NetworkTransmit,
        FederatedMetric::Restarts => Metric::Restarts,
        FederatedMetric::StorageRequested | FederatedMetric::StorageCapacity => Metric::Storage,
        FederatedMetric::StorageUsed => Metric::StorageUsed,
    }
}

/// Value of a counter whose rate has these samples.
fn total(values: &BTreeMap<Timestamp, f64>, now: Timestamp) -> f64 {
    let mut samples = values.range(..=now);
    let Some((mut last, _)) = samples.next() else { return 0.0 };
    let mut sum = 0.0;
    for (at, value) in samples {
        sum += value * until(*last, *at).as_secs_f64();
        last = at;
    }
    sum
}

/// Range of a step: the first time is excluded, the last one included.
type Step = (Bound<Timestamp>, Bound<Timestamp>);

const fn step(first: Timestamp, last: Timestamp) -> Step {
    (Bound::Excluded(first), Bound::Included(last))
}

#[async_trait]
impl MetricsSource for MemoryMetrics {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
        query.metric.require_metered()?;
        if query.step.is_zero() {
            return Err(Error::invalid("step", "must be longer than zero"));
        }
        let measured = self.lock();
        let mut all: Vec<Series> = query
            .targets
            .iter()
            .map(|target| Series { workspace_id: target.workspace_id, samples: Vec::new() })
            .collect();
        let mut from = query.start;
        while from < query.end {
            let at = after(from, query.step);
            if measured.is_measured(query.metric, step(from, at)) {
                for series in &mut all {
                    let of = (query.metric, series.workspace_id);
                    series.samples.push(Sample { at, value: measured.value(of, step(from, at), |_| true) });
                }
            }
            from = at;
        }
        all.retain(|series| !series.samples.is_empty());
        Ok(all)
    }

    async fn chart(&self, query: &ChartQuery) -> Result<Chart> {
        query.check()?;
        let measured = self.lock();
        let times = query.times();
        let range = |at: Timestamp| step(before(at, query.step), at);
        let is_measured = |at: &Timestamp| measured.is_measured(query.metric, range(*at));
        let of = (query.metric, query.target.workspace_id);
        let series = |labels: SeriesLabels, by: Option<GroupBy>| {
            let matches = |part: &SeriesLabels| {
                is_in(part, query.project.as_deref()) && by.is_none_or(|by| part.grouped(by) == labels)
            };
            let values = times.iter().map(|at| (*at, measured.value(of, range(*at), matches)));
            Measurements { values: values.collect(), labels: labels.clone() }
        };
        let found = match query.by {
            None => vec![series(SeriesLabels::default(), None)],
            Some(by) => {
                measured.groups(query, by).into_iter().map(|labels| series(labels, Some(by))).collect()
            }
        };
        let measured_times = times.iter().copied().filter(is_measured).collect();
        Ok(Chart::assemble(query, query.step, &measured_times, found))
    }

    async fn rule_values(&self, query: &RuleQuery) -> Result<Vec<Sample>> {
        query.check()?;
        let measured = self.lock();
        let RuleQuery { target, metric, project, .. } = query;
        let (metric, workspace) = (*metric, target.workspace_id);
        let matches = |part: &SeriesLabels| is_in(part, project.as_deref());
        let sample = |at: Timestamp| {
            let range = step(before(at, MAX_AGE), at);
            let value = match metric {
                Metric::Restarts => {
                    measured.sum(metric, workspace, step(before(at, RESTARTS_WINDOW), at), matches)
                }
                _ => measured.value((metric, workspace), range, matches),
            };
            measured.is_measured(metric, range).then_some(Sample { at, value })
        };
        Ok(query.times().into_iter().filter_map(sample).collect())
    }

    async fn latest(&self, target: &TenantTarget, now: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        let measured = self.lock();
        let range = step(before(now, MAX_AGE), now);
        let metrics = Metric::METERED.iter().copied().filter(|metric| measured.is_measured(*metric, range));
        Ok(metrics
            .map(|metric| (metric, measured.value((metric, target.workspace_id), range, |_| true)))
            .collect())
    }

    async fn federate(&self, target: &TenantTarget, now: Timestamp) -> Result<Federation> {
        let measured = self.lock();
        let mut federation = Federation { at: now, series: Vec::new(), left_out: 0 };
        for metric in FederatedMetric::ALL.iter().copied() {
            for (part, values) in measured.parts(source_of(metric), target.workspace_id) {
                let range = step(before(now, MAX_AGE), now);
                let Some((_, latest)) = values.range(range).next_back() else { continue };
                let value = if metric.is_counter() { total(values, now) } else { *latest };
                match part.federated(metric) {
                    Some(labels) => federation.series.push(FederatedSeries { metric, labels, value }),
                    None => federation.left_out += 1,
                }
            }
        }
        Ok(federation)
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}
