//! The seams to measurements and logs of tenants.

mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::desired::TenantTarget;
use crate::error::Result;
use crate::id::WorkspaceId;
use crate::name::ProjectName;

pub use memory::MemoryMetrics;

/// What tenants use, over time. The tenant is forced into every query by the implementation; callers cannot
/// reach another one.
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// What was measured, of each tenant asked for of which there is anything.
    ///
    /// # Behaviour
    /// - Samples are as far apart as the step, from one step after `start` until `end`, and in order; each stands for the
    ///   step before it.
    /// - A tenant without anything running uses nothing, and there are samples that say so.
    /// - Of times when nothing was measured, or not everything, there are no samples.
    /// - Of other tenants there is nothing.
    ///
    /// # Errors
    /// `Invalid` for a step that gives too many points, `Unavailable`.
    async fn series(&self, query: &SeriesQuery<'_>) -> Result<Vec<Series>>;

    /// What it is called, for operators.
    fn name(&self) -> &'static str;
}

/// Which measurements to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesQuery<'a> {
    /// Of which tenants.
    pub targets: &'a [TenantTarget],
    /// What was measured.
    pub metric: Metric,
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// How far the points are apart.
    pub step: Duration,
}

/// What was measured of a tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// What.
    pub samples: Vec<Sample>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

impl Metric {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Cpu,
        Self::Memory,
        Self::Storage,
        Self::NetworkReceive,
        Self::NetworkTransmit,
        Self::Pods,
        Self::ApiRequests,
    ];
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
