//! Usage of tenants from Prometheus.

mod promql;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::metrics::{MetricsSource, Sample, Series, SeriesQuery};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jiff::Timestamp;
use prometheus_http_query::response::RangeVector;
use prometheus_http_query::{Client, Error as QueryError};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// Maximum number of points per series that Prometheus returns.
const MAX_POINTS: u128 = 11_000;
/// Minimum share of successful scrapes for a step to count as measured.
const MIN_MEASURED_SHARE: f64 = 0.5;

/// Connection to Prometheus or a compatible API.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    /// URL of the API, such as `http://prometheus.monitoring:9090`, with the path before `/api/v1` if there is one.
    pub url: SecretString,
    /// Bearer token; `None` sends none.
    pub token: Option<SecretString>,
    /// Maximum duration of a query.
    pub timeout: Duration,
}

impl PrometheusConfig {
    /// Creates a configuration without a token and with a timeout of one minute.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self { url: url.into(), token: None, timeout: Duration::from_secs(60) }
    }
}

/// Usage of tenants from a Prometheus that scrapes the host clusters: the kubelets' cAdvisor for CPU, memory and
/// network, kube-state-metrics for volumes and pods, and the tenant API servers for their requests. The pods of a
/// tenant's control plane do not count as its usage.
///
/// A step counts as measured if every target that should have responded did so at least half of the time. Steps
/// without any target do not count as measured.
pub struct PrometheusMetrics {
    client: Client,
}

impl fmt::Debug for PrometheusMetrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PrometheusMetrics").field("host", &self.client.base_url().host_str()).finish()
    }
}

impl PrometheusMetrics {
    /// Creates a source without sending a request.
    ///
    /// # Errors
    /// `Invalid` if the URL or the token is invalid.
    pub fn new(config: &PrometheusConfig) -> Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &config.token {
            let invalid_token =
                |_| Error::invalid("prometheus_token", "contains characters that are invalid in a header");
            let mut bearer =
                HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(invalid_token)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hexabase/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::unexpected("the HTTP client cannot be created").caused_by(error))?;
        let invalid_url = |_| Error::invalid("prometheus_url", "is not a URL");
        Ok(Self { client: Client::from(http, config.url.expose_secret()).map_err(invalid_url)? })
    }

    async fn run_query(&self, expression: String, query: &SeriesQuery) -> Result<Vec<RangeVector>> {
        let first = query.start.as_second().saturating_add_unsigned(query.step.as_secs());
        let request =
            self.client.query_range(expression, first, query.end.as_second(), query.step.as_secs_f64());
        let response = request.post().await.map_err(from_query_error)?;
        let (data, _) = response.into_inner();
        data.into_matrix().map_err(|_| Error::unexpected("the response of Prometheus is not a matrix"))
    }
}

#[async_trait]
impl MetricsSource for PrometheusMetrics {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
        let range = query.end.duration_since(query.start).as_nanos();
        if query.step.is_zero()
            || range > i128::try_from(query.step.as_nanos() * MAX_POINTS).unwrap_or(i128::MAX)
        {
            return Err(Error::invalid("step", "must be positive and yield at most 11000 points"));
        }
        if query.targets.is_empty() {
            return Ok(Vec::new());
        }
        let used = promql::usage_query(query.metric, &query.targets, query.step);
        let measured = promql::coverage_query(query.metric, query.step);
        let (used, measured) =
            futures_util::try_join!(self.run_query(used, query), self.run_query(measured, query))?;
        Ok(series_per_tenant(&query.targets, used, measured))
    }

    fn name(&self) -> &'static str {
        "prometheus"
    }
}

/// Returns the usage of each tenant at every measured time. A tenant without a value at such a time used 0.
fn series_per_tenant(
    targets: &[TenantTarget],
    used: Vec<RangeVector>,
    measured: Vec<RangeVector>,
) -> Vec<Series> {
    let measured = measured.iter().flat_map(RangeVector::samples);
    let times: Vec<Timestamp> = measured
        .filter(|it| it.value() >= MIN_MEASURED_SHARE)
        .filter_map(|it| timestamp(it.timestamp()))
        .collect();
    if times.is_empty() {
        return Vec::new();
    }
    let by_namespace = |vector: RangeVector| {
        let (mut labels, samples) = vector.into_inner();
        let values = samples.iter().filter_map(|it| Some((timestamp(it.timestamp())?, it.value())));
        Some((labels.remove("namespace")?, values.collect::<BTreeMap<_, _>>()))
    };
    let used: BTreeMap<String, BTreeMap<Timestamp, f64>> =
        used.into_iter().filter_map(by_namespace).collect();
    let series = |target: &TenantTarget| {
        let own = used.get(&target.name);
        let value = |at: &Timestamp| own.and_then(|own| own.get(at)).copied().unwrap_or(0.0);
        let samples = times.iter().map(|at| Sample { at: *at, value: value(at) }).collect();
        Series { workspace_id: target.workspace_id, samples }
    };
    targets.iter().map(series).collect()
}

/// Converts a time of Prometheus, which counts in seconds; queries use whole seconds only.
#[expect(clippy::cast_possible_truncation, reason = "timestamps are far below the limit of i64")]
fn timestamp(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds.round() as i64).ok()
}

fn from_query_error(error: QueryError) -> Error {
    match error {
        QueryError::Prometheus(error) if error.is_bad_data() => {
            Error::unexpected("Prometheus rejected the query").caused_by(error)
        }
        error => Error::unavailable("the Prometheus query failed").caused_by(error),
    }
}
