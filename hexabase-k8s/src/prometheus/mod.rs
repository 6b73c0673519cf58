//! What tenants use, from Prometheus.

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
use prometheus_http_query::{Client, Error as Problem};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

/// How many points Prometheus gives at most.
const MOST_POINTS: u128 = 11_000;
/// From which share of answers on it counts as measured.
const ENOUGH: f64 = 0.5;

/// How to ask Prometheus, or whatever speaks as it does.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    /// Where it is: `http://prometheus.monitoring:9090`, with a path before `/api/v1` if there is one.
    pub url: String,
    /// The token to show, if it wants one.
    pub token: Option<SecretString>,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

impl PrometheusSettings {
    /// A server that wants no token: a minute for an answer.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, timeout: Duration::from_secs(60) }
    }
}

/// What tenants use, from a Prometheus that scrapes the host clusters: the kubelets' cAdvisor for processors, memory and
/// the network, kube-state-metrics for volumes and pods, and the tenants' API servers for requests to them. What runs a
/// tenant's control plane is not the tenant's.
///
/// A step counts as measured when every target that should have answered did so at least half of the time; what is
/// measured by nobody is not measured.
pub struct PrometheusMetrics {
    client: Client,
}

impl fmt::Debug for PrometheusMetrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PrometheusMetrics").field("url", &self.client.base_url().as_str()).finish()
    }
}

impl PrometheusMetrics {
    /// Asks like this. Nothing is asked yet.
    ///
    /// # Errors
    /// `Invalid` for a URL or a token that is none.
    pub fn new(settings: &PrometheusSettings) -> Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &settings.token {
            let bad = |_| Error::invalid("prometheus_token", "holds what no header can hold");
            let mut bearer =
                HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(bad)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hexabase/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::unexpected("there can be no HTTP client").caused_by(error))?;
        let no_url = |_| Error::invalid("prometheus_url", "is no URL");
        Ok(Self { client: Client::from(http, &settings.url).map_err(no_url)? })
    }

    async fn ask(&self, question: String, query: &SeriesQuery<'_>) -> Result<Vec<RangeVector>> {
        let first = query.start.as_second().saturating_add_unsigned(query.step.as_secs());
        let asked = self.client.query_range(question, first, query.end.as_second(), query.step.as_secs_f64());
        let answered = asked.post().await.map_err(meaning)?;
        let (data, _) = answered.into_inner();
        data.into_matrix().map_err(|_| Error::unexpected("Prometheus answers something else than a matrix"))
    }
}

#[async_trait]
impl MetricsSource for PrometheusMetrics {
    async fn series(&self, query: &SeriesQuery<'_>) -> Result<Vec<Series>> {
        let time = query.end.duration_since(query.start).as_nanos();
        if query.step.is_zero()
            || time > i128::try_from(query.step.as_nanos() * MOST_POINTS).unwrap_or(i128::MAX)
        {
            return Err(Error::invalid("step", "must not be nothing, nor give more than 11000 points"));
        }
        if query.targets.is_empty() {
            return Ok(Vec::new());
        }
        let used = promql::used(query.metric, query.targets, query.step);
        let measured = promql::measured(query.metric, query.step);
        let (used, measured) = futures_util::try_join!(self.ask(used, query), self.ask(measured, query))?;
        Ok(told_apart(query.targets, used, measured))
    }

    fn name(&self) -> &'static str {
        "prometheus"
    }
}

/// What each tenant used at every time at which it was measured: nothing, where there is nothing of it.
fn told_apart(targets: &[TenantTarget], used: Vec<RangeVector>, measured: Vec<RangeVector>) -> Vec<Series> {
    let measured = measured.iter().flat_map(RangeVector::samples);
    let times: Vec<Timestamp> =
        measured.filter(|it| it.value() >= ENOUGH).filter_map(|it| moment(it.timestamp())).collect();
    if times.is_empty() {
        return Vec::new();
    }
    let of = |vector: RangeVector| {
        let (mut labels, samples) = vector.into_inner();
        let values = samples.iter().filter_map(|it| Some((moment(it.timestamp())?, it.value())));
        Some((labels.remove("namespace")?, values.collect::<BTreeMap<_, _>>()))
    };
    let used: BTreeMap<String, BTreeMap<Timestamp, f64>> = used.into_iter().filter_map(of).collect();
    let series = |target: &TenantTarget| {
        let own = used.get(&target.name);
        let value = |at: &Timestamp| own.and_then(|own| own.get(at)).copied().unwrap_or(0.0);
        let samples = times.iter().map(|at| Sample { at: *at, value: value(at) }).collect();
        Series { workspace_id: target.workspace_id, samples }
    };
    targets.iter().map(series).collect()
}

/// Prometheus counts time in seconds, and we ask for whole ones.
#[expect(clippy::cast_possible_truncation, reason = "no time is that far off")]
fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds.round() as i64).ok()
}

fn meaning(problem: Problem) -> Error {
    match problem {
        Problem::Prometheus(refusal) if refusal.is_bad_data() => {
            Error::unexpected("Prometheus does not understand what was asked of it").caused_by(refusal)
        }
        problem => Error::unavailable("Prometheus could not be asked").caused_by(problem),
    }
}
