//! Command `credential`: a credential plugin of `kubectl`
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use clap::Args;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::saved_logins::SavedLogins;
use super::{ErrorResponse, Server, ServerArgs};
use crate::command::print_line;

/// Time before its expiry at which a token is reported as expired, so that it does not expire in transit.
const EXPIRY_MARGIN: SignedDuration = SignedDuration::from_secs(30);

/// Print a token for the cluster of a workspace, as a credential plugin of kubectl. The token is issued for the first
/// credential that exists: the API token in HEXABASE_TOKEN, the token of a CI system in HEXABASE_ID_TOKEN, the token
/// of a GitHub Actions job with the permission `id-token: write`, or your login.
#[derive(Debug, Args)]
pub(crate) struct Credential {
    #[command(flatten)]
    server: ServerArgs,

    /// Id of the workspace.
    #[arg(long, value_name = "ID")]
    workspace: WorkspaceId,
}

/// Subject token of a token exchange.
struct SubjectToken {
    token: String,
    /// Type of the token (RFC 8693, section 3).
    kind: &'static str,
    /// `true` for the token of a saved login, which can be refreshed.
    is_of_login: bool,
}

impl SubjectToken {
    /// Returns a token that cannot be refreshed.
    const fn fixed(token: String, kind: &'static str) -> Self {
        Self { token, kind, is_of_login: false }
    }

    const fn of_login(token: String) -> Self {
        Self { token, kind: ACCESS_TOKEN_TYPE, is_of_login: true }
    }
}

/// Response of GitHub Actions to a job that requests a token.
#[derive(Deserialize)]
struct JobToken {
    value: String,
}

/// Successful response of a token exchange.
#[derive(Deserialize)]
struct ExchangeResponse {
    access_token: String,
    expires_in: i64,
}

impl Credential {
    /// Prints the token and its expiry in the format of `kubectl`.
    pub(crate) async fn execute(&self) -> Result<()> {
        let logins = SavedLogins::read()?;
        let server = self.server.connect(&logins)?;
        let subject = subject_token(&server, &logins).await?;
        let issued = match self.exchange(&server, &subject).await? {
            Err(error) if subject.is_of_login && error.is_invalid_request() => {
                let token = SavedLogins::replace_rejected(&server, &subject.token).await?;
                self.exchange(&server, &SubjectToken::of_login(token)).await?
            }
            result => result,
        };
        let (token, expires_at) = issued.map_err(|error| error.into_error("issued no token"))?;
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": token, "expirationTimestamp": expires_at.to_string() },
        });
        print_line(&credential.to_string())
    }

    /// Exchanges the subject token for a cluster token (RFC 8693).
    async fn exchange(
        &self,
        server: &Server,
        subject: &SubjectToken,
    ) -> Result<std::result::Result<(String, Timestamp), ErrorResponse>> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &subject.token),
            ("subject_token_type", subject.kind),
            ("audience", &self.workspace.to_string()),
        ];
        let text = match server.post_form(&format!("{}/oauth2/token", server.url), &form).await? {
            Ok(text) => text,
            Err(error) => return Ok(Err(error)),
        };
        let ExchangeResponse { access_token, expires_in } = server.parse(&text)?;
        let lifetime = SignedDuration::from_secs(expires_in) - EXPIRY_MARGIN;
        let out_of_range =
            |error: jiff::Error| Error::unavailable("the token's lifetime is out of range").caused_by(error);
        Ok(Ok((access_token, SystemClock.now().checked_add(lifetime).map_err(out_of_range)?)))
    }
}

const ACCESS_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";

async fn subject_token(server: &Server, logins: &SavedLogins) -> Result<SubjectToken> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = variable("HEXABASE_TOKEN") {
        return Ok(SubjectToken::fixed(token, ACCESS_TOKEN_TYPE));
    }
    if let Some(token) = variable("HEXABASE_ID_TOKEN") {
        return Ok(SubjectToken::fixed(token, ID_TOKEN_TYPE));
    }
    let job = (variable("ACTIONS_ID_TOKEN_REQUEST_URL"), variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    if let (Some(url), Some(token)) = job {
        let token = request_job_token(server, &url, &token).await?;
        return Ok(SubjectToken::fixed(token, ID_TOKEN_TYPE));
    }
    Ok(SubjectToken::of_login(logins.access_token(server).await?))
}

/// Requests the token of a GitHub Actions job, with the server as audience
/// (<https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token>).
async fn request_job_token(server: &Server, url: &str, token: &str) -> Result<String> {
    let audience = super::encode_form(&[("audience", server.url.as_str())])?;
    let separator = if url.contains('?') { '&' } else { '?' };
    let request = server.http.get(format!("{url}{separator}{audience}")).bearer_auth(token);
    let failed = |error: reqwest::Error| {
        Error::unavailable("GitHub Actions did not issue a token for this job").caused_by(error.without_url())
    };
    let response = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    let text = response.text().await.map_err(failed)?;
    let invalid = |error| Error::unavailable("GitHub Actions sent an unexpected response").caused_by(error);
    let JobToken { value } = serde_json::from_str(&text).map_err(invalid)?;
    Ok(value)
}
