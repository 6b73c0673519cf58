//! Client commands, which users and CI jobs run on their own machines: sign-in to a server, and access to tenant
//! clusters.

pub(super) mod api;
mod completions;
mod context;
mod credential;
mod job_token;
mod kubeconfig;
mod login;
mod logs;
mod output;
mod progress;
mod resources;
mod saved_logins;
mod why;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use hexabase_core::error::{Error, ErrorKind, Result};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) use completions::Completions;
pub(super) use context::Use;
pub(super) use credential::Credential;
pub(super) use kubeconfig::Kubeconfig;
pub(super) use login::{Login, Logout};
pub(super) use logs::Logs;
pub(super) use output::escape;
pub(super) use progress::NOT_COMPLETED;
pub(super) use resources::{BillingCommand, ResourceCommand};
use saved_logins::SavedLogins;
pub(super) use why::Why;

/// Maximum duration of a request to the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Client id of this program.
const CLIENT_ID: &str = hexabase_auth::issuer::CLI_CLIENT_ID;

/// Server that a command connects to.
#[derive(Debug, Clone, Args)]
pub(super) struct ServerArgs {
    /// URL of the server [default: the server that you are signed in to].
    #[arg(long, env = "HEXABASE_SERVER", value_name = "URL")]
    server: Option<String>,

    /// Certificates of the private CA that signed the server's certificate, in base64-encoded PEM.
    #[arg(long, value_name = "BASE64")]
    certificate_authority_data: Option<String>,
}

impl ServerArgs {
    fn connect(&self, logins: &SavedLogins) -> Result<Server> {
        self.connect_or(None, logins)
    }

    /// Returns the selected server, or else the remembered one, or else that of the only login.
    fn connect_or(&self, remembered: Option<&str>, logins: &SavedLogins) -> Result<Server> {
        let url = match self.server.as_deref().or(remembered) {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => logins.only_server()?,
        };
        let authority = self.certificate_authority_data.clone().or_else(|| logins.authority(&url));
        Server::new(url, authority)
    }
}

/// Server, with an HTTP client that trusts it.
#[derive(Debug, Clone)]
struct Server {
    url: String,
    /// Certificates of the server's private CA, in base64-encoded PEM.
    certificate_authority_data: Option<String>,
    http: reqwest::Client,
}

/// Body of an error response: a problem document (RFC 9457) or an OAuth error (RFC 6749, section 5.2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    title: Option<String>,
    detail: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Response with an error status.
struct ErrorResponse {
    status: StatusCode,
    body: ErrorBody,
}

impl ErrorResponse {
    /// `true` for the OAuth error `invalid_request`, the response to an invalid subject token (RFC 8693, section 2.2.2).
    fn is_invalid_request(&self) -> bool {
        self.body.error.as_deref() == Some("invalid_request")
    }

    /// Returns the error, with a description of the failed operation such as "issued no token".
    fn into_error(self, failure: &str) -> Error {
        let is_rejected = matches!(
            self.body.error.as_deref(),
            Some("access_denied" | "expired_token" | "invalid_grant" | "invalid_request")
        );
        let ErrorBody { title, detail, error, error_description } = self.body;
        let reason = detail.or(error_description).or(title).or(error).unwrap_or_default();
        let message = format!("the server {failure} ({}): {reason}", self.status);
        match self.status {
            StatusCode::UNAUTHORIZED => Error::unauthenticated(message),
            _ if is_rejected => Error::unauthenticated(message),
            StatusCode::FORBIDDEN => Error::forbidden(message),
            StatusCode::TOO_MANY_REQUESTS => Error::new(ErrorKind::RateLimited, message),
            status if status.is_client_error() => Error::new(ErrorKind::Invalid, message),
            _ => Error::unavailable(message),
        }
    }
}

impl Server {
    fn new(url: String, certificate_authority_data: Option<String>) -> Result<Self> {
        if !may_receive_credentials(&url) {
            return Err(Error::invalid(
                "server",
                "must be an https:// URL, because credentials are sent to it",
            ));
        }
        let certificates = certificate_authority_data.as_deref().map(parse_certificates);
        let certificates = certificates.transpose()?.unwrap_or_default();
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .redirect(Policy::none())
            .tls_certs_merge(certificates)
            .build()
            .map_err(|error| Error::unexpected("the HTTP client cannot be created").caused_by(error))?;
        Ok(Self { url, certificate_authority_data, http })
    }

    /// Sends a request. Returns the body of a successful response, or the error response for the caller to interpret.
    async fn send(&self, request: RequestBuilder) -> Result<std::result::Result<String, ErrorResponse>> {
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            return Ok(Ok(text));
        }
        Ok(Err(ErrorResponse { status, body: serde_json::from_str(&text).unwrap_or_default() }))
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        let message = format!("{} does not respond; check the URL and your network", self.url);
        Error::unavailable(message).caused_by(error.without_url())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, bearer: &str) -> Result<T> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(bearer);
        let response = self.send(request).await?;
        self.parse(&response.map_err(|error| error.into_error("rejected the request"))?)
    }

    /// Sends a form, the request format of OAuth endpoints.
    async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<std::result::Result<String, ErrorResponse>> {
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(encode_form(fields)?)).await
    }

    fn parse<T: DeserializeOwned>(&self, text: &str) -> Result<T> {
        let invalid = || Error::unavailable(format!("{} sent an unexpected response", self.url));
        serde_json::from_str(text).map_err(|error| invalid().caused_by(error))
    }
}

/// `true` for URLs with TLS, and for those of this machine; both without a user name and password.
fn may_receive_credentials(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let has_scheme = url.scheme() == "https" || url.scheme() == "http" && is_loopback;
    has_scheme && url.username().is_empty() && url.password().is_none()
}

/// Encodes fields for a form or a query.
fn encode_form(fields: &[(&str, &str)]) -> Result<String> {
    serde_urlencoded::to_string(fields)
        .map_err(|error| Error::unexpected("the form cannot be encoded").caused_by(error))
}

fn parse_certificates(data: &str) -> Result<Vec<reqwest::Certificate>> {
    let invalid = || Error::invalid("certificate_authority_data", "contains no PEM certificates in base64");
    let pem = STANDARD.decode(data).map_err(|error| invalid().caused_by(error))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| invalid().caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_sent_with_tls_or_to_this_machine_only() {
        for (url, expected) in [
            ("https://hexabase.example", true),
            ("https://hexabase.example:8443/path", true),
            ("http://127.0.0.1:8080", true),
            ("http://localhost", true),
            ("http://[::1]:8080/", true),
            ("http://hexabase.example", false),
            ("http://localhost:x@evil.example", false),
            ("http://localhost:80@evil.example", false),
            ("http://localhost.evil.example", false),
            ("http://user@localhost", false),
            ("https://user:password@host", false),
            ("ftp://localhost", false),
            ("localhost:8080", false),
            ("https://", false),
        ] {
            assert_eq!(Server::new(url.to_owned(), None).is_ok(), expected, "{url}");
        }
    }

    #[test]
    fn error_responses_have_the_kinds_of_their_exit_codes() {
        for (status, error, expected) in [
            (400, Some("access_denied"), ErrorKind::Unauthenticated),
            (400, Some("expired_token"), ErrorKind::Unauthenticated),
            (400, Some("invalid_grant"), ErrorKind::Unauthenticated),
            (400, Some("invalid_request"), ErrorKind::Unauthenticated),
            (400, Some("invalid_scope"), ErrorKind::Invalid),
            (401, None, ErrorKind::Unauthenticated),
            (403, None, ErrorKind::Forbidden),
            (404, None, ErrorKind::Invalid),
            (429, None, ErrorKind::RateLimited),
            (302, None, ErrorKind::Unavailable),
            (503, None, ErrorKind::Unavailable),
        ] {
            let body = ErrorBody { error: error.map(str::to_owned), ..ErrorBody::default() };
            let response = ErrorResponse { status: StatusCode::from_u16(status).unwrap(), body };
            assert_eq!(response.into_error("issued no token").kind(), expected, "{status} {error:?}");
        }
    }
}
