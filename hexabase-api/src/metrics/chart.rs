//! Metrics of workspaces over time.

use std::time::Duration;

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::clock::before;
use hexabase_core::metrics::{Chart, ChartSeries, Metric};
use hexabase_core::platform::MetricChart;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::MetricQuery;
use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::MetricPath;
use crate::problem::{ApiResult, Problems};
use crate::schema::MetricUnit;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(read_metric))
}

/// Formats seconds in the form of requests.
fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// Metric of a workspace over time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Metric)]
struct MetricView {
    /// Unit of the values.
    unit: MetricUnit,
    /// Interval between two points.
    #[schema(example = "30s")]
    step: String,
    /// Time before each point that its value covers. It is longer than the step if a step has too few measurements for a
    /// rate.
    #[schema(example = "120s")]
    window: String,
    /// Series, largest first; exactly one without grouping.
    series: Vec<SeriesView>,
    /// Maximum amount of the project or the workspace, in the unit of the values; null if nothing limits the metric.
    #[schema(required)]
    quota: Option<f64>,
    /// Periods in which the metric was measured: pairs of start and end.
    #[schema(value_type = Vec<Vec<String>>)]
    measured: Vec<[Timestamp; 2]>,
    /// `true` if the values are invented, because the server has a sandbox instead of host clusters.
    sandbox: bool,
}

/// Series of a metric.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricSeries)]
struct SeriesView {
    /// Labels of the series.
    labels: LabelsView,
    /// Pairs of a time, in seconds since 1970-01-01T00:00:00Z, and a value; null where the metric was not measured.
    #[schema(value_type = Vec<Vec<Option<f64>>>)]
    points: Vec<(i64, Option<f64>)>,
}

/// Labels of a series, in the names of the tenant cluster.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MetricLabels)]
struct LabelsView {
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    /// Name of the pod, for display only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    /// Name of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
}

impl MetricView {
    fn new(metric: Metric, found: MetricChart) -> Self {
        let MetricChart { step, chart, quota, is_simulated } = found;
        let measured = measured_periods(&chart, step);
        let points = |values: Vec<Option<f64>>| {
            let times = chart.times.iter().map(|at| at.as_second());
            times.zip(values).collect()
        };
        let series = |ChartSeries { labels, values }: ChartSeries| SeriesView {
            labels: LabelsView { project: labels.project, pod: labels.pod, container: labels.container },
            points: points(values),
        };
        Self {
            unit: metric.unit().into(),
            step: seconds(step),
            window: seconds(chart.window),
            series: chart.series.into_iter().map(series).collect(),
            quota,
            measured,
            sandbox: is_simulated,
        }
    }
}

/// Returns the periods of consecutive steps that were measured.
fn measured_periods(chart: &Chart, step: Duration) -> Vec<[Timestamp; 2]> {
    let mut periods: Vec<[Timestamp; 2]> = Vec::new();
    for (at, _) in chart.times.iter().zip(&chart.measured).filter(|(_, is_measured)| **is_measured) {
        let start = before(*at, step);
        match periods.last_mut() {
            Some([_, end]) if *end == start => *end = *at,
            _ => periods.push([start, *at]),
        }
    }
    periods
}

/// Read a metric of a workspace
///
/// The metric is `cpu`, `memory`, `storage` (requested), `storage_used`, `network_receive`, `network_transmit`, `pods`
/// (running), `restarts` (in the window), `throttling` (share of scheduling periods) or `api_requests`. The control plane
/// does not count. Storage is measured by project, network and pods by project and pod, and requests for the workspace as
/// a whole. The number of concurrent requests of a workspace is limited: the error `too_many_metric_queries` has the
/// status 429. The error `unsupported`, with the status 503, names the missing configuration: the installation collects
/// no metrics, or not the names of projects.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/metrics/{metric}", tag = "Metrics",
    params(MetricPath, MetricQuery), responses((status = 200, body = MetricView), Problems),
    extensions(("x-hexabase-action" = json!("workspace.read"))))]
async fn read_metric(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<MetricPath>,
    Query(query): Query<MetricQuery>,
) -> ApiResult<Json<MetricView>> {
    let request = query.parse(path.metric)?;
    let found = platform.metrics().chart(&caller, path.org, path.ws, &request).await?;
    Ok(Json(MetricView::new(path.metric, found)))
}
