//! The seams to measurements and logs of tenants.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::desired::TenantTarget;
use crate::error::Result;
use crate::name::ProjectName;

/// What tenants use, over time. The tenant is forced into every query by the implementation; callers cannot
/// reach another one.
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// A series of measurements.
    ///
    /// # Behaviour
    /// - Of a tenant that was never measured there are no points.
    ///
    /// # Errors
    /// `Invalid` for a step that gives too many points, `Unavailable`.
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Sample>>;
}

/// Which measurements to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesQuery {
    /// Of which tenant.
    pub target: TenantTarget,
    /// Of which of its projects; none for all together.
    pub project: Option<ProjectName>,
    /// What was measured.
    pub metric: Metric,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// How far the points are apart.
    pub step: Duration,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Processor time, in cores.
    Cpu,
    /// Memory, in bytes.
    Memory,
    /// Persistent storage, in bytes.
    Storage,
    /// Bytes received per second.
    NetworkReceive,
    /// Bytes sent per second.
    NetworkTransmit,
    /// Number of pods.
    Pods,
    /// Requests to the tenant's API server per second.
    ApiRequests,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// How much, in the metric's unit.
    pub value: f64,
}

/// The log lines of tenants. The tenant is forced into every query by the implementation.
#[async_trait]
pub trait LogSource: fmt::Debug + Send + Sync + 'static {
    /// Lines, newest first.
    ///
    /// # Behaviour
    /// - Of a tenant that never logged anything there are no lines.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>>;
}

/// Which lines to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Of which tenant.
    pub target: TenantTarget,
    /// Of which of its projects; none for all.
    pub project: Option<ProjectName>,
    /// Of which pod; none for all.
    pub pod: Option<String>,
    /// A text that the lines contain; empty for all.
    pub text: String,
    /// Since when.
    pub since: Timestamp,
    /// How many at most.
    pub limit: usize,
}

/// One line that a container wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// In which project.
    pub project: String,
    /// Which pod.
    pub pod: String,
    /// Which container.
    pub container: String,
    /// What.
    pub text: String,
}
