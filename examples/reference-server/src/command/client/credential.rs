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

/// Get a token for a workspace's cluster, as kubectl asks for it. Whoever has an API token in the variable
/// HEXABASE_TOKEN is asked for with that, and everybody else as they signed in.
#[derive(Debug, Args)]
pub(crate) struct Credential {
    #[command(flatten)]
    which: Which,

    /// The workspace.
    #[arg(long, value_name = "ID")]
    workspace: WorkspaceId,
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
        let bearer = match std::env::var("HEXABASE_TOKEN").ok().filter(|token| !token.is_empty()) {
            Some(token) => token,
            None => logins.access_token(&server).await?,
        };
        let (token, expires_at) = self.exchanged(&server, &bearer).await?;
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": token, "expirationTimestamp": expires_at.to_string() },
        });
        say(&credential.to_string())
    }

    /// Exchanges what the API takes for what the cluster takes (RFC 8693).
    async fn exchanged(&self, server: &Server, bearer: &str) -> Result<(String, Timestamp)> {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", bearer),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
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
