//! Metrics of tenants, and the extension point that reads them.

mod memory;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::desired::TenantTarget;
use crate::error::Result;
use crate::id::WorkspaceId;

pub use memory::MemoryMetrics;

/// Metrics of tenants over time. The implementation forces the tenant into every query; a caller cannot reach another
/// tenant.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// Returns one series for each requested tenant that has samples.
    ///
    /// # Behaviour
    /// - Samples are ordered and one step apart, from one step after `start` until `end`; each covers the step before
    ///   it.
    /// - A tenant without running workloads has samples of value 0.
    /// - Times at which nothing, or not everything, was measured have no samples.
    /// - Other tenants are never returned.
    ///
    /// # Errors
    /// `Invalid` for a step that yields too many samples, `Unavailable`.
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>>;

    /// Name of the implementation, for operators.
    fn name(&self) -> &'static str;
}

/// Query of a [`MetricsSource`].
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

/// Metric of a tenant.
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
    /// All metrics.
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

/// Measured value at a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Time of the measurement; end of the step that the value covers.
    pub at: Timestamp,
    /// Value, in the metric's unit.
    pub value: f64,
}
