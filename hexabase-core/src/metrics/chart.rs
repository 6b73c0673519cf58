//! Metric of one tenant over time, for display.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Metric;
use crate::clock::{after, until};
use crate::desired::TenantTarget;
use crate::error::{Error, Result};

/// Maximum number of series of a chart.
pub const MAX_SERIES: usize = 50;
/// Maximum number of points of a series.
pub const MAX_POINTS: u32 = 1_000;

/// Grouping of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupBy {
    /// One series per namespace of the tenant cluster.
    Project,
    /// One series per pod.
    Pod,
    /// One series per container.
    Container,
}

/// Query of a metric of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartQuery {
    /// Tenant to read.
    pub target: TenantTarget,
    /// Metric to read.
    pub metric: Metric,
    /// Start of the range; the first point is one step later.
    pub start: Timestamp,
    /// End of the range, inclusive.
    pub end: Timestamp,
    /// Interval between two points, in whole seconds.
    pub step: Duration,
    /// Namespace of the tenant cluster to read; `None` for all.
    pub project: Option<String>,
    /// Grouping; `None` for the sum of all.
    pub by: Option<GroupBy>,
}

impl ChartQuery {
    /// Checks the query.
    ///
    /// # Errors
    /// `Invalid` for a step that is not in whole seconds or yields no point or more than [`MAX_POINTS`], and for a
    /// project or grouping that the metric does not have.
    pub fn check(&self) -> Result<()> {
        let range = until(self.start, self.end);
        if self.step.is_zero() || self.step.subsec_nanos() != 0 || range > self.step * MAX_POINTS {
            let message =
                format!("must be whole seconds, at least one, and yield at most {MAX_POINTS} points");
            return Err(Error::invalid("step", message));
        }
        if range < self.step {
            return Err(Error::invalid("range", "must be at least one step"));
        }
        if let Some(by) = self.by.filter(|by| !self.metric.has_groups(*by)) {
            let message = match (by, self.metric) {
                (_, Metric::ApiRequests) => "api_requests is measured for the whole workspace only",
                (GroupBy::Container, Metric::NetworkReceive | Metric::NetworkTransmit | Metric::Pods) => {
                    "this metric is measured by project and pod, not by container"
                }
                _ => "this metric is measured by project only",
            };
            return Err(Error::invalid("by", message));
        }
        if self.project.is_some() && !self.metric.has_groups(GroupBy::Project) {
            return Err(Error::invalid("project", "this metric is measured for the whole workspace only"));
        }
        Ok(())
    }

    /// Returns the times of the points, in order.
    #[must_use]
    pub fn times(&self) -> Vec<Timestamp> {
        let mut times = Vec::new();
        let mut at = after(self.start, self.step);
        while at <= self.end && !self.step.is_zero() {
            times.push(at);
            at = after(at, self.step);
        }
        times
    }

    /// Returns the labels of the only series of a query without grouping.
    fn labels(&self) -> SeriesLabels {
        SeriesLabels { project: self.project.clone(), ..SeriesLabels::default() }
    }
}

/// Labels of a series; `None` for a label that the grouping does not have, or that is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesLabels {
    /// Namespace in the tenant cluster.
    pub project: Option<String>,
    /// Name of the pod. It is for display only: tenants can change the names of their own pods here.
    pub pod: Option<String>,
    /// Name of the container.
    pub container: Option<String>,
}

impl SeriesLabels {
    /// Returns the labels that a grouping has.
    #[must_use]
    pub fn grouped(&self, by: GroupBy) -> Self {
        let mut labels = self.clone();
        if by < GroupBy::Container {
            labels.container = None;
        }
        if by < GroupBy::Pod {
            labels.pod = None;
        }
        labels
    }
}

/// Values of one series at the times at which it has any.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measurements {
    /// Labels of the series.
    pub labels: SeriesLabels,
    /// Values by time.
    pub values: BTreeMap<Timestamp, f64>,
}

/// Metric of one tenant over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Time that a value covers, before its time: the step, or more for rates if the step has too few scrapes.
    pub window: Duration,
    /// Times of the points.
    pub times: Vec<Timestamp>,
    /// `true` for each time at which the metric was measured.
    pub measured: Vec<bool>,
    /// Series, largest first.
    pub series: Vec<ChartSeries>,
}

/// Series of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartSeries {
    /// Labels.
    pub labels: SeriesLabels,
    /// Value at each time of the chart; `None` where the metric was not measured.
    pub values: Vec<Option<f64>>,
}

impl Chart {
    /// Assembles the chart of a query from its measured times and the values of its series.
    #[must_use]
    pub fn assemble(
        query: &ChartQuery,
        window: Duration,
        measured: &BTreeSet<Timestamp>,
        mut found: Vec<Measurements>,
    ) -> Self {
        let times = query.times();
        if query.by.is_none() {
            found.truncate(1);
            let values = found.pop().unwrap_or_default().values;
            found.push(Measurements { labels: query.labels(), values });
        }
        let is_measured: Vec<bool> = times.iter().map(|at| measured.contains(at)).collect();
        let series = |Measurements { labels, values }: Measurements| {
            let value = |at: &Timestamp| {
                let value = values.get(at).copied().filter(|value| value.is_finite());
                measured.contains(at).then_some(value.unwrap_or(0.0))
            };
            ChartSeries { labels, values: times.iter().map(value).collect() }
        };
        let mut series: Vec<ChartSeries> = found.into_iter().map(series).collect();
        let sum = |series: &ChartSeries| -> f64 { series.values.iter().flatten().sum() };
        series.sort_by(|one, other| {
            sum(other).total_cmp(&sum(one)).then_with(|| one.labels.cmp(&other.labels))
        });
        series.truncate(MAX_SERIES);
        Self { window, times, measured: is_measured, series }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::fixture::{FIXTURE_TIME, id};

    fn at(steps: i64) -> Timestamp {
        FIXTURE_TIME + SignedDuration::from_secs(60 * steps)
    }

    fn query(metric: Metric, by: Option<GroupBy>) -> ChartQuery {
        let target = TenantTarget::by_id(id("acme"), id("shop"));
        let step = Duration::from_secs(60);
        ChartQuery { target, metric, start: at(0), end: at(3), step, project: None, by }
    }

    fn measurements(pod: &str, values: &[(i64, f64)]) -> Measurements {
        let labels = SeriesLabels { pod: Some(pod.to_owned()), ..SeriesLabels::default() };
        Measurements { labels, values: values.iter().map(|(step, value)| (at(*step), *value)).collect() }
    }

    #[test]
    fn unmeasured_times_are_gaps_and_measured_ones_without_a_value_are_zero() {
        let query = query(Metric::Cpu, Some(GroupBy::Pod));
        let found = vec![measurements("a", &[(1, 1.0), (2, 9.0)]), measurements("b", &[(3, f64::NAN)])];
        let chart = Chart::assemble(&query, query.step, &[at(1), at(3)].into(), found);
        assert_eq!(chart.times, [at(1), at(2), at(3)]);
        assert_eq!(chart.measured, [true, false, true]);
        let values: Vec<_> = chart.series.iter().map(|series| series.values.clone()).collect();
        assert_eq!(values, [[Some(1.0), None, Some(0.0)], [Some(0.0), None, Some(0.0)]]);
    }

    #[test]
    fn a_sum_has_one_series_whatever_was_found() {
        let query = query(Metric::Cpu, None);
        for found in [Vec::new(), vec![measurements("a", &[(1, 1.0)])]] {
            let chart = Chart::assemble(&query, query.step, &[at(1)].into(), found);
            assert_eq!(chart.series.len(), 1);
            assert_eq!(chart.series[0].labels, SeriesLabels::default());
        }
    }

    #[test]
    fn the_largest_series_remain_and_come_first() {
        let query = query(Metric::Cpu, Some(GroupBy::Pod));
        let found = (0..MAX_SERIES + 7).map(|it| measurements(&format!("pod-{it:03}"), &[(1, it as f64)]));
        let chart = Chart::assemble(&query, query.step, &[at(1)].into(), found.collect());
        let first = chart.series[0].labels.pod.as_deref();
        assert_eq!((chart.series.len(), first), (MAX_SERIES, Some("pod-056")));
    }

    #[test]
    fn groups_that_a_metric_does_not_have_are_rejected() {
        let fields = |query: &ChartQuery| match query.check() {
            Ok(()) => String::new(),
            Err(error) => error.violations()[0].field.clone(),
        };
        for metric in Metric::ALL.iter().copied() {
            for by in [GroupBy::Project, GroupBy::Pod, GroupBy::Container] {
                let rejected = fields(&query(metric, Some(by)));
                assert_eq!(rejected, if metric.has_groups(by) { "" } else { "by" }, "{metric} {by:?}");
            }
            let of_project = ChartQuery { project: Some("shop".to_owned()), ..query(metric, None) };
            let rejected = fields(&of_project);
            assert_eq!(rejected, if metric == Metric::ApiRequests { "project" } else { "" }, "{metric}");
        }
        let step = |step| fields(&ChartQuery { step, ..query(Metric::Cpu, None) });
        assert_eq!(step(Duration::ZERO), "step");
        assert_eq!(step(Duration::from_millis(1_500)), "step");
        assert_eq!(step(Duration::from_secs(181)), "range");
        let long = ChartQuery { end: at(1_001), ..query(Metric::Cpu, None) };
        assert_eq!(fields(&long), "step");
    }
}
