//! Scrape targets of the tenant API servers for a Prometheus without an operator
//! (<https://prometheus.io/docs/prometheus/latest/http_sd/>).
//!
//! Prometheus has one credential and one certificate authority per job, and each tenant API server has its own. So it
//! scrapes workers, which read the metrics of the workspace that the path names.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Retry};
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::secret::SecretString;
use hexabase_core::store::RunningWorkspace;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operator::require_operator;
use crate::bearer_token::BearerToken;
use crate::caller::Authenticated;
use crate::problem::{ApiError, ApiResult, Problems};

/// Label `endpoint` of the series of tenant API servers.
const ENDPOINT: &str = "apiserver";
/// Time after which a client may retry what needs another configuration.
const RECONFIGURATION_RETRY: Duration = Duration::from_secs(300);

/// Metrics of tenant API servers for a Prometheus without an operator.
#[derive(Debug, Clone, Default)]
pub struct TenantScrapingConfig {
    /// `true` if this process reads the metrics of tenant API servers: it connects to host and tenant clusters.
    pub is_served: bool,
    /// Addresses (`host:port`) of processes that read the metrics, for the scrape targets. Each workspace is assigned to
    /// one of them.
    pub addresses: Vec<String>,
    /// Bearer token with which Prometheus reads the scrape targets; without one, only platform administrators do.
    pub discovery_token: Option<SecretString>,
}

/// Discovery of scrape targets: the addresses of workers, and the token of Prometheus. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ScrapeDiscovery {
    token: Option<BearerToken>,
    addresses: Arc<[String]>,
}

impl ScrapeDiscovery {
    /// Creates the discovery of this configuration.
    #[must_use]
    pub fn new(config: &TenantScrapingConfig) -> Self {
        Self {
            token: config.discovery_token.clone().map(BearerToken::new),
            addresses: config.addresses.clone().into(),
        }
    }

    fn require_addresses(&self) -> ApiResult<()> {
        if !self.addresses.is_empty() {
            return Ok(());
        }
        let message = "the addresses of workers are not known; set tenant_scrape_targets";
        let error = Error::unavailable(message).with_code("unsupported");
        Err(error.with_retry(Retry::After(RECONFIGURATION_RETRY)).into())
    }
}

/// Group of targets with the same labels.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct ScrapeTargets {
    /// Addresses to scrape; one worker.
    #[schema(example = json!(["hexabase-worker:9090"]))]
    targets: [String; 1],
    /// Labels of the target.
    labels: ScrapeLabels,
}

/// Labels of a target. Hexabase chooses all values; names that tenants choose are not among them.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct ScrapeLabels {
    /// Path of the workspace's metrics.
    #[serde(rename = "__metrics_path__")]
    path: String,
    /// Namespace of the workspace on the host.
    namespace: String,
    /// Always `apiserver`.
    endpoint: &'static str,
    /// Namespace of the workspace, so that series do not depend on the worker that is scraped.
    instance: String,
    /// Id of the workspace.
    #[serde(rename = "__meta_hexabase_workspace")]
    workspace: String,
    /// Id of the organization.
    #[serde(rename = "__meta_hexabase_organization")]
    organization: String,
    /// Name of the host cluster.
    #[serde(rename = "__meta_hexabase_host")]
    host: String,
    /// Namespace of the workspace on the host.
    #[serde(rename = "__meta_hexabase_namespace")]
    meta_namespace: String,
    /// Id of the plan.
    #[serde(rename = "__meta_hexabase_plan")]
    plan: String,
}

impl ScrapeTargets {
    /// Target of a workspace at one of the addresses, of which there is at least one.
    fn new(workspace: &RunningWorkspace, addresses: &[String]) -> Self {
        let namespace = workspace.id.kubernetes_name();
        Self {
            targets: [assigned(workspace.id, addresses).to_owned()],
            labels: ScrapeLabels {
                path: format!("/metrics/workspaces/{}", workspace.id),
                namespace: namespace.clone(),
                endpoint: ENDPOINT,
                instance: namespace.clone(),
                workspace: workspace.id.to_string(),
                organization: workspace.organization_id.to_string(),
                host: workspace.host_cluster.to_string(),
                meta_namespace: namespace,
                plan: workspace.plan_id.to_string(),
            },
        }
    }
}

/// Address that a workspace is assigned to. The last bits of its id are random.
fn assigned(workspace: WorkspaceId, addresses: &[String]) -> &str {
    let index = workspace.uuid().as_u128() % (addresses.len().max(1) as u128);
    usize::try_from(index).ok().and_then(|index| addresses.get(index)).map_or("", String::as_str)
}

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
    ScrapeDiscovery: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(scrape_targets))
}

/// List the scrape targets of the tenant API servers, for Prometheus
///
/// For `http_sd_configs` of Prometheus: one target per workspace whose control plane runs. Workers read the metrics of the
/// API server of the workspace that the path of the target names. Requires a session of a platform administrator, or the
/// bearer token of the setting `prometheus_discovery_token`. The error `unsupported`, with the status 503, names the missing
/// setting.
#[utoipa::path(get, path = "/api/v1/admin/prometheus/targets", tag = "Operators",
    responses((status = 200, body = Vec<ScrapeTargets>), Problems))]
async fn scrape_targets(
    State(platform): State<Platform>,
    State(discovery): State<ScrapeDiscovery>,
    authenticated: Result<Authenticated, ApiError>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    if !discovery.token.as_ref().is_some_and(|token| token.is_sent(&headers)) {
        require_operator(&platform, &authenticated?).await?;
    }
    discovery.require_addresses()?;
    let first = platform.api_server_metrics().list(None).await?;
    let body = Body::from_stream(stream::unfold(Pages::First(first), move |pages| {
        next_part(platform.clone(), discovery.addresses.clone(), pages)
    }));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// Pages of the workspaces that remain to be written.
enum Pages {
    /// First page.
    First(Vec<RunningWorkspace>),
    /// Pages after this workspace.
    After(WorkspaceId),
    /// None.
    End,
}

/// Writes the next page of the JSON array. An error ends the response before its end, so that Prometheus keeps the targets
/// that it has.
async fn next_part(
    platform: Platform,
    addresses: Arc<[String]>,
    pages: Pages,
) -> Option<(Result<Bytes, Error>, Pages)> {
    let (is_first, page) = match pages {
        Pages::First(page) => (true, Ok(page)),
        Pages::After(last) => (false, platform.api_server_metrics().list(Some(last)).await),
        Pages::End => return None,
    };
    let page = match page {
        Ok(page) => page,
        Err(error) => {
            tracing::warn!(?error, "listing scrape targets failed; response aborted");
            return Some((Err(error), Pages::End));
        }
    };
    let next = page.last().map_or(Pages::End, |last| Pages::After(last.id));
    Some((Ok(as_part(&page, &addresses, is_first)), next))
}

/// Part of the array with the targets of a page: the first one opens the array, and an empty one closes it.
fn as_part(page: &[RunningWorkspace], addresses: &[String], is_first: bool) -> Bytes {
    let mut part = if is_first { "[".to_owned() } else { String::new() };
    for (index, workspace) in page.iter().enumerate() {
        if !is_first || index > 0 {
            part.push(',');
        }
        // The fields serialize without failing.
        part.push_str(&serde_json::to_string(&ScrapeTargets::new(workspace, addresses)).unwrap_or_default());
    }
    if page.is_empty() {
        part.push(']');
    }
    part.into()
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture::{self, id};
    use serde_json::{Value, json};

    use super::*;

    fn workspace(name: &str) -> RunningWorkspace {
        let fixture = fixture::workspace(name);
        RunningWorkspace {
            organization_id: fixture.organization_id,
            id: id(name),
            host_cluster: fixture.host_cluster,
            plan_id: fixture.plan_id,
        }
    }

    fn body(pages: &[&[RunningWorkspace]]) -> Value {
        let addresses = ["worker-0:9090".to_owned()];
        let parts = pages.iter().enumerate().map(|(number, page)| as_part(page, &addresses, number == 0));
        serde_json::from_slice(&parts.collect::<Vec<Bytes>>().concat()).unwrap()
    }

    #[test]
    fn pages_form_one_array_of_targets() {
        assert_eq!(body(&[&[]]), json!([]));
        let [first, second, third] = ["one", "two", "three"].map(workspace);
        let found = body(&[&[first.clone(), second], &[third], &[]]);
        assert_eq!(found.as_array().unwrap().len(), 3);
        let (id, namespace) = (first.id.to_string(), first.id.kubernetes_name());
        let expected = json!({
            "targets": ["worker-0:9090"],
            "labels": {
                "__metrics_path__": format!("/metrics/workspaces/{id}"),
                "namespace": namespace,
                "endpoint": "apiserver",
                "instance": namespace,
                "__meta_hexabase_workspace": id,
                "__meta_hexabase_organization": first.organization_id,
                "__meta_hexabase_host": first.host_cluster,
                "__meta_hexabase_namespace": namespace,
                "__meta_hexabase_plan": first.plan_id,
            },
        });
        assert_eq!(found[0], expected);
    }

    #[test]
    fn workspaces_are_spread_over_the_workers() {
        let addresses = ["a:1", "b:1", "c:1"].map(str::to_owned);
        let mut counts = std::collections::BTreeMap::<&str, usize>::new();
        for number in 0..300 {
            let workspace: WorkspaceId = id(&format!("workspace-{number}"));
            let address = assigned(workspace, &addresses);
            assert_eq!(address, assigned(workspace, &addresses));
            *counts.entry(address).or_default() += 1;
        }
        assert!(counts.len() == 3 && counts.values().all(|count| *count > 50), "{counts:?}");
    }
}
