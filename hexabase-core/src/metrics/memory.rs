use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Metric, MetricsSource, Sample, Series, SeriesQuery};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::WorkspaceId;

/// In-memory [`MetricsSource`] that returns the samples it was given.
#[derive(Debug, Default)]
pub struct MemoryMetrics(Mutex<Measured>);

#[derive(Debug, Default)]
struct Measured {
    values: BTreeMap<(Metric, WorkspaceId, Timestamp), f64>,
    /// Times at which a metric was measured for any workspace, or for none.
    times: BTreeSet<(Metric, Timestamp)>,
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
        let mut measured = self.lock();
        measured.values.insert((metric, workspace, sample.at), sample.value);
        measured.times.insert((metric, sample.at));
    }

    /// Records that a metric was measured at a time, with the value 0 for every workspace.
    pub fn measure_nothing(&self, metric: Metric, at: Timestamp) {
        self.lock().times.insert((metric, at));
    }
}

/// Range of the step from `first`, excluded, to `last`, included.
const fn step<T>(first: T, last: T) -> (Bound<T>, Bound<T>)
where
    T: Copy,
{
    (Bound::Excluded(first), Bound::Included(last))
}

#[async_trait]
impl MetricsSource for MemoryMetrics {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
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
            if measured.times.range(step((query.metric, from), (query.metric, at))).next().is_some() {
                for series in &mut all {
                    let key = |moment| (query.metric, series.workspace_id, moment);
                    let last = measured.values.range(step(key(from), key(at))).next_back();
                    series.samples.push(Sample { at, value: last.map_or(0.0, |(_, value)| *value) });
                }
            }
            from = at;
        }
        all.retain(|series| !series.samples.is_empty());
        Ok(all)
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}
