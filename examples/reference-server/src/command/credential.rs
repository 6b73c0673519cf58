//! A token for a workspace's cluster, as `kubectl` asks for it
//! (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins>).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::say;

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
pub(super) struct Credential {
    /// Where the server is reached.
    #[arg(long, value_name = "URL")]
    server: String,

    /// The organization of the workspace.
    #[arg(long, value_name = "ID")]
    organization: String,

    /// The workspace.
    #[arg(long, value_name = "ID")]
    workspace: String,

    /// Who has signed what the server shows, in PEM and that in base64, if it is nobody whom the system trusts.
    #[arg(long, value_name = "BASE64")]
    certificate_authority_data: Option<String>,
}

impl Credential {
    /// Writes the token with its expiry to standard output.
    pub(super) async fn show(&self) -> Result<()> {
        let bearer = std::env::var("HEXABASE_TOKEN").ok().filter(|token| !token.is_empty());
        let bearer = bearer.ok_or_else(|| {
            Error::unauthenticated(
                "the variable HEXABASE_TOKEN is not set; put an API token of yours into it",
            )
        })?;
        let kubeconfig = self.fetch(&bearer).await?;
        let unreadable = || Error::unavailable("the server answers with something that is no kubeconfig");
        let parsed: Kubeconfig = serde_saphyr::from_str(&kubeconfig).map_err(|_| unreadable())?;
        let token = parsed.users.into_iter().next().ok_or_else(unreadable)?.user.token;
        let expires = expiry(&token).ok_or_else(unreadable)?;
        let credential = json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": token, "expirationTimestamp": expires.to_string() },
        });
        say(&credential.to_string())
    }

    /// Whom to trust besides those whom the system trusts.
    fn authority(&self) -> Result<Vec<reqwest::Certificate>> {
        let Some(data) = &self.certificate_authority_data else { return Ok(Vec::new()) };
        let unusable = || Error::invalid("certificate_authority_data", "holds no certificates in PEM");
        let pem = STANDARD.decode(data).map_err(|error| unusable().caused_by(error))?;
        reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable().caused_by(error))
    }

    async fn fetch(&self, bearer: &str) -> Result<String> {
        let (organization, workspace) = (
            self.organization
                .parse::<OrganizationId>()
                .map_err(|_| Error::invalid("organization", "is no id"))?,
            self.workspace.parse::<WorkspaceId>().map_err(|_| Error::invalid("workspace", "is no id"))?,
        );
        let server = self.server.trim_end_matches('/');
        let url = format!(
            "{server}/api/v1/organizations/{organization}/workspaces/{workspace}/kubeconfig?auth=token"
        );
        let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        let client = client
            .tls_certs_merge(self.authority()?)
            .build()
            .map_err(|error| Error::unexpected("no HTTP client can be made").caused_by(error))?;
        let failed =
            |error: reqwest::Error| Error::unavailable(format!("{server} does not answer")).caused_by(error);
        let answer = client.get(url).bearer_auth(bearer).send().await.map_err(failed)?;
        let (status, text) = (answer.status(), answer.text().await.map_err(failed)?);
        if status.is_success() {
            return Ok(text);
        }
        let problem = serde_json::from_str::<Problem>(&text).ok();
        let why = problem.and_then(|problem| problem.detail.or(problem.title)).unwrap_or_default();
        Err(Error::unavailable(format!("the server gives no token ({status}): {why}")))
    }
}

#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

#[derive(Deserialize)]
struct Kubeconfig {
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedUser {
    user: User,
}

#[derive(Deserialize)]
struct User {
    token: String,
}

/// When a token expires, as it says itself. Whether it is genuine is for the cluster to find out.
fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    Timestamp::from_second(serde_json::from_slice::<Claims>(&payload).ok()?.exp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expiry_is_read_from_the_token() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":1800000000,"sub":"ann"}"#);
        assert_eq!(expiry(&format!("head.{payload}.signature")).unwrap().as_second(), 1_800_000_000);
    }

    #[test]
    fn what_is_no_token_has_no_expiry() {
        assert_eq!(expiry("junk"), None);
        assert_eq!(expiry("a.b.c"), None);
    }
}
