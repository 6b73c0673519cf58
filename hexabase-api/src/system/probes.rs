//! Health, readiness, metrics and information of the server.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRef, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::future::{BoxFuture, join_all};
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api_server_metrics::{self, read_api_server_metrics};
use super::{MetricsAccess, SystemState};
use crate::caller::ClientOrigin;
use crate::problem::{ApiError, Problems};
use crate::telemetry::ISOLATION_CHECK_FAILURES;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(alert_thresholds))
        .routes(routes!(info))
}

/// Returns the router of a port for metrics.
pub(super) fn metrics_router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    SystemState: FromRef<S>,
{
    Router::new()
        .route("/metrics", get(render_metrics))
        .route("/metrics/alert-rules", get(render_thresholds))
        .route(api_server_metrics::PATH, get(read_api_server_metrics))
}

/// Media type of the text format of Prometheus.
pub(crate) const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Maximum time for a backend to respond to a readiness check.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for which the result of a probe is reused.
const PROBE_RESULT_LIFETIME: Duration = Duration::from_millis(500);
/// Time for which the numbers of workspaces are reused.
const WORKSPACE_COUNTS_LIFETIME: Duration = Duration::from_secs(15);
/// Time for which the limits of alert rules are reused.
const THRESHOLDS_LIFETIME: Duration = Duration::from_secs(15);
/// Time for which the last limits are served while the database is unavailable, so that its failure ends no alerts.
const THRESHOLDS_MAX_AGE: Duration = Duration::from_secs(300);

/// Recent results of the probes that query backends. These probes are open to strangers, so the number of queries does
/// not depend on the number of requests.
#[derive(Debug, Default)]
pub(crate) struct ProbeResults {
    readiness: RecentResult<Readiness>,
    backlog: RecentResult<()>,
    workspaces: RecentResult<()>,
    thresholds: RecentResult<Option<(Instant, Arc<str>)>>,
}

/// Result of a query that runs at most once at a time; concurrent requests share it.
#[derive(Debug)]
struct RecentResult<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for RecentResult<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> RecentResult<T> {
    /// Returns the recent result, or runs the query if there is none.
    async fn get(&self, query: impl Future<Output = T>) -> T {
        self.get_within(PROBE_RESULT_LIFETIME, |_| query).await
    }

    /// Returns the result if it is younger than a lifetime, or runs the query, which receives the last result.
    async fn get_within<F>(&self, lifetime: Duration, query: impl FnOnce(Option<T>) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let mut recent = self.0.lock().await;
        match &*recent {
            Some((at, result)) if at.elapsed() < lifetime => result.clone(),
            last => {
                let result = query(last.as_ref().map(|(_, result)| result.clone())).await;
                *recent = Some((Instant::now(), result.clone()));
                result
            }
        }
    }
}

/// State of a backend, or of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthState {
    Ok,
    Unavailable,
}

/// Names of the backends that requests need.
const STORE: &str = "store";
const EPHEMERAL: &str = "ephemeral";
const NEEDED_BACKENDS: [&str; 2] = [STORE, EPHEMERAL];

/// Health of the process.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Health of the process, always `ok`.
    status: HealthState,
}

/// Check that the process is alive
#[utoipa::path(get, path = "/healthz", tag = "System", security(()), responses((status = 200, body = Health)))]
async fn healthz() -> Json<Health> {
    Json(Health { status: HealthState::Ok })
}

/// Readiness of the process and its backends.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ok` if the backends that requests need accept writes, `unavailable` otherwise.
    status: HealthState,
    /// `true` if a backend is unavailable that requests do not need: the queue, or a host cluster.
    degraded: bool,
    /// State of each backend.
    #[schema(example = json!({"store": "ok"}))]
    backends: BTreeMap<String, HealthState>,
}

impl Readiness {
    /// Assesses the backends, by name; `true` for an available one.
    fn of(backends: impl IntoIterator<Item = (String, bool)>) -> Self {
        let backends: BTreeMap<String, bool> = backends.into_iter().collect();
        let away = || backends.iter().filter(|(_, is_available)| !**is_available);
        let is_needed = |(name, _): (&String, &bool)| NEEDED_BACKENDS.contains(&name.as_str());
        let state = |is_available| if is_available { HealthState::Ok } else { HealthState::Unavailable };
        Self {
            status: state(!away().any(is_needed)),
            degraded: !away().all(is_needed),
            backends: backends.into_iter().map(|(name, is_available)| (name, state(is_available))).collect(),
        }
    }

    /// Returns the backends, each `true` if it is available.
    pub(super) fn available(self) -> BTreeMap<String, bool> {
        self.backends.into_iter().map(|(name, state)| (name, state == HealthState::Ok)).collect()
    }
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        match self.status {
            HealthState::Ok => Json(self).into_response(),
            HealthState::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")], Json(self)).into_response()
            }
        }
    }
}

/// Check that the backends which requests need accept writes
///
/// 503 if the database or the short-lived store is unavailable, is full or is read-only. Without the queue or a host
/// cluster, requests succeed and their work waits.
#[utoipa::path(get, path = "/readyz", tag = "System", security(()),
    responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
async fn readyz(State(system): State<SystemState>) -> Readiness {
    readiness(&system).await
}

/// Returns the recent readiness of the process.
pub(super) async fn readiness(system: &SystemState) -> Readiness {
    system.probes().readiness.get(check_backends(system.platform())).await
}

async fn check_backends(platform: &Platform) -> Readiness {
    let mut checks: Vec<(String, BoxFuture<'_, Result<()>>)> = vec![
        (STORE.to_owned(), platform.store().ping()),
        (EPHEMERAL.to_owned(), platform.ephemeral().ping()),
        ("queue".to_owned(), Box::pin(async { platform.queue().depth().await.map(drop) })),
    ];
    for (host, provisioner) in platform.fleet().fixed() {
        checks.push((format!("host/{}", host.name), provisioner.ping()));
    }
    let states = checks.into_iter().map(|(name, ping)| async move {
        let is_available = match tokio::time::timeout(PING_TIMEOUT, ping).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(backend = name, ?error, "readiness check failed");
                false
            }
            Err(_) => {
                tracing::warn!(backend = name, "readiness check timed out");
                false
            }
        };
        (name, is_available)
    });
    Readiness::of(join_all(states).await)
}

/// Get the metrics of the process, for Prometheus
///
/// Served to clients on the same machine only, and with `--metrics-listen` on that address only.
#[utoipa::path(get, path = "/metrics", tag = "System", security(()),
    responses((status = 200, content_type = "text/plain", body = String), Problems))]
async fn metrics(
    State(system): State<SystemState>,
    ClientOrigin(origin): ClientOrigin,
    headers: HeaderMap,
) -> Response {
    match may_read_metrics(system.metrics_access(), origin.address.as_deref(), &headers) {
        true => render_metrics(State(system)).await,
        false => ApiError::no_such_path().into_response(),
    }
}

/// `true` if the client at this address may read the metrics.
pub(super) fn may_read_metrics(access: MetricsAccess, address: Option<&str>, headers: &HeaderMap) -> bool {
    let address = address.and_then(|address| address.parse::<IpAddr>().ok());
    // A proxy on this machine that is not trusted forwards requests of strangers.
    let is_forwarded = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| headers.contains_key(*name));
    match access {
        MetricsAccess::All => true,
        MetricsAccess::SameMachine => address.is_some_and(|address| address.is_loopback()) && !is_forwarded,
        MetricsAccess::None => false,
    }
}

async fn render_metrics(State(system): State<SystemState>) -> Response {
    let Some(render) = system.metrics() else { return StatusCode::NO_CONTENT.into_response() };
    let (platform, probes) = (system.platform(), system.probes());
    let gauges = platform.gauges();
    let workspaces = probes.workspaces.get_within(WORKSPACE_COUNTS_LIFETIME, |_| gauges.record_workspaces());
    tokio::join!(probes.backlog.get(gauges.record_backlog()), workspaces);
    record_isolation_failures(platform);
    ([(CONTENT_TYPE, TEXT_FORMAT)], render()).into_response()
}

/// Get the limits of all alert rules, for Prometheus
///
/// One series per rule, in the unit of its metric. Served to the clients that may read the metrics of the process. The
/// scrape job keeps the labels of the series (`honor_labels`).
#[utoipa::path(get, path = "/metrics/alert-rules", tag = "System", security(()),
    responses((status = 200, content_type = "text/plain", body = String), Problems))]
async fn alert_thresholds(
    State(system): State<SystemState>,
    ClientOrigin(origin): ClientOrigin,
    headers: HeaderMap,
) -> Response {
    match may_read_metrics(system.metrics_access(), origin.address.as_deref(), &headers) {
        true => render_thresholds(State(system)).await,
        false => ApiError::no_such_path().into_response(),
    }
}

async fn render_thresholds(State(system): State<SystemState>) -> Response {
    let read = |last: Option<Option<(Instant, Arc<str>)>>| async {
        match system.platform().alerts().thresholds().await {
            Ok(text) => Some((Instant::now(), text.into())),
            Err(error) => {
                tracing::warn!(
                    ?error,
                    "reading alert rules failed; their last limits are served for a while"
                );
                last.flatten().filter(|(at, _)| at.elapsed() < THRESHOLDS_MAX_AGE)
            }
        }
    };
    match system.probes().thresholds.get_within(THRESHOLDS_LIFETIME, read).await {
        Some((_, text)) => ([(CONTENT_TYPE, TEXT_FORMAT)], text.to_string()).into_response(),
        None => ApiError::from(Error::unavailable("the alert rules cannot be read")).into_response(),
    }
}

fn record_isolation_failures(platform: &Platform) {
    for ((host, check), failures) in platform.isolation_failures() {
        let labels = [("host", host.to_string()), ("check", check)];
        metrics::counter!(ISOLATION_CHECK_FAILURES, &labels).absolute(failures);
    }
}

/// Version and backends of the server.
#[derive(Debug, Serialize, ToSchema)]
struct Info {
    /// Version of the server.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Backends in use, by their role.
    #[schema(example = json!({"store": "sqlite"}))]
    backends: BTreeMap<&'static str, &'static str>,
    /// `true` if tenant clusters run in the sandbox, which runs no workload.
    sandbox: bool,
}

/// Get the version and the backends of the server
#[utoipa::path(get, path = "/api/v1/info", tag = "System", security(()),
    responses((status = 200, body = Info)))]
async fn info(State(system): State<SystemState>) -> Json<Info> {
    Json(Info {
        version: env!("CARGO_PKG_VERSION"),
        backends: system.backends().iter().copied().collect(),
        sandbox: system.platform().fleet().fixed().any(|(host, _)| host.sandbox),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_for_the_same_machine_unless_a_proxy_forwards_the_request() {
        let none = HeaderMap::new();
        let forwarded: HeaderMap = [("x-forwarded-for", "203.0.113.7")]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let addresses = [Some("127.0.0.1"), Some("::1"), Some("10.0.0.7"), Some("203.0.113.7"), None];
        let may_read = |access, headers| addresses.map(|address| may_read_metrics(access, address, headers));
        assert_eq!(may_read(MetricsAccess::SameMachine, &none), [true, true, false, false, false]);
        assert_eq!(may_read(MetricsAccess::SameMachine, &forwarded), [false; 5]);
        assert_eq!(may_read(MetricsAccess::All, &forwarded), [true; 5]);
        assert_eq!(may_read(MetricsAccess::None, &none), [false; 5]);
    }

    #[tokio::test]
    async fn concurrent_probes_share_one_query() {
        let (recent, queries) = (RecentResult::default(), std::sync::atomic::AtomicU32::new(0));
        let query = || async {
            queries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::task::yield_now().await;
        };
        join_all((0..100).map(|_| recent.get(query()))).await;
        assert_eq!(queries.into_inner(), 1);
    }

    #[test]
    fn a_process_is_ready_while_the_backends_that_requests_need_are_available() {
        for (away, status, degraded) in [
            (vec![], 200, false),
            (vec!["queue"], 200, true),
            (vec!["host/fra"], 200, true),
            (vec!["store"], 503, false),
            (vec!["ephemeral"], 503, false),
            (vec!["queue", "ephemeral"], 503, true),
        ] {
            let names = ["store", "ephemeral", "queue", "host/fra"];
            let readiness = Readiness::of(names.map(|name| (name.to_owned(), !away.contains(&name))));
            assert_eq!(readiness.degraded, degraded, "{away:?}");
            for name in names {
                assert_eq!(
                    readiness.backends[name],
                    if away.contains(&name) { HealthState::Unavailable } else { HealthState::Ok }
                );
            }
            assert_eq!(readiness.into_response().status(), status, "{away:?}");
        }
    }
}
