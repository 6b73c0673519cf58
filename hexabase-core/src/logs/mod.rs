//! Logs of tenants, and the extension point that reads them.

mod demo;
mod line;
mod memory;
mod query;

use std::fmt;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result, Retry};

pub use line::{InvalidLineId, LineId, LogLine};
pub use memory::MemoryLogs;
pub use query::{
    Direction, LogQuery, MAX_FILTER_LENGTH, MAX_LINES, TextFilter, UnknownDirection, check_workload_name,
};

/// Logs of tenants. The implementation forces the tenant into every query; a caller cannot reach another tenant.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait LogSource: fmt::Debug + Send + Sync + 'static {
    /// Returns the lines of a tenant that match a query.
    ///
    /// # Behaviour
    /// - Lines of other tenants are never returned, nor are those of the tenant's own control plane.
    /// - Lines match every filter of the query. A plain text is matched literally and with its case, and a regular
    ///   expression (RE2 syntax) matches any part of a line.
    /// - A line at `since` is returned, and one at `until` is not.
    /// - Forward, the oldest lines come first, and of too many lines the oldest are returned; backward, the newest.
    /// - Lines of equal times are ordered by their ids. Equal lines of one container at the same time are one line.
    /// - Times keep their nanoseconds, and the id of a line is the same in every result.
    /// - A tenant that never logged has no lines.
    ///
    /// # Errors
    /// - `Invalid` for a malformed regular expression, with the reason and without the expression; for a limit of zero
    ///   or more than [`MAX_LINES`]; and for `limit` with code `logs_too_large` if the lines are larger together than
    ///   the implementation reads.
    /// - `RateLimited` with code `log_queries_rejected` while the backend rejects queries.
    /// - `Unavailable`.
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>>;

    /// Name of the implementation, for operators.
    fn name(&self) -> &'static str;
}

/// Creates the error of a malformed regular expression. The reason must not contain the expression.
#[must_use]
pub fn malformed_expression(reason: impl fmt::Display) -> Error {
    Error::invalid("query", format!("is not a regular expression in RE2 syntax: {reason}"))
}

/// Creates the error of a result that is larger than an implementation reads, in MiB.
#[must_use]
pub fn logs_too_large(limit_mib: usize) -> Error {
    let message =
        format!("the lines are larger than {limit_mib} MiB together; lower limit or narrow the query");
    Error::invalid("limit", message).with_code("logs_too_large")
}

/// Creates the error of a backend that rejects queries for now.
#[must_use]
pub fn log_queries_rejected() -> Error {
    let message =
        "the log store has too many queries; retry later, with a shorter time range or more filters";
    Error::new(ErrorKind::RateLimited, message)
        .with_code("log_queries_rejected")
        .with_retry(Retry::After(std::time::Duration::from_secs(5)))
}
