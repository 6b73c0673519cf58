//! What people do from their own machines: sign in at a server, and get into the clusters of workspaces.

mod credential;
mod kubeconfig;
mod login;
mod logins;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use hexabase_core::error::{Error, Result};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub(super) use credential::Credential;
pub(super) use kubeconfig::Kubeconfig;
pub(super) use login::{Login, Logout};
use logins::Logins;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// The `client_id` of this program.
const CLIENT_ID: &str = hexabase_auth::issuer::COMMAND_LINE;

/// Which server is meant.
#[derive(Debug, Clone, Args)]
pub(super) struct Which {
    /// Where the server is reached; if not said, the one that you are signed in at.
    #[arg(long, env = "HEXABASE_SERVER", value_name = "URL")]
    server: Option<String>,

    /// Who has signed what the server shows, in PEM and that in base64, if it is nobody whom the system trusts.
    #[arg(long, value_name = "BASE64")]
    certificate_authority_data: Option<String>,
}

impl Which {
    fn server(&self, logins: &Logins) -> Result<Server> {
        let url = match &self.server {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => logins.only_server()?,
        };
        let authority = self.certificate_authority_data.clone().or_else(|| logins.authority(&url));
        Server::new(url, authority)
    }
}

/// A server, and how it is spoken to.
#[derive(Debug, Clone)]
struct Server {
    url: String,
    authority: Option<String>,
    http: reqwest::Client,
}

/// What a server says is wrong, as RFC 9457 or RFC 6749 has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wrong {
    title: Option<String>,
    detail: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// An answer that is none of what was hoped for.
struct Failed {
    status: StatusCode,
    wrong: Wrong,
}

impl Failed {
    fn into_error(self, what: &str) -> Error {
        let Wrong { title, detail, error, error_description } = self.wrong;
        let why = detail.or(error_description).or(title).or(error).unwrap_or_default();
        let message = format!("the server {what} ({}): {why}", self.status);
        match self.status {
            StatusCode::UNAUTHORIZED => Error::unauthenticated(message),
            StatusCode::FORBIDDEN => Error::forbidden(message),
            _ => Error::unavailable(message),
        }
    }
}

impl Server {
    fn new(url: String, authority: Option<String>) -> Result<Self> {
        let at_home = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        let is_at_home = at_home.iter().any(|home| {
            let rest = url.strip_prefix(home);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
        });
        if !url.starts_with("https://") && !is_at_home {
            return Err(Error::invalid("server", "must be https://…, since what is sent there is secret"));
        }
        let certificates = authority.as_deref().map(certificates).transpose()?.unwrap_or_default();
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .tls_certs_merge(certificates)
            .build()
            .map_err(|error| Error::unexpected("no HTTP client can be made").caused_by(error))?;
        Ok(Self { url, authority, http })
    }

    /// Sends a request; what went wrong is for the caller to make something of.
    async fn ask(&self, request: RequestBuilder) -> Result<std::result::Result<String, Failed>> {
        let silent = |error: reqwest::Error| {
            Error::unavailable(format!("{} does not answer", self.url)).caused_by(error.without_url())
        };
        let answer = request.send().await.map_err(silent)?;
        let (status, text) = (answer.status(), answer.text().await.map_err(silent)?);
        if status.is_success() {
            return Ok(Ok(text));
        }
        Ok(Err(Failed { status, wrong: serde_json::from_str(&text).unwrap_or_default() }))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, bearer: &str) -> Result<T> {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(bearer);
        let answer = self.ask(request).await?;
        self.read(&answer.map_err(|failed| failed.into_error("does not answer as hoped"))?)
    }

    /// Posts a form, as OAuth wants it.
    async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<std::result::Result<String, Failed>> {
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded");
        self.ask(request.body(encoded(fields)?)).await
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T> {
        let unreadable = || Error::unavailable(format!("{} answers with something else", self.url));
        serde_json::from_str(text).map_err(|error| unreadable().caused_by(error))
    }
}

/// Fields as forms and queries have them.
fn encoded(fields: &[(&str, &str)]) -> Result<String> {
    serde_urlencoded::to_string(fields)
        .map_err(|error| Error::unexpected("fields cannot be written as a form").caused_by(error))
}

fn certificates(data: &str) -> Result<Vec<reqwest::Certificate>> {
    let unusable = || Error::invalid("certificate_authority_data", "holds no certificates in PEM");
    let pem = STANDARD.decode(data).map_err(|error| unusable().caused_by(error))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable().caused_by(error))
}
