//! Command `credential`: a credential plugin of `kubectl`
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use clap::Args;
use hexabase_core::error::Result;
use hexabase_core::id::WorkspaceId;
use jiff::Timestamp;
use serde_json::json;

use super::job_token::{self, ACCESS_TOKEN_TYPE, ID_TOKEN_TYPE, exchange, variable};
use super::saved_logins::SavedLogins;
use super::{ErrorResponse, Server, ServerArgs};
use crate::command::print_line;

/// Print a token for the cluster of a workspace, as a credential plugin of kubectl. The token is issued for the first
/// credential that exists: the API token in HEXABASE_TOKEN, the token of a CI system in HEXABASE_ID_TOKEN or in the file
/// HEXABASE_ID_TOKEN_FILE, the token of a GitHub Actions job with the permission `id-token: write`, or your login.
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

    /// Exchanges the subject token for a cluster token.
    async fn exchange(
        &self,
        server: &Server,
        subject: &SubjectToken,
    ) -> Result<std::result::Result<(String, Timestamp), ErrorResponse>> {
        exchange(server, (&subject.token, subject.kind), &self.workspace.to_string()).await
    }
}

async fn subject_token(server: &Server, logins: &SavedLogins) -> Result<SubjectToken> {
    if let Some(token) = variable("HEXABASE_TOKEN") {
        return Ok(SubjectToken::fixed(token, ACCESS_TOKEN_TYPE));
    }
    if let Some(token) = job_token::find(server).await? {
        return Ok(SubjectToken::fixed(token, ID_TOKEN_TYPE));
    }
    Ok(SubjectToken::of_login(logins.access_token(server).await?))
}
