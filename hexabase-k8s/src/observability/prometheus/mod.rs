//! Usage of tenants from Prometheus.

mod chart;
mod federation;
mod health;
mod monitoring;
mod promql;
mod response;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::alerts::EVALUATION_INTERVAL;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{Error, Result};
use hexabase_core::metrics::{
    Chart, ChartQuery, Federation, HealthReadings, Metric, MetricsSource, RuleQuery, Sample, Series,
    SeriesQuery,
};
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use prometheus_http_query::Client;
use prometheus_http_query::response::{InstantVector, RangeVector};

use super::http;

pub use monitoring::{FindingLevel, MonitoringFinding};

/// Maximum number of points per series that Prometheus returns.
const MAX_POINTS: u128 = 11_000;
/// Maximum interval between scrapes, half of the step of metering: beyond it, no rate can be computed for each step.
const MAX_SCRAPE_INTERVAL: Duration = Duration::from_secs(150);

/// Connection to Prometheus or a compatible API.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    /// URL of the API, such as `http://prometheus.monitoring:9090`, with the path before `/api/v1` if there is one.
    pub url: SecretString,
    /// Bearer token; `None` sends none.
    pub token: Option<SecretString>,
    /// Maximum duration of a query.
    pub timeout: Duration,
    /// Scrape jobs whose series count.
    pub jobs: ScrapeJobs,
    /// Interval between two scrapes of these jobs, in whole seconds, from 1 to 150 seconds; the longest if they differ.
    pub scrape_interval: Duration,
}

impl PrometheusConfig {
    /// Creates a configuration without a token, with a timeout of one minute, and with the jobs and the scrape interval
    /// of kube-prometheus.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            token: None,
            timeout: Duration::from_secs(60),
            jobs: ScrapeJobs::default(),
            scrape_interval: Duration::from_secs(30),
        }
    }

    /// Checks the jobs and the scrape interval.
    ///
    /// # Errors
    /// The name of the first invalid setting, and a message for the operator.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let jobs = [
            ("prometheus_kubelet_job", &self.jobs.kubelet),
            ("prometheus_kube_state_metrics_job", &self.jobs.kube_state_metrics),
            ("prometheus_api_server_job", &self.jobs.api_servers),
        ];
        for (name, jobs) in jobs {
            if jobs.is_empty() || jobs.iter().any(String::is_empty) {
                return Err((name, "must name at least one scrape job, and no job without a name"));
            }
        }
        let interval = self.scrape_interval;
        if interval.is_zero() || interval > MAX_SCRAPE_INTERVAL || interval.subsec_nanos() != 0 {
            return Err(("prometheus_scrape_seconds", "must be from 1 to 150 seconds"));
        }
        Ok(())
    }
}

/// Values of the label `job` of the series that count. Series of other jobs are ignored, because a job that scrapes
/// pods of tenants has the series that their pods invent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeJobs {
    /// Jobs that scrape the kubelets' cAdvisor.
    pub kubelet: Vec<String>,
    /// Jobs that scrape kube-state-metrics.
    pub kube_state_metrics: Vec<String>,
    /// Jobs that scrape the tenant API servers.
    pub api_servers: Vec<String>,
}

/// Returns the rules file with which Prometheus compares the metrics of tenants with their alert rules, for these scrape
/// jobs and the longest interval between two scrapes. The limits come from the job `hexabase`, which scrapes
/// `/metrics/alert-rules` and keeps the labels of the series (`honor_labels`).
#[must_use]
pub fn alert_rules(jobs: &ScrapeJobs, scrape_interval: Duration) -> String {
    promql::alert_rules(jobs, scrape_interval)
}

impl Default for ScrapeJobs {
    /// Names of kube-prometheus and, for the tenant API servers, the value of their Services' label `app`.
    fn default() -> Self {
        let job = |name: &str| vec![name.to_owned()];
        Self {
            kubelet: job("kubelet"),
            kube_state_metrics: job("kube-state-metrics"),
            api_servers: job("vcluster"),
        }
    }
}

/// Usage of tenants from a Prometheus that scrapes the host clusters: the kubelets' cAdvisor for CPU, memory and
/// network, kube-state-metrics for volumes and pods, and the tenant API servers for their requests. The pods of a
/// tenant's control plane do not count as its usage.
///
/// Containers, pods and volumes with several series count once, whatever made the others: a restart, a second
/// Prometheus server or a second kube-state-metrics.
///
/// A step counts as measured if every target that should have responded did so at least half of the time, for gauges
/// also at its end, and if Prometheus made at least half of the expected scrapes. Steps without any target do not count
/// as measured.
///
/// Rates cover at least four scrapes, however short the step is.
pub struct PrometheusMetrics {
    client: Client,
    jobs: ScrapeJobs,
    scrape_interval: Duration,
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
    /// `Invalid` if the URL, the token, a job or the scrape interval is invalid.
    pub fn new(config: &PrometheusConfig) -> Result<Self> {
        config.check().map_err(|(name, reason)| Error::invalid(name, reason))?;
        let url = http::base_url("prometheus_url", &config.url)?;
        let client = http::client("prometheus_token", config.token.as_ref(), config.timeout)?;
        let invalid_url = |_| Error::invalid("prometheus_url", "is not a URL");
        Ok(Self {
            client: Client::from(client, url.as_str().trim_end_matches('/')).map_err(invalid_url)?,
            jobs: config.jobs.clone(),
            scrape_interval: config.scrape_interval,
        })
    }

    /// Evaluates an expression one step after `start` and then at each step until `end`.
    async fn query_range(
        &self,
        expression: String,
        (start, end, step): (Timestamp, Timestamp, Duration),
    ) -> Result<Vec<RangeVector>> {
        let first = start.as_second().saturating_add_unsigned(step.as_secs());
        let request = self.client.query_range(expression, first, end.as_second(), step.as_secs_f64());
        let data = response::read(request.post_raw().await).await?;
        data.into_matrix().map_err(|_| Error::unexpected("the response of Prometheus is not a matrix"))
    }

    /// Evaluates an expression at a time.
    async fn query_at(&self, expression: String, at: Timestamp) -> Result<Vec<InstantVector>> {
        let request = self.client.query(expression).at(at.as_second());
        let data = response::read(request.post_raw().await).await?;
        data.into_vector().map_err(|_| Error::unexpected("the response of Prometheus is not a vector"))
    }

    /// Returns the parameters of expressions about these tenants.
    const fn scope<'a>(&'a self, targets: &'a [TenantTarget], step: Duration) -> promql::Scope<'a> {
        promql::Scope { targets, jobs: &self.jobs, scrape_interval: self.scrape_interval, step, pods: &[] }
    }
}

#[async_trait]
impl MetricsSource for PrometheusMetrics {
    async fn series(&self, query: &SeriesQuery) -> Result<Vec<Series>> {
        query.metric.require_metered()?;
        let range = query.end.duration_since(query.start).as_nanos();
        if query.step.is_zero()
            || query.step.subsec_nanos() != 0
            || range > i128::try_from(query.step.as_nanos() * MAX_POINTS).unwrap_or(i128::MAX)
        {
            return Err(Error::invalid(
                "step",
                "must be whole seconds, at least one, and yield at most 11000 points",
            ));
        }
        if query.targets.is_empty() {
            return Ok(Vec::new());
        }
        let scope = self.scope(&query.targets, query.step);
        let (used, measured) = (promql::usage(query.metric, &scope), promql::coverage(query.metric, &scope));
        let range = (query.start, query.end, query.step);
        let (used, measured) =
            futures_util::try_join!(self.query_range(used, range), self.query_range(measured, range))?;
        Ok(series_per_tenant(&query.targets, used, measured))
    }

    async fn chart(&self, query: &ChartQuery) -> Result<Chart> {
        chart::read(self, query).await
    }

    async fn rule_values(&self, query: &RuleQuery) -> Result<Vec<Sample>> {
        query.check()?;
        let targets = std::slice::from_ref(&query.target);
        let scope = self.scope(targets, promql::rule_step(query.metric));
        let expression = promql::rule_value(query.metric, &scope, query.project.as_deref());
        let found = self.query_range(expression, (query.start, query.end, EVALUATION_INTERVAL)).await?;
        // Where a tenant has usage at some times only, the value 0 of the others is a series of its own.
        let values: BTreeMap<Timestamp, f64> = found.into_iter().flat_map(|it| into_values(it).1).collect();
        Ok(values.into_iter().map(|(at, value)| Sample { at, value }).collect())
    }

    async fn latest(&self, target: &TenantTarget, now: Timestamp) -> Result<BTreeMap<Metric, f64>> {
        chart::latest(self, target, now).await
    }

    async fn health(&self, target: &TenantTarget, now: Timestamp) -> Result<HealthReadings> {
        health::read(self, target, now).await
    }

    async fn federate(&self, target: &TenantTarget, now: Timestamp) -> Result<Federation> {
        federation::read(self, target, now).await
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
    let times = measured_times(&measured);
    if times.is_empty() {
        return Vec::new();
    }
    let by_namespace = |vector: RangeVector| {
        let (mut labels, values) = into_values(vector);
        Some((labels.remove("namespace")?, values))
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

/// Returns the times at which the share of successful scrapes is sufficient.
fn measured_times(shares: &[RangeVector]) -> BTreeSet<Timestamp> {
    let shares = shares.iter().flat_map(RangeVector::samples);
    let measured = shares.filter(|it| it.value() >= promql::MIN_MEASURED_SHARE);
    measured.filter_map(|it| timestamp(it.timestamp())).collect()
}

/// Returns the labels of a series and its values by time.
fn into_values(vector: RangeVector) -> (HashMap<String, String>, BTreeMap<Timestamp, f64>) {
    let (labels, samples) = vector.into_inner();
    let values = samples.iter().filter_map(|it| Some((timestamp(it.timestamp())?, it.value())));
    (labels, values.collect())
}

/// Converts a time of Prometheus, which counts in seconds; queries use whole seconds only.
#[expect(clippy::cast_possible_truncation, reason = "timestamps are far below the limit of i64")]
fn timestamp(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds.round() as i64).ok()
}
