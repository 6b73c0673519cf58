//! Series of a workspace for the Prometheus of its tenant.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::clock::until;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Error;
use hexabase_core::id::WorkspaceId;
use jiff::Timestamp;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::Path;
use crate::path_params::WorkspacePath;
use crate::problem::{ApiError, ApiResult, Problems};
use crate::shared_reads::SharedReads;
use crate::system::TEXT_FORMAT;

/// Time for which a result is reused, for all callers.
const LIFETIME: Duration = Duration::from_secs(15);
/// Maximum number of workspaces that are read at a time in a process; others wait.
const CONCURRENT_READS: usize = 16;
/// Maximum time that a request waits for its read and for the reads before it.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// Maximum size of the results that a process keeps, in bytes.
const CACHE_BYTES: u64 = 32 << 20;
/// Number of results that the cache expects.
const EXPECTED_RESULTS: usize = 1_000;

/// Comment of invented values.
const SIMULATED: &str =
    "# sandbox: the values are invented, because the server has a sandbox instead of host clusters\n";

/// Result of a read.
#[derive(Debug, Clone)]
struct FederatedText {
    at: Timestamp,
    text: Bytes,
}

#[derive(Clone)]
struct SizeOfText;

impl quick_cache::Weighter<WorkspaceId, FederatedText> for SizeOfText {
    fn weight(&self, _: &WorkspaceId, result: &FederatedText) -> u64 {
        u64::try_from(result.text.len()).unwrap_or(u64::MAX)
    }
}

/// Reads for federation in this process, and their recent results. Cheap to clone; the clones share them.
#[derive(Clone)]
pub struct FederationReads(Arc<Inner>);

struct Inner {
    platform: Platform,
    reads: SharedReads,
    results: quick_cache::sync::Cache<WorkspaceId, FederatedText, SizeOfText>,
}

impl fmt::Debug for FederationReads {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FederationReads({})", self.0.results.len())
    }
}

impl FederationReads {
    /// Creates the reads of a process.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        let results = quick_cache::sync::Cache::with_weighter(EXPECTED_RESULTS, CACHE_BYTES, SizeOfText);
        Self(Arc::new(Inner { platform, reads: SharedReads::new(CONCURRENT_READS), results }))
    }

    /// Returns the recent result for a workspace.
    fn recent(&self, workspace: WorkspaceId) -> Option<Bytes> {
        let now = self.0.platform.clock().now();
        let result = self.0.results.get(&workspace)?;
        (until(result.at, now) < LIFETIME).then_some(result.text)
    }

    /// Returns the series of a tenant, whose caller is authorized.
    async fn get(&self, target: &TenantTarget) -> Result<Bytes, ApiError> {
        if let Some(text) = self.recent(target.workspace_id) {
            return Ok(text);
        }
        let read = self.0.reads.get(target.workspace_id, || self.read(target));
        let timed_out = |_| Error::unavailable("the metrics of the workspace could not be read in time");
        timeout(MAX_WAIT, read).await.map_err(timed_out)?
    }

    async fn read(&self, target: &TenantTarget) -> Result<Bytes, ApiError> {
        let at = self.0.platform.clock().now();
        let mut text = self.0.platform.metrics().federate(target).await?.to_text();
        if self.0.platform.metrics_source().is_some_and(|source| source.is_simulated()) {
            text.insert_str(0, SIMULATED);
        }
        let text = Bytes::from(text);
        self.0.results.insert(target.workspace_id, FederatedText { at, text: text.clone() });
        Ok(text)
    }
}

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    FederationReads: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(federate_metrics))
}

/// Federate the metrics of a workspace
///
/// Latest series of the workspace's containers and volumes in the text format of Prometheus, with the namespaces and names of
/// the tenant cluster, for the tenant's own Prometheus (`honor_labels`): processor time, memory, network, restarts and storage,
/// under the names of cAdvisor, the kubelet and kube-state-metrics. The control plane is not included.
/// `hexabase_federation_series_left_out` is the number of series whose names in the tenant cluster are not known, or not
/// unique. The result is reused for 15 seconds. A comment marks the invented values of a sandbox. The error `unsupported`, with the status 503, means that the installation
/// collects no such series.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/metrics/federate", tag = "Metrics",
    params(WorkspacePath), responses((status = 200, content_type = "text/plain", body = String), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn federate_metrics(
    State(reads): State<FederationReads>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Response> {
    let metrics = reads.0.platform.metrics();
    let target = metrics.authorize_parts(&caller, path.org, path.ws).await?;
    let text = reads.get(&target).await?;
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], text).into_response())
}
