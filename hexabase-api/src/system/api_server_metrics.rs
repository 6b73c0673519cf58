//! Metrics of tenant API servers, read by a worker for Prometheus.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::error::Error;
use hexabase_core::id::WorkspaceId;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::SystemState;
use super::probes::{TEXT_FORMAT, may_read_metrics};
use crate::caller::ClientOrigin;
use crate::extract::Path;
use crate::path_params::ScrapedWorkspacePath;
use crate::problem::{ApiError, ApiResult, Problems};

/// Path of the metrics of a workspace.
pub(super) const PATH: &str = "/metrics/workspaces/{workspace}";
/// Header with the time in seconds after which Prometheus gives up.
const SCRAPE_TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";
/// Time that the response takes, for which Prometheus must still wait.
const RESPONSE_TIME: Duration = Duration::from_millis(500);
/// Minimum and maximum duration of a read, and the duration without the header.
const MIN_TIMEOUT: Duration = Duration::from_millis(500);
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of API servers that a process reads at a time; others wait. A response has at most 4 MiB.
pub(super) const CONCURRENT_READS: usize = 16;

/// Maximum duration of a read for which Prometheus waits this number of seconds.
fn read_timeout(header: Option<&str>) -> Duration {
    let seconds = header.and_then(|text| text.parse::<f64>().ok());
    let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let read = wait.map_or(DEFAULT_TIMEOUT, |wait| wait.saturating_sub(RESPONSE_TIME));
    read.clamp(MIN_TIMEOUT, MAX_TIMEOUT)
}

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(api_server_metrics))
}

/// Get the metrics of a tenant API server, for Prometheus
///
/// Named series of the workspace's API server, read with a credential that may read metrics and nothing else. Served by
/// processes that connect to host clusters, to the clients that may read the metrics of the process. `GET
/// /api/v1/admin/prometheus/targets` lists the paths. The read ends before `X-Prometheus-Scrape-Timeout-Seconds`.
#[utoipa::path(get, path = "/metrics/workspaces/{workspace}", tag = "System", security(()), params(ScrapedWorkspacePath),
    responses((status = 200, content_type = "text/plain", body = String), Problems))]
async fn api_server_metrics(
    State(system): State<SystemState>,
    ClientOrigin(origin): ClientOrigin,
    path: Path<ScrapedWorkspacePath>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if !may_read_metrics(system.metrics_access(), origin.address.as_deref(), &headers) {
        return Err(ApiError::no_such_path());
    }
    read_api_server_metrics(State(system), path, headers).await
}

/// Handler without a check of the client, for a port that only Prometheus reaches.
pub(super) async fn read_api_server_metrics(
    State(system): State<SystemState>,
    Path(path): Path<ScrapedWorkspacePath>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let reads = system.tenant_reads().ok_or_else(ApiError::no_such_path)?;
    let limit = read_timeout(headers.get(SCRAPE_TIMEOUT).and_then(|value| value.to_str().ok()));
    let read = reads.get(path.workspace, || read(system.platform(), path.workspace));
    let text = timeout(limit, read).await.unwrap_or_else(|_| {
        let message = format!("the tenant API server did not respond within {} seconds", limit.as_secs_f64());
        Err(ApiError::from(&Error::unavailable(message)))
    })?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}

/// Reads the metrics of a workspace. An API server that does not respond is the tenant's matter, so its error is logged for
/// debugging only.
async fn read(platform: &Platform, workspace: WorkspaceId) -> Result<Bytes, ApiError> {
    match platform.api_server_metrics().read(workspace).await {
        Ok(text) => Ok(text.into()),
        Err(error) => {
            tracing::debug!(?error, %workspace, "reading metrics of tenant API server failed");
            Err(ApiError::from(&error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_ends_before_prometheus_gives_up() {
        for (header, milliseconds) in [
            (None, 10_000),
            (Some("10"), 9_500),
            (Some("2.5"), 2_000),
            (Some("0.1"), 500),
            (Some("600"), 30_000),
            (Some("-1"), 10_000),
            (Some("NaN"), 10_000),
            (Some("1e300"), 10_000),
            (Some("soon"), 10_000),
        ] {
            assert_eq!(read_timeout(header), Duration::from_millis(milliseconds), "{header:?}");
        }
    }
}
