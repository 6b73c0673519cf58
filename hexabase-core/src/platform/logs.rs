use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::in_progress::{InProgress, Operation};
use super::{Caller, PlatformInner};
use crate::access::Action;
use crate::desired::TenantTarget;
use crate::error::{Check, Error, ErrorKind, Result, Retry};
use crate::id::{OrganizationId, ProjectId, WorkspaceId};
use crate::logs::{Direction, LogLine, LogQuery, LogSource, TextFilter};

/// Times that logs can have, well within those of log stores: 2000-01-01 and 2200-01-01.
const EARLIEST: Timestamp = Timestamp::constant(946_684_800, 0);
const LATEST: Timestamp = Timestamp::constant(7_258_118_400, 0);
/// Maximum length of the time range of a query: `max_query_length` of Loki is one hour longer.
pub const MAX_LOG_RANGE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Maximum duration of a query.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of queries of a workspace in progress.
const MAX_READS_PER_WORKSPACE: u32 = 4;
/// Maximum number of queries of a process in progress.
const MAX_READS: u32 = 32;

/// Logs of the pods in workspaces.
#[derive(Debug, Clone, Copy)]
pub struct Logs<'a>(pub(super) &'a PlatformInner);

/// Request for the logs of a workspace, or of one of its projects.
#[derive(Debug, Clone)]
pub struct LogRequest {
    /// Project to read; `None` for all namespaces of the tenant cluster.
    pub project_id: Option<ProjectId>,
    /// Name of the pod to read; `None` for all.
    pub pod: Option<String>,
    /// Name of the container to read; `None` for all.
    pub container: Option<String>,
    /// Text or pattern that each line contains; `None` for no filter.
    pub filter: Option<TextFilter>,
    /// Time of the oldest line.
    pub since: Timestamp,
    /// Time after that of the newest line, at most [`MAX_LOG_RANGE`] later.
    pub until: Timestamp,
    /// Maximum number of lines, from 1 to [`MAX_LINES`](crate::logs::MAX_LINES).
    pub limit: usize,
    /// Order of the lines.
    pub direction: Direction,
}

/// Queries of logs in progress.
#[derive(Debug, Default)]
pub(super) struct LogReads {
    workspaces: InProgress<WorkspaceId>,
    process: InProgress<()>,
}

impl LogReads {
    /// Begins a query, which ends when the result is dropped.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_log_queries`.
    fn begin(&self, workspace: WorkspaceId) -> Result<(Operation<WorkspaceId>, Operation<()>)> {
        let rejection = |message: String| {
            let error = Error::new(ErrorKind::RateLimited, message).with_code("too_many_log_queries");
            error.with_retry(Retry::After(Duration::from_secs(1)))
        };
        let own = self.workspaces.begin(workspace, MAX_READS_PER_WORKSPACE).ok_or_else(|| {
            let message = "queries of its logs in progress; wait for their results, or follow the logs";
            rejection(format!("the workspace has {MAX_READS_PER_WORKSPACE} {message}"))
        })?;
        let all = self.process.begin((), MAX_READS);
        let all =
            all.ok_or_else(|| rejection("the server has too many queries of logs; retry later".to_owned()));
        Ok((own, all?))
    }
}

impl Logs<'_> {
    /// Returns the lines of a workspace that match a request.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups, and `NotFound` for an unknown project.
    /// - `Unsupported` if the platform has no log source.
    /// - `Invalid` for a malformed time range, and as [`LogSource::lines`].
    /// - `RateLimited` with code `too_many_log_queries` while the workspace or the process has too many queries in
    ///   progress, or with code `log_queries_rejected`.
    /// - `Unavailable`.
    pub async fn read(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        request: &LogRequest,
    ) -> Result<Vec<LogLine>> {
        let (source, query) = self.authorize(caller, organization, workspace, request).await?;
        let _operations = self.0.log_reads.begin(workspace)?;
        let system = format!("the log source {}", source.name());
        let remedy = "request a shorter range, or retry later";
        self.0.in_time((&system, remedy), READ_TIMEOUT, source.lines(&query)).await
    }

    /// Authorizes a request, and returns the source and the query that it stands for, for a response that reads again
    /// and again.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's groups, and `NotFound` for an unknown project.
    /// - `Unsupported` if the platform has no log source.
    /// - `Invalid` for a malformed time range, name or limit.
    pub async fn authorize(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        request: &LogRequest,
    ) -> Result<(Arc<dyn LogSource>, LogQuery)> {
        let project_id = request.project_id;
        self.0.permit_in(caller, organization, workspace, project_id, Action::LogsRead).await?;
        let project = match project_id {
            Some(id) => {
                let found = self.0.store.find_project(organization, workspace, id).await?;
                Some(found.ok_or_else(|| Error::not_found("project"))?)
            }
            None => None,
        };
        let source = self.0.logs.clone().ok_or_else(|| {
            Error::unsupported(
                "this installation does not collect logs; its operator can connect a log store",
            )
        })?;
        check_range(request.since, request.until)?;
        // Lines are selected by the name of the project, which a deleted project with other members may have had.
        let created_at = project.as_ref().map_or(request.since, |project| project.created_at);
        let since = request.since.max(created_at);
        let query = LogQuery {
            target: TenantTarget::by_id(organization, workspace),
            project: project.map(|project| project.name),
            pod: request.pod.clone(),
            container: request.container.clone(),
            filter: request.filter.clone(),
            since,
            until: request.until.max(since),
            limit: request.limit,
            direction: request.direction,
        };
        query.check()?;
        Ok((source, query))
    }

    /// Authorizes a caller again, while a response is open that [`Self::authorize`] permitted. Takes nothing from the
    /// rate limit of the organization, because the request that opened it was counted.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's groups; `Unavailable`.
    pub async fn authorize_again(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
    ) -> Result<()> {
        self.0.permit_again_in(caller, (organization, workspace, project), Action::LogsRead).await
    }
}

fn check_range(since: Timestamp, until: Timestamp) -> Result<()> {
    let mut check = Check::default();
    check.require(since < until, "until", "must be after since");
    check.require(since >= EARLIEST, "since", "must be after the year 2000");
    check.require(until < LATEST, "until", "must be before the year 2200");
    check.require(
        until.duration_since(since) <= MAX_LOG_RANGE,
        "since",
        "must be at most 30 days before until",
    );
    check.done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::id;

    #[test]
    fn a_range_is_at_most_thirty_days() {
        let start = Timestamp::constant(1_767_225_600, 0);
        let fields = |until: Timestamp| {
            let error = check_range(start, until).err();
            error.map(|error| error.violations()[0].field.clone())
        };
        let nanosecond = SignedDuration::from_nanos(1);
        assert_eq!(fields(start + nanosecond), None);
        assert_eq!(fields(start + MAX_LOG_RANGE), None);
        assert_eq!(fields(start + MAX_LOG_RANGE + nanosecond).as_deref(), Some("since"));
        for until in [start, start - nanosecond, Timestamp::MIN] {
            assert_eq!(fields(until).as_deref(), Some("until"));
        }
    }

    #[test]
    fn queries_in_progress_are_limited_per_workspace_and_process() {
        let reads = LogReads::default();
        let begin = |number: u32| reads.begin(id(&number.to_string()));
        let own: Vec<_> = (0..MAX_READS_PER_WORKSPACE).map(|_| begin(0).unwrap()).collect();
        let error = begin(0).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "too_many_log_queries"));
        assert!(error.message().starts_with("the workspace has 4 queries"), "{error}");
        let others: Vec<_> =
            (MAX_READS_PER_WORKSPACE..MAX_READS).map(|number| begin(number).unwrap()).collect();
        assert!(begin(MAX_READS).unwrap_err().message().starts_with("the server has"));
        drop((own, others));
        assert!(begin(0).is_ok());
    }
}
