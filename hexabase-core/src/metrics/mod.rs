//! Metrics of tenants, and the extension point that reads them.

mod chart;
mod federation;
mod health;
mod memory;
mod metric;
mod rule_query;
mod sandbox;
mod unit;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::desired::TenantTarget;
use crate::error::{Error, Result};
use crate::id::WorkspaceId;

pub use chart::{
    Chart, ChartQuery, ChartSeries, GroupBy, MAX_POINTS, MAX_SERIES, Measurements, SeriesLabels,
};
pub use federation::{
    FederatedLabel, FederatedLabels, FederatedMetric, FederatedSeries, Federation, MAX_FEDERATED_SERIES,
};
pub use health::{
    ApiServerReading, HealthCondition, HealthReadings, PodReading, QuotaReading, Replicas, conditions,
};
pub use memory::MemoryMetrics;
pub use metric::{Metric, UnknownMetric};
pub use rule_query::{MAX_RULE_VALUES, RuleQuery};
pub use sandbox::SandboxMetrics;
pub use unit::Unit;

/// Metrics of tenants over time. The implementation forces the tenant into every query; a caller cannot reach another
/// tenant.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// Returns one series for each requested tenant that has samples, for metering.
    ///
    /// # Behaviour
    /// - Samples are ordered and one step apart, from one step after `start` until `end`; each covers the step before
    ///   it.
    /// - A tenant without running workloads has samples of value 0.
    /// - Times at which nothing, or not everything, was measured have no samples.
    /// - Other tenants are never returned.
    ///
    /// # Errors
    /// `Invalid` for a step that yields too many samples, `Unsupported` for a metric outside of [`Metric::METERED`],
    /// `Unavailable`.
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>>;

    /// Returns a metric of one tenant over time, for display.
    ///
    /// # Behaviour
    /// - All series have a value, or a gap, at each step after `start` until `end`.
    /// - Times at which nothing, or not everything, was measured are gaps, in every series. At all other times, a tenant,
    ///   project, pod or container that used nothing has the value 0.
    /// - Without grouping there is exactly one series.
    /// - With grouping there are at most [`MAX_SERIES`], those with the largest sums, largest first.
    /// - A project filter restricts the result to a namespace of the tenant cluster. It is compared as text, and matches
    ///   nothing outside of the tenant.
    ///
    /// # Errors
    /// - `Invalid` for a query that [`ChartQuery::check`] rejects.
    /// - `Unavailable`; with code `unsupported` if the source lacks the names of projects.
    async fn chart(&self, query: &ChartQuery) -> Result<Chart>;

    /// Returns the values that an alert rule on a metric of one tenant compares, in order of time.
    ///
    /// # Behaviour
    /// - The values are those that the monitoring system compares: with its expressions, windows and times of evaluation.
    ///   Restarts count within an hour.
    /// - A time at which the rule has no value has no sample. A tenant or project that measurably used nothing has the
    ///   value 0; storage in use, throttling and requests need not be measured then.
    /// - A project restricts the result to a namespace of the tenant cluster. It is compared as text, and matches nothing
    ///   outside of the tenant.
    ///
    /// # Errors
    /// `Invalid` for a query that [`RuleQuery::check`] rejects, `Unavailable`.
    async fn rule_values(&self, query: &RuleQuery) -> Result<Vec<Sample>>;

    /// Returns the values of [`Metric::METERED`] at `now` or shortly before it. Metrics that were not measured are
    /// absent.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn latest(&self, target: &TenantTarget, now: Timestamp) -> Result<BTreeMap<Metric, f64>>;

    /// Returns the state of a tenant's control plane and pods at `now` or shortly before it, with at most four requests.
    /// By default nothing is known.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn health(&self, _target: &TenantTarget, _now: Timestamp) -> Result<HealthReadings> {
        Ok(HealthReadings::default())
    }

    /// Returns the latest series of one tenant's pods and volumes, at `now` or shortly before it, for its own Prometheus.
    /// By default there are none.
    ///
    /// # Behaviour
    /// - Series have the names of the tenant cluster. Those of pods and volumes without a known name, or with one that
    ///   another has too, are counted in [`Federation::left_out`].
    /// - The control plane and other tenants are never included.
    ///
    /// # Errors
    /// `Unavailable`; with code `unsupported` if the source has no such series.
    async fn federate(&self, _target: &TenantTarget, _now: Timestamp) -> Result<Federation> {
        Err(Error::unavailable("the metrics source has no series for federation").with_code("unsupported"))
    }

    /// `true` if the values are invented, for demonstrations: they are marked as such, and never metered.
    fn is_simulated(&self) -> bool {
        false
    }

    /// Name of the implementation, for operators.
    fn name(&self) -> &'static str;
}

/// Query of usage for metering: [`MetricsSource::series`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Tenants to read.
    pub targets: Arc<[TenantTarget]>,
    /// Metric to read.
    pub metric: Metric,
    /// Start of the range; the first sample is one step later.
    pub start: Timestamp,
    /// End of the range, inclusive.
    pub end: Timestamp,
    /// Interval between two samples.
    pub step: Duration,
}

/// Samples of one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Workspace of the tenant.
    pub workspace_id: WorkspaceId,
    /// Samples in order of time.
    pub samples: Vec<Sample>,
}

/// Measured value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Time of the measurement; end of the step that the value covers.
    pub at: Timestamp,
    /// Value, in the metric's unit.
    pub value: f64,
}
