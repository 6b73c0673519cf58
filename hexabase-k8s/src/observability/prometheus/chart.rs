//! Charts of one tenant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hexabase_core::clock::{before, until};
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result, Retry};
use hexabase_core::metrics::{Chart, ChartQuery, GroupBy, MAX_SERIES, Measurements, Metric, SeriesLabels};
use jiff::Timestamp;
use prometheus_http_query::response::RangeVector;

use super::health::reading;
use super::promql::{self, MAX_READ_SERIES, Names, OBJECT_NAME, PROJECT, Scope, Selection};
use super::{PrometheusMetrics, into_values, measured_times};

/// Time by which the latest values are older than the newest scrape: at the time of a query, that scrape is often
/// missing.
pub(super) const INGESTION_DELAY: Duration = Duration::from_secs(15);
/// Time after which a client may retry a query that needs another configuration of kube-state-metrics.
const RECONFIGURATION_RETRY: Duration = Duration::from_secs(300);

/// Reads a chart: values and coverage at once, then the names of the pods that it shows.
pub(super) async fn read(metrics: &PrometheusMetrics, query: &ChartQuery) -> Result<Chart> {
    query.check()?;
    let targets = std::slice::from_ref(&query.target);
    let scope = metrics.scope(targets, query.step);
    let range = (query.start, query.end, query.step);
    let selection = Selection { project: query.project.as_deref(), projects: &[], by: query.by };
    let (values, shares) = futures_util::try_join!(
        metrics.query_range(promql::chart(query.metric, &scope, selection), range),
        metrics.query_range(promql::chart_coverage(query.metric, &scope), range)
    )?;
    let (measured, mut found) = (measured_times(&shares), largest_first(values));
    let needs_projects = query.project.is_some() || query.by == Some(GroupBy::Project);
    if needs_projects && found.is_empty() {
        require_names(metrics, query, &scope).await?;
    }
    if let Some(by) = query.by
        && lack_values(&found)
    {
        let names = names_of_largest(&found, by);
        found = match by {
            GroupBy::Project => {
                let selection = Selection { projects: &names, ..selection };
                largest_first(
                    metrics.query_range(promql::chart(query.metric, &scope, selection), range).await?,
                )
            }
            GroupBy::Pod | GroupBy::Container => {
                let scope = Scope { pods: &names, ..scope };
                largest_first(
                    metrics.query_range(promql::chart(query.metric, &scope, selection), range).await?,
                )
            }
        };
    }
    let found = match query.by {
        Some(GroupBy::Pod | GroupBy::Container) => {
            found.truncate(MAX_SERIES);
            let names = read_names(metrics, query, &scope, &found).await?;
            found.into_iter().map(|series| series.named(&names)).collect()
        }
        _ => found.into_iter().map(HostSeries::with_project).collect(),
    };
    Ok(Chart::assemble(query, scope.window(), &measured, found))
}

/// Reads the latest values of all metered metrics with one request.
pub(super) async fn latest(
    metrics: &PrometheusMetrics,
    target: &TenantTarget,
    now: Timestamp,
) -> Result<BTreeMap<Metric, f64>> {
    let scope = metrics.scope(std::slice::from_ref(target), metrics.scrape_interval);
    let found = metrics.query_at(promql::latest(&scope), before(now, INGESTION_DELAY)).await?;
    let reading = |name: &str| reading(&found, name);
    let value = |metric: &Metric| {
        let share = reading(&format!("{metric}{}", promql::MEASURED))?;
        let is_measured = share >= promql::MIN_MEASURED_SHARE;
        is_measured.then(|| (*metric, reading(metric.as_str()).unwrap_or(0.0)))
    };
    Ok(Metric::METERED.iter().filter_map(value).collect())
}

/// Series with the labels of the host.
#[derive(Debug)]
struct HostSeries {
    labels: HashMap<String, String>,
    values: BTreeMap<Timestamp, f64>,
}

impl HostSeries {
    fn sum(&self) -> f64 {
        self.values.values().filter(|value| value.is_finite()).sum()
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    fn with_project(mut self) -> Measurements {
        let labels = SeriesLabels { project: self.labels.remove(PROJECT), ..SeriesLabels::default() };
        Measurements { labels, values: self.values }
    }

    fn named(mut self, names: &BTreeMap<String, PodName>) -> Measurements {
        let host = self.labels.remove("pod").unwrap_or_default();
        let name = names.get(&host).cloned().unwrap_or_default();
        let container = self.labels.remove("container");
        let labels = SeriesLabels { project: name.project, pod: Some(name.pod.unwrap_or(host)), container };
        Measurements { labels, values: self.values }
    }
}

/// Series by their sums, which are the order of a chart.
fn largest_first(vectors: Vec<RangeVector>) -> Vec<HostSeries> {
    let series = |vector| {
        let (labels, values) = into_values(vector);
        HostSeries { labels, values }
    };
    let mut found: Vec<(f64, HostSeries)> =
        vectors.into_iter().map(series).map(|series| (series.sum(), series)).collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, series)| series).collect()
}

/// `true` if one of the largest series has no value at a time at which the expression returned as many series as it can:
/// its value may have been among the smaller ones.
fn lack_values(found: &[HostSeries]) -> bool {
    if found.len() < MAX_READ_SERIES {
        return false;
    }
    let mut counts: HashMap<Timestamp, usize> = HashMap::new();
    for at in found.iter().flat_map(|series| series.values.keys()) {
        *counts.entry(*at).or_default() += 1;
    }
    let full: Vec<Timestamp> =
        counts.into_iter().filter(|(_, count)| *count >= MAX_READ_SERIES).map(|(at, _)| at).collect();
    let largest = &found[..found.len().min(MAX_SERIES)];
    largest.iter().any(|series| full.iter().any(|at| !series.values.contains_key(at)))
}

/// Names of the projects or pods of the largest series.
fn names_of_largest(found: &[HostSeries], by: GroupBy) -> Vec<String> {
    let label = if by == GroupBy::Project { PROJECT } else { "pod" };
    let names = found.iter().filter_map(|series| series.label(label));
    let largest: BTreeSet<&str> = names.take(MAX_SERIES).collect();
    largest.into_iter().map(str::to_owned).collect()
}

/// Name of a pod in the tenant cluster, as far as known.
#[derive(Debug, Clone, Default)]
struct PodName {
    project: Option<String>,
    pod: Option<String>,
}

/// Reads the names of the pods of series, by their names on the host. A name that several pods of a project claim to
/// have is ignored: tenants can change the annotation.
async fn read_names(
    metrics: &PrometheusMetrics,
    query: &ChartQuery,
    scope: &Scope<'_>,
    found: &[HostSeries],
) -> Result<BTreeMap<String, PodName>> {
    let pods: BTreeSet<&str> = found.iter().filter_map(|series| series.label("pod")).collect();
    let pods: Vec<String> = pods.into_iter().map(str::to_owned).collect();
    if pods.is_empty() {
        return Ok(BTreeMap::new());
    }
    let expression = promql::names(&Scope { pods: &pods, ..*scope }, until(query.start, query.end));
    let mut names: BTreeMap<String, PodName> = BTreeMap::new();
    for vector in metrics.query_at(expression, query.end).await? {
        let labels = vector.metric();
        let Some(pod) = labels.get("pod") else { continue };
        let name = names.entry(pod.clone()).or_default();
        // An annotation that changed has several values; the smallest is as good as any.
        let set = |field: &mut Option<String>, label: &str| {
            if let Some(value) = labels.get(label)
                && field.as_ref().is_none_or(|known| value < known)
            {
                *field = Some(value.clone());
            }
        };
        set(&mut name.pod, OBJECT_NAME);
        set(&mut name.project, PROJECT);
    }
    let mut claimed: HashMap<(Option<String>, String), usize> = HashMap::new();
    for name in names.values() {
        if let Some(pod) = &name.pod {
            *claimed.entry((name.project.clone(), pod.clone())).or_default() += 1;
        }
    }
    for name in names.values_mut() {
        let claims = name.pod.clone().and_then(|pod| claimed.get(&(name.project.clone(), pod)));
        if claims.is_some_and(|count| *count > 1) {
            name.pod = None;
        }
    }
    Ok(names)
}

/// Checks that kube-state-metrics has the projects of the tenant's objects, if there are any.
async fn require_names(metrics: &PrometheusMetrics, query: &ChartQuery, scope: &Scope<'_>) -> Result<()> {
    let names = Names::of(query.metric);
    let expression = promql::names_known(names, scope, until(query.start, query.end));
    let found = metrics.query_at(expression, query.end).await?;
    if found.iter().all(|it| it.sample().value() > 0.0) {
        return Ok(());
    }
    let message = "metrics by project need the names of projects from kube-state-metrics; the operator starts it with \
         --metric-labels-allowlist=pods=[vcluster.loft.sh/namespace],persistentvolumeclaims=[vcluster.loft.sh/namespace]";
    let error = Error::unavailable(message).with_code("unsupported");
    Err(error.with_retry(Retry::After(RECONFIGURATION_RETRY)))
}
