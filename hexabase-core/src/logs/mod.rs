//! Logs of tenants, and the extension point that reads them.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::desired::TenantTarget;
use crate::error::Result;
use crate::name::ProjectName;

/// Logs of tenants. The implementation forces the tenant into every query.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait LogSource: fmt::Debug + Send + Sync + 'static {
    /// Returns log lines, newest first.
    ///
    /// # Behaviour
    /// - A tenant that never logged has no lines.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>>;
}

/// Query of a [`LogSource`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Tenant to read.
    pub target: TenantTarget,
    /// Project to read; `None` for all.
    pub project: Option<ProjectName>,
    /// Name of the pod to read; `None` for all.
    pub pod: Option<String>,
    /// Text that each line contains; empty for no filter.
    pub text: String,
    /// Time of the oldest line.
    pub since: Timestamp,
    /// Maximum number of lines.
    pub limit: usize,
}

/// Log line of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Time of the line.
    pub at: Timestamp,
    /// Project of the container.
    pub project: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the container.
    pub container: String,
    /// Text of the line.
    pub text: String,
}
