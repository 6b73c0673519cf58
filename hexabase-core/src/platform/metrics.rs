use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::{Caller, PlatformInner};
use crate::access::Action;
use crate::clock::{aligned, before};
use crate::desired::TenantTarget;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::{OrganizationId, WorkspaceId};
use crate::metrics::{
    Chart, ChartQuery, Federation, GroupBy, HealthCondition, MAX_POINTS, Metric, MetricsSource, conditions,
};
use crate::model::Workspace;

/// Maximum duration of a query.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which a rejected caller may retry.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time after which a caller may retry what needs another configuration.
const RECONFIGURATION_RETRY: Duration = Duration::from_secs(300);
/// Interval between two points, unless the caller requests another one or it yields too many points.
const DEFAULT_STEP: Duration = Duration::from_secs(30);
/// Maximum number of queries of a workspace in progress.
const MAX_QUERIES_PER_WORKSPACE: u32 = 4;
/// Maximum number of queries of the process in progress.
const MAX_QUERIES: u32 = 64;

/// Metrics of workspaces, and their health.
#[derive(Debug)]
pub struct Metrics<'a>(pub(super) &'a PlatformInner);

/// Request for a metric of a workspace over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartRequest {
    /// Metric to read.
    pub metric: Metric,
    /// Period to read, until now.
    pub range: Duration,
    /// Interval between two points; `None` for 30 seconds. It is longer if the points would be too many.
    pub step: Option<Duration>,
    /// Namespace of the tenant cluster to read; `None` for all.
    pub project: Option<String>,
    /// Grouping; `None` for the sum of all.
    pub by: Option<GroupBy>,
}

/// Metric of a workspace over time.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricChart {
    /// Interval between two points.
    pub step: Duration,
    /// Points of all series.
    pub chart: Chart,
    /// Maximum amount of the project or the plan, in the unit of the metric; `None` if nothing limits the metric.
    pub quota: Option<f64>,
    /// `true` if the values are invented, for demonstrations.
    pub is_simulated: bool,
}

/// Latest values of a workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestUsage {
    /// Time of the values.
    pub at: Timestamp,
    /// Value of each metric that was measured.
    pub values: BTreeMap<Metric, f64>,
    /// `true` if the values are invented, for demonstrations.
    pub is_simulated: bool,
}

impl Metrics<'_> {
    /// Returns a metric of a workspace over time.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups. A project or a grouping requires the
    ///   right to read projects.
    /// - `Invalid` for a range beyond the retention of metrics, and for what [`ChartQuery::check`] rejects.
    /// - `RateLimited` with code `too_many_metric_queries` if the workspace has too many queries in progress.
    /// - `Unavailable` if the process has, if the source does not respond in time, or, with code `unsupported`, if the
    ///   platform has no source or its source lacks the names of projects.
    pub async fn chart(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        request: &ChartRequest,
    ) -> Result<MetricChart> {
        let action = match (&request.project, request.by) {
            (None, None) => Action::WorkspaceRead,
            _ => Action::ProjectsRead,
        };
        let found = self.0.permit_in(caller, organization, workspace, None, action).await?;
        let query =
            chart_query(request, TenantTarget::of(&found), self.0.now(), self.0.config.metrics_retention)?;
        let source = self.source()?;
        let quota = self.quota(&found, request).await?;
        let chart = self.run(workspace, source.chart(&query)).await?;
        Ok(MetricChart { step: query.step, chart, quota, is_simulated: source.is_simulated() })
    }

    /// Returns the conditions of a workspace's health.
    ///
    /// # Errors
    /// As [`Self::chart`].
    pub async fn health(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<HealthCondition>> {
        let target = self.authorize(caller, organization, workspace).await?;
        let readings = self.run(workspace, self.source()?.health(&target, self.0.now())).await?;
        Ok(conditions(&readings))
    }

    /// Checks that a caller may read the metrics of a workspace as a whole, and returns its tenant.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn authorize(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<TenantTarget> {
        let found = self.0.permit_in(caller, organization, workspace, None, Action::WorkspaceRead).await?;
        Ok(TenantTarget::of(&found))
    }

    /// Checks that a caller may read the metrics of a workspace with the names of its projects and pods, and returns its
    /// tenant.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn authorize_parts(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<TenantTarget> {
        let found = self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        Ok(TenantTarget::of(&found))
    }

    /// Reads the latest series of a tenant for its own Prometheus. No caller is authorized: the result is for callers that
    /// [`Self::authorize_parts`] accepts.
    ///
    /// # Errors
    /// As [`Self::chart`], without those of the request.
    pub async fn federate(&self, target: &TenantTarget) -> Result<Federation> {
        let (source, now) = (self.source()?, self.0.now());
        self.run(target.workspace_id, source.federate(target, now)).await
    }

    /// Checks that the platform has a metrics source.
    ///
    /// # Errors
    /// `Unavailable` with code `unsupported`.
    pub fn require_source(&self) -> Result<()> {
        self.source().map(drop)
    }

    /// Reads the latest values of a tenant. No caller is authorized: the result is for callers that
    /// [`Self::authorize`] accepts.
    ///
    /// # Errors
    /// `Unavailable` if the source does not respond in time, or, with code `unsupported`, if there is none.
    pub async fn latest(&self, target: &TenantTarget) -> Result<LatestUsage> {
        let (source, at) = (self.source()?, self.0.now());
        let values = self.in_time(source.latest(target, at)).await?;
        Ok(LatestUsage { at, values, is_simulated: source.is_simulated() })
    }

    pub(super) fn source(&self) -> Result<&Arc<dyn MetricsSource>> {
        self.0.metrics.as_ref().ok_or_else(|| {
            let message =
                "this installation does not collect metrics; the operator connects it to Prometheus";
            Error::unavailable(message)
                .with_code("unsupported")
                .with_retry(Retry::After(RECONFIGURATION_RETRY))
        })
    }

    /// Returns the maximum amount of a metric in the requested project, or in the workspace.
    async fn quota(&self, workspace: &Workspace, request: &ChartRequest) -> Result<Option<f64>> {
        let Some(resource) = request.metric.quota_resource() else { return Ok(None) };
        let amount = match &request.project {
            Some(name) => {
                let facts = self.0.facts(workspace).await?;
                let project = facts.projects.iter().find(|project| project.name.as_str() == name);
                project.and_then(|project| project.quota.get(resource))
            }
            None => {
                let plans = self.0.plans().await?;
                plans.find(&workspace.plan_id).and_then(|plan| plan.quota.get(resource))
            }
        };
        Ok(amount.map(|amount| amount.as_f64()))
    }

    /// Runs a query within the limits.
    pub(super) async fn run<T>(
        &self,
        workspace: WorkspaceId,
        query: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let _running = self.0.metric_queries.begin(workspace)?;
        self.in_time(query).await
    }

    async fn in_time<T>(&self, query: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let system = format!("the metrics source {}", self.source()?.name());
        let remedy = "request a shorter range, or retry later";
        self.0.in_time((&system, remedy), QUERY_TIMEOUT, query).await
    }
}

/// Returns the query of a request at a time. The end is a multiple of the step, so that the points of repeated requests
/// have the same times.
fn chart_query(
    request: &ChartRequest,
    target: TenantTarget,
    now: Timestamp,
    retention: Duration,
) -> Result<ChartQuery> {
    if request.range > retention {
        let hours = retention.as_secs() / 3_600;
        return Err(Error::invalid("range", format!("must be at most {hours}h, for which metrics are kept")));
    }
    if request.range < request.step.unwrap_or(DEFAULT_STEP) {
        return Err(Error::invalid("range", "must be at least one step"));
    }
    let range = request.range.as_secs();
    let least = Duration::from_secs(range.div_ceil(u64::from(MAX_POINTS)));
    let step = request.step.unwrap_or(DEFAULT_STEP).max(least);
    let steps = range.div_ceil(step.as_secs().max(1)).min(u64::from(MAX_POINTS));
    let end = aligned(now, step);
    let start = before(end, step * u32::try_from(steps).unwrap_or(MAX_POINTS));
    let ChartRequest { metric, project, by, .. } = request.clone();
    let query = ChartQuery { target, metric, start, end, step, project, by };
    query.check()?;
    Ok(query)
}

/// Metric queries in progress, by workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct MetricQueries(Arc<Mutex<BTreeMap<WorkspaceId, u32>>>);

/// A metric query in progress; it ends on drop.
#[derive(Debug)]
struct MetricQuery {
    queries: MetricQueries,
    workspace: WorkspaceId,
}

impl MetricQueries {
    fn begin(&self, workspace: WorkspaceId) -> Result<MetricQuery> {
        let mut running = self.lock();
        let of_workspace = running.get(&workspace).copied().unwrap_or_default();
        if of_workspace >= MAX_QUERIES_PER_WORKSPACE {
            let message = format!(
                "the workspace has {of_workspace} metric queries in progress, which is the maximum; wait for their results"
            );
            let error = Error::new(ErrorKind::RateLimited, message).with_code("too_many_metric_queries");
            return Err(error.with_retry(Retry::After(RETRY_AFTER)));
        }
        if running.values().sum::<u32>() >= MAX_QUERIES {
            let message = format!(
                "the server has {MAX_QUERIES} metric queries in progress, which is the maximum; retry later"
            );
            return Err(Error::unavailable(message).with_retry(Retry::After(RETRY_AFTER)));
        }
        *running.entry(workspace).or_default() += 1;
        Ok(MetricQuery { queries: self.clone(), workspace })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkspaceId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MetricQuery {
    fn drop(&mut self) {
        let mut running = self.queries.lock();
        if let Some(count) = running.get_mut(&self.workspace) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.workspace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::until;
    use crate::fixture::{FIXTURE_TIME, id};

    const RETENTION: Duration = Duration::from_secs(15 * 24 * 3_600);

    fn request(range: u64, step: Option<u64>) -> ChartRequest {
        let (range, step) = (Duration::from_secs(range), step.map(Duration::from_secs));
        ChartRequest { metric: Metric::Cpu, range, step, project: None, by: None }
    }

    fn query(request: &ChartRequest) -> Result<ChartQuery> {
        let target = TenantTarget::by_id(id("acme"), id("shop"));
        chart_query(request, target, FIXTURE_TIME, RETENTION)
    }

    #[test]
    fn steps_are_clamped_to_a_thousand_points_and_times_are_multiples() {
        for (range, step, expected_step, points) in [
            (3_600, None, 30, 120),
            (3_600, Some(1), 4, 900),
            (3_600, Some(3_600), 3_600, 1),
            (3_599, Some(60), 60, 60),
            (15 * 24 * 3_600, None, 1_296, 1_000),
            (86_400, Some(30), 87, 994),
        ] {
            let query = query(&request(range, step)).unwrap();
            assert_eq!(query.step.as_secs(), expected_step, "{range} {step:?}");
            assert_eq!(query.times().len(), points, "{range} {step:?}");
            assert_eq!(query.end.as_second() % i64::try_from(expected_step).unwrap(), 0);
            assert!(until(query.end, FIXTURE_TIME) < query.step);
        }
    }

    #[test]
    fn impossible_ranges_are_rejected() {
        let field = |request: &ChartRequest| query(request).unwrap_err().violations()[0].field.clone();
        assert_eq!(field(&request(15 * 24 * 3_600 + 1, None)), "range");
        assert_eq!(field(&request(30, Some(60))), "range");
        assert_eq!(field(&request(0, None)), "range");
    }

    #[tokio::test]
    async fn a_platform_without_a_source_says_so() {
        let platform = crate::Platform::builder("https://hexabase.example")
            .with_plans(vec![crate::fixture::plan("small")])
            .build()
            .unwrap();
        let target = TenantTarget::by_id(id("acme"), id("shop"));
        for error in [
            platform.metrics().require_source().unwrap_err(),
            platform.metrics().latest(&target).await.unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "unsupported"));
            assert!(error.message().contains("Prometheus"), "{error}");
        }
    }

    #[test]
    fn queries_are_limited_per_workspace_and_process() {
        let queries = MetricQueries::default();
        let begin = |number: u32| queries.begin(id(&format!("workspace-{number}")));
        let first: Vec<_> = (0..MAX_QUERIES_PER_WORKSPACE).map(|_| begin(0).unwrap()).collect();
        let error = begin(0).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "too_many_metric_queries"));
        let others: Vec<_> =
            (MAX_QUERIES_PER_WORKSPACE..MAX_QUERIES).map(|number| begin(number).unwrap()).collect();
        assert_eq!(begin(999).unwrap_err().kind(), ErrorKind::Unavailable);
        drop(first);
        assert!(begin(0).is_ok());
        drop(others);
        assert!(queries.lock().is_empty(), "nothing remains of finished queries");
    }
}
