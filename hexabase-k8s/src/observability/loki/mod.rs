//! Logs of tenants from Loki.

mod logql;
mod response;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::error::{Error, Result};
use hexabase_core::logs::{LogLine, LogQuery, LogSource, logs_too_large};
use hexabase_core::secret::SecretString;
use jiff::Timestamp;
use reqwest::header::HeaderName;
use reqwest::{Response, StatusCode, Url};

use super::http;

/// Header with the tenant of Loki.
const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");
/// Maximum size of a response, in MiB.
const MAX_RESPONSE_MIB: usize = 16;

/// Connection to Loki.
#[derive(Debug, Clone)]
pub struct LokiConfig {
    /// URL of the API, such as `http://loki-gateway.monitoring`, with the path before `/loki/api/v1` if there is one. It
    /// can contain a user name and a password.
    pub url: SecretString,
    /// Bearer token; `None` sends none.
    pub token: Option<SecretString>,
    /// Tenant of Loki with the logs.
    pub tenancy: LokiTenancy,
    /// Maximum duration of a query.
    pub timeout: Duration,
}

impl LokiConfig {
    /// Creates a configuration without a token and without tenants, with a timeout of 20 seconds.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self { url: url.into(), token: None, tenancy: LokiTenancy::None, timeout: Duration::from_secs(20) }
    }
}

/// Tenant of Loki with the logs of a workspace: the header `X-Scope-OrgID`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LokiTenancy {
    /// No header: Loki has `auth_enabled: false`.
    #[default]
    None,
    /// The same tenant for all workspaces.
    Single(String),
    /// A tenant per workspace, named like the namespace of the workspace on the host.
    PerWorkspace,
}

/// Text that is not a [`LokiTenancy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownTenancy;

impl fmt::Display for UnknownTenancy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("must be none, single:NAME or per-workspace")
    }
}

impl std::error::Error for UnknownTenancy {}

impl FromStr for LokiTenancy {
    type Err = UnknownTenancy;

    fn from_str(text: &str) -> Result<Self, UnknownTenancy> {
        match (text, text.strip_prefix("single:")) {
            ("none", _) => Ok(Self::None),
            ("per-workspace", _) => Ok(Self::PerWorkspace),
            (_, Some(name)) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(Self::Single(name.to_owned()))
            }
            _ => Err(UnknownTenancy),
        }
    }
}

/// Logs of tenants from a Loki that an agent on the host clusters writes to. Its streams have the labels `namespace`
/// (on the host), `vcluster_namespace` (in the tenant cluster) and `container`, and the structured metadata `pod`.
///
/// Results that are larger than 16 MiB together are rejected.
pub struct LokiLogs {
    client: reqwest::Client,
    url: Url,
    tenancy: LokiTenancy,
}

impl fmt::Debug for LokiLogs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LokiLogs").field("host", &self.url.host_str()).finish()
    }
}

impl LokiLogs {
    /// Creates a source without sending a request.
    ///
    /// # Errors
    /// `Invalid` if the URL or the token is invalid.
    pub fn new(config: &LokiConfig) -> Result<Self> {
        let path = ["loki", "api", "v1", "query_range"];
        let url = http::below(&http::base_url("loki_url", &config.url)?, &path);
        let client = http::client("loki_token", config.token.as_ref(), config.timeout)?;
        Ok(Self { client, url, tenancy: config.tenancy.clone() })
    }

    async fn send(&self, query: &LogQuery) -> Result<Response> {
        let nanoseconds = |at: Timestamp| at.as_nanosecond().to_string();
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .append_pair("query", &logql::expression(query))
            .append_pair("start", &nanoseconds(query.since))
            .append_pair("end", &nanoseconds(query.until))
            .append_pair("limit", &query.limit.to_string())
            .append_pair("direction", query.direction.as_str());
        let request = self.client.get(url);
        let request = match &self.tenancy {
            LokiTenancy::None => request,
            LokiTenancy::Single(name) => request.header(TENANT, name),
            LokiTenancy::PerWorkspace => request.header(TENANT, &query.target.name),
        };
        request.send().await.map_err(from_client_error)
    }
}

/// Reads the body of a response.
async fn read(response: Response) -> Result<Vec<u8>> {
    let body = http::read_body(response, MAX_RESPONSE_MIB << 20).await.map_err(from_client_error)?;
    body.ok_or_else(|| logs_too_large(MAX_RESPONSE_MIB))
}

/// Converts an error of the HTTP client, without its URL, which contains the query and can contain a password.
fn from_client_error(error: reqwest::Error) -> Error {
    Error::unavailable("Loki is not available").caused_by(error.without_url())
}

#[async_trait]
impl LogSource for LokiLogs {
    async fn lines(&self, query: &LogQuery) -> Result<Vec<LogLine>> {
        query.check()?;
        if query.since >= query.until {
            return Ok(Vec::new());
        }
        let response = self.send(query).await?;
        let status = response.status();
        let body = read(response).await?;
        match status {
            StatusCode::OK => response::lines(&body, query),
            _ => Err(response::error(status, &String::from_utf8_lossy(&body))),
        }
    }

    fn name(&self) -> &'static str {
        "loki"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenancy_is_parsed() {
        for (text, tenancy) in [
            ("none", LokiTenancy::None),
            ("single:fleet", LokiTenancy::Single("fleet".to_owned())),
            ("per-workspace", LokiTenancy::PerWorkspace),
        ] {
            assert_eq!(text.parse(), Ok(tenancy));
        }
        for text in ["", "single", "single:", "single:a b", "single:é", "fleet", "None"] {
            assert_eq!(text.parse::<LokiTenancy>(), Err(UnknownTenancy), "{text}");
        }
    }

    #[test]
    fn the_path_of_the_url_is_kept_and_invalid_settings_are_named() {
        let path = |url: &str| LokiLogs::new(&LokiConfig::new(url)).map(|logs| logs.url.path().to_owned());
        for url in ["http://loki:3100", "http://loki:3100/", "http://loki:3100?x=1#y"] {
            assert_eq!(path(url).unwrap(), "/loki/api/v1/query_range");
        }
        assert_eq!(path("https://example/logs/").unwrap(), "/logs/loki/api/v1/query_range");
        for url in ["", "loki:3100", "ftp://loki", "mailto:a@b.example"] {
            assert_eq!(path(url).unwrap_err().violations()[0].field, "loki_url", "{url}");
        }
        let config = LokiConfig { token: Some("a\nb".into()), ..LokiConfig::new("http://loki") };
        assert_eq!(LokiLogs::new(&config).unwrap_err().violations()[0].field, "loki_token");
    }
}
