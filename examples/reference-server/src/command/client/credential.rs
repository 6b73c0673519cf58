//! A token for a workspace's cluster, as `kubectl` asks for it
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use clap::Args;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::WorkspaceId;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::logins::Logins;
use super::{Server, Which};
use crate::command::say;

/// How long before its end a token is said to be over: it must not end on its way.
const SLACK: SignedDuration = SignedDuration::from_secs(30);

/// Get a token for a workspace's cluster, as kubectl asks for it. An API token in the variable HEXABASE_TOKEN goes before a
/// token of a CI system in HEXABASE_ID_TOKEN, that before one which GitHub Actions gives to a job with the permission
/// `id-token: write`, and everything before how you signed in.
#[derive(Debug, Args)]
pub(crate) struct Credential {
    #[command(flatten)]
    which: Which,

    /// The workspace.
    #[arg(long, value_name = "ID")]
    workspace: WorkspaceId,
}

/// What a token for a workspace is asked for with, and which kind of token that is (RFC 8693 section 3).
struct Subject(String, &'static str);

/// What GitHub Actions answers a job that asks for a token.
#[derive(Deserialize)]
struct JobToken {
    value: String,
}

#[derive(Deserialize)]
struct Exchanged {
    access_token: String,
    expires_in: i64,
}

impl Credential {
    /// Writes the token with its expiry to standard output.
    pub(crate) async fn carry_out(&self) -> Result<()> {
        let logins = Logins::read()?;
        let server = self.which.server(&logins)?;
        let subject = subject(&server, &logins).await?;
        let (token, expires_at) = self.exchanged(&server, &subject).await?;
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": token, "expirationTimestamp": expires_at.to_string() },
        });
        say(&credential.to_string())
    }

    /// Exchanges what the server takes for what the cluster takes (RFC 8693).
    async fn exchanged(
        &self,
        server: &Server,
        Subject(token, kind): &Subject,
    ) -> Result<(String, Timestamp)> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", kind),
            ("audience", &self.workspace.to_string()),
        ];
        let answer = server.post_form(&format!("{}/oauth2/token", server.url), &form).await?;
        let text = answer.map_err(|failed| failed.into_error("gives no token"))?;
        let Exchanged { access_token, expires_in } = server.read(&text)?;
        let life = SignedDuration::from_secs(expires_in) - SLACK;
        let late =
            |error: jiff::Error| Error::unavailable("the server's token ends at no time").caused_by(error);
        Ok((access_token, SystemClock.now().checked_add(life).map_err(late)?))
    }
}

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

async fn subject(server: &Server, logins: &Logins) -> Result<Subject> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = variable("HEXABASE_TOKEN") {
        return Ok(Subject(token, ACCESS_TOKEN));
    }
    if let Some(token) = variable("HEXABASE_ID_TOKEN") {
        return Ok(Subject(token, ID_TOKEN));
    }
    let of_job = (variable("ACTIONS_ID_TOKEN_REQUEST_URL"), variable("ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
    if let (Some(url), Some(token)) = of_job {
        return Ok(Subject(job_token(server, &url, &token).await?, ID_TOKEN));
    }
    Ok(Subject(logins.access_token(server).await?, ACCESS_TOKEN))
}

/// The token of a job in GitHub Actions, made for the server
/// (<https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token>).
async fn job_token(server: &Server, url: &str, token: &str) -> Result<String> {
    let audience = super::encoded(&[("audience", server.url.as_str())])?;
    let separator = if url.contains('?') { '&' } else { '?' };
    let request = server.http.get(format!("{url}{separator}{audience}")).bearer_auth(token);
    let silent = |error: reqwest::Error| {
        Error::unavailable("GitHub Actions gives this job no token").caused_by(error.without_url())
    };
    let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(silent)?;
    let text = answer.text().await.map_err(silent)?;
    let unreadable =
        |error| Error::unavailable("GitHub Actions answers with something else").caused_by(error);
    let JobToken { value } = serde_json::from_str(&text).map_err(unreadable)?;
    Ok(value)
}
