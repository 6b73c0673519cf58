use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Metric, MetricsSource, Sample, Series, SeriesQuery};
use crate::clock::after;
use crate::error::{Error, Result};
use crate::id::WorkspaceId;

/// A [`MetricsSource`] in memory, which knows what it was given.
#[derive(Debug, Default)]
pub struct MemoryMetrics(Mutex<Measured>);

#[derive(Debug, Default)]
struct Measured {
    values: BTreeMap<(Metric, WorkspaceId, Timestamp), f64>,
    /// When something was measured at all.
    times: BTreeSet<(Metric, Timestamp)>,
}

impl MemoryMetrics {
    /// One that knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a measurement of a workspace. All others use nothing at that moment, unless they are measured as well.
    pub fn measure(&self, workspace: WorkspaceId, metric: Metric, sample: Sample) {
        let mut measured = self.lock();
        measured.values.insert((metric, workspace, sample.at), sample.value);
        measured.times.insert((metric, sample.at));
    }

    /// Takes in that a metric was measured at a moment, and that nobody used anything.
    pub fn measure_nothing(&self, metric: Metric, at: Timestamp) {
        self.lock().times.insert((metric, at));
    }
}

/// What lies within a step, which begins after its first moment.
const fn step<T>(first: T, last: T) -> (Bound<T>, Bound<T>)
where
    T: Copy,
{
    (Bound::Excluded(first), Bound::Included(last))
}

#[async_trait]
impl MetricsSource for MemoryMetrics {
    async fn series(&self, query: &SeriesQuery<'_>) -> Result<Vec<Series>> {
        if query.step.is_zero() {
            return Err(Error::invalid("step", "must not be nothing"));
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
