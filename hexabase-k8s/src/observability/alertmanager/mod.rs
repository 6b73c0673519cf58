//! Alerts of tenants from Alertmanager, by its API v2
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>).

mod messages;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::alerts::{
    ALERT_NAME, AlertSource, FiringAlert, NewSilence, Silence, SilenceId, first_to_end, latest_by_rule,
};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::secret::SecretString;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;

use self::messages::{CreatedSilence, GettableAlert, GettableSilence, Matcher, PostableSilence};
use super::http;

/// Maximum size of a response, in bytes. The alerts of one tenant are as many as its rules.
const MAX_RESPONSE_BYTES: usize = 4 << 20;

/// Connection to Alertmanager, or to one replica of a cluster, whose replicas share silences and alerts.
#[derive(Debug, Clone)]
pub struct AlertmanagerConfig {
    /// URL of the API, such as `http://alertmanager.monitoring:9093`, with the path before `/api/v2` if there is one. It
    /// can contain a user name and a password.
    pub url: SecretString,
    /// Bearer token; `None` sends none.
    pub token: Option<SecretString>,
    /// Maximum duration of a request.
    pub timeout: Duration,
}

impl AlertmanagerConfig {
    /// Creates a configuration without a token, with a timeout of ten seconds.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self { url: url.into(), token: None, timeout: Duration::from_secs(10) }
    }
}

/// Alerts of tenants from an Alertmanager to which Prometheus sends the alerts of the generic rules
/// ([`alert_rules`](crate::alert_rules)).
///
/// A silence has exactly three matchers: for the name of these alerts, the namespace of the tenant, and the rule. Other
/// silences belong to operators.
pub struct Alertmanager {
    client: reqwest::Client,
    url: Url,
}

impl fmt::Debug for Alertmanager {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Alertmanager").field("host", &self.url.host_str()).finish()
    }
}

impl Alertmanager {
    /// Creates a source without sending a request.
    ///
    /// # Errors
    /// `Invalid` if the URL or the token is invalid.
    pub fn new(config: &AlertmanagerConfig) -> Result<Self> {
        let url = http::below(&http::base_url("alertmanager_url", &config.url)?, &["api", "v2"]);
        let client = http::client("alertmanager_token", config.token.as_ref(), config.timeout)?;
        Ok(Self { client, url })
    }

    /// Begins a request to a path below `/api/v2`.
    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = http::below(&self.url, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.client.request(method, url)
    }
}

/// Sends a request, and returns the status and the body of the response, which is bounded.
async fn send(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>)> {
    let failed = |error: reqwest::Error| {
        Error::unavailable("the request to Alertmanager failed").caused_by(error.without_url())
    };
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    let body = http::read_body(response, MAX_RESPONSE_BYTES).await.map_err(failed)?;
    let body = body.ok_or_else(|| Error::unavailable("the response of Alertmanager is too large"))?;
    Ok((status, body))
}

/// Parses the body of a successful response.
fn parse<T: DeserializeOwned>((status, body): (StatusCode, Vec<u8>)) -> Result<T> {
    if !status.is_success() {
        return Err(refused(status));
    }
    serde_json::from_slice(&body)
        .map_err(|error| Error::unavailable("the response of Alertmanager cannot be read").caused_by(error))
}

fn refused(status: StatusCode) -> Error {
    Error::unavailable("Alertmanager rejected the request").with("status", status.as_u16())
}

/// Returns the filters of a query for the alerts of a tenant's rules, or their silences.
fn own_filters(workspace: WorkspaceId) -> [String; 2] {
    [("alertname", ALERT_NAME), ("namespace", &workspace.kubernetes_name())]
        .map(|(label, value)| format!("{label}=\"{value}\""))
}

#[async_trait]
impl AlertSource for Alertmanager {
    async fn alerts(&self, workspace: WorkspaceId) -> Result<Vec<FiringAlert>> {
        let own = [("alertname", ALERT_NAME), ("namespace", &workspace.kubernetes_name())];
        let filters = own_filters(workspace);
        let query: Vec<(&str, &str)> = filters.iter().map(|filter| ("filter", filter.as_str())).collect();
        let found: Vec<GettableAlert> = parse(send(self.request(Method::GET, &["alerts"], &query)).await?)?;
        let alerts = found.into_iter().filter(|alert| alert.has_labels(own));
        Ok(latest_by_rule(alerts.filter_map(GettableAlert::into_firing).collect()))
    }

    async fn create_silence(&self, workspace: WorkspaceId, silence: &NewSilence) -> Result<SilenceId> {
        let posted = PostableSilence {
            matchers: Matcher::of_rule(workspace, silence.rule_id).into(),
            starts_at: silence.starts_at,
            ends_at: silence.ends_at,
            created_by: silence.created_by.to_string(),
            comment: silence.comment.clone(),
        };
        let body = serde_json::to_vec(&posted)
            .map_err(|error| Error::unexpected("a silence cannot be serialized").caused_by(error))?;
        let request = self.request(Method::POST, &["silences"], &[]).header(CONTENT_TYPE, "application/json");
        let (status, body) = send(request.body(body)).await?;
        // Everything else in the silence has a form that Alertmanager accepts.
        if status == StatusCode::BAD_REQUEST {
            return Err(Error::invalid("ends_at", "must be in the future, and after the start"));
        }
        Ok(parse::<CreatedSilence>((status, body))?.silence_id)
    }

    async fn find_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<Option<Silence>> {
        let (status, body) = send(self.request(Method::GET, &["silence", &id.to_string()], &[])).await?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(parse::<GettableSilence>((status, body))?.into_silence_of(workspace))
    }

    async fn silences(&self, workspace: WorkspaceId) -> Result<Vec<Silence>> {
        let query = own_filters(workspace);
        let query: Vec<(&str, &str)> = query.iter().map(|filter| ("filter", filter.as_str())).collect();
        let found: Vec<GettableSilence> =
            parse(send(self.request(Method::GET, &["silences"], &query)).await?)?;
        let own = found.into_iter().filter_map(|silence| silence.into_silence_of(workspace));
        Ok(first_to_end(own.collect()))
    }

    async fn delete_silence(&self, workspace: WorkspaceId, id: SilenceId) -> Result<()> {
        let not_found = || Error::not_found("silence");
        self.find_silence(workspace, id).await?.ok_or_else(not_found)?;
        match send(self.request(Method::DELETE, &["silence", &id.to_string()], &[])).await?.0 {
            StatusCode::NOT_FOUND => Err(not_found()),
            status if status.is_success() => Ok(()),
            status => Err(refused(status)),
        }
    }

    fn name(&self) -> &'static str {
        "alertmanager"
    }
}
