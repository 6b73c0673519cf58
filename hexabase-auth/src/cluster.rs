//! Credentials for tenant clusters: cluster tokens and kubeconfigs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{UserId, WorkspaceId};
use hexabase_core::model::{SignatureAlgorithm, Workspace};
use hexabase_core::platform::{ClusterAccess, CredentialPlugin};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::issuer::{NewIdToken, OidcIssuer, UserClaims};

/// Cluster token: ID token for the API server of one tenant cluster.
#[derive(Clone)]
pub struct ClusterToken {
    /// Signed token.
    pub token: String,
    /// Expiry of the token.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for ClusterToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ClusterToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl OidcIssuer<'_> {
    /// Issues a cluster token for the user and workspace of `access`.
    ///
    /// # Errors
    /// - `QuotaExceeded` if the user is in more groups than a token can carry.
    /// - `Unavailable` if there is no signing key.
    pub async fn cluster_token(&self, access: &ClusterAccess) -> Result<ClusterToken> {
        let audience = access.workspace.id.to_string();
        let new_token = NewIdToken {
            audience: &audience,
            algorithm: SignatureAlgorithm::Es256,
            issued_at: access.as_of,
            auth_time: access.as_of,
            nonce: None,
            access_token: None,
        };
        let (token, expires_at) = self.issue_id_token(&UserClaims::from_access(access), &new_token).await?;
        Ok(ClusterToken { token, expires_at })
    }

    /// Verifies a cluster token as the API server of `workspace` does; returns the subject and the groups. For API
    /// servers that run in this process.
    ///
    /// # Errors
    /// `Unauthenticated` if it is not a valid token for this workspace.
    pub async fn verify_cluster_token(
        &self,
        token: &str,
        workspace: WorkspaceId,
    ) -> Result<(UserId, Vec<String>)> {
        self.verify_id_token(token, &workspace.to_string()).await
    }
}

/// Source of the tokens of a kubeconfig.
#[derive(Debug, Clone)]
pub enum KubeconfigAuth<'a> {
    /// Token in the kubeconfig itself, valid for a short time.
    Token(&'a ClusterToken),
    /// `kubectl oidc-login`, which signs the user in at this issuer (<https://github.com/int128/kubelogin>).
    Kubelogin {
        /// URL of the issuer.
        issuer: &'a str,
        /// Certificates of the private authority that signed the issuer's certificate, in PEM; `None` if that
        /// certificate is publicly trusted.
        certificate_authority: Option<&'a str>,
    },
    /// Program of the platform, which requests tokens from this server.
    Exec {
        /// The program; `None` if the platform has none.
        plugin: Option<&'a CredentialPlugin>,
        /// URL of the server.
        server_url: &'a str,
        /// Certificates of the private authority that signed the server's certificate, in PEM; `None` if that
        /// certificate is publicly trusted.
        certificate_authority: Option<&'a str>,
    },
}

/// Renders the kubeconfig of a workspace, in YAML.
///
/// # Errors
/// - `Conflict` with code `workspace_not_ready` if the workspace has no API endpoint yet.
/// - `Unsupported` for a kubeconfig that runs the platform's program if the platform has none.
pub fn kubeconfig(workspace: &Workspace, auth: &KubeconfigAuth<'_>) -> Result<String> {
    let not_ready = || {
        Error::conflict(
            "workspace_not_ready",
            "the workspace has no API endpoint yet; wait until it is ready",
        )
    };
    let server = workspace.status.api_endpoint.as_deref().ok_or_else(not_ready)?;
    let mut cluster = json!({ "server": server });
    if let Some(authority) = &workspace.status.certificate_authority {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(authority));
    }
    let credentials: Value = match auth {
        KubeconfigAuth::Token(token) => json!({ "token": token.token }),
        KubeconfigAuth::Exec { plugin, server_url, certificate_authority } => {
            let missing = || {
                Error::unsupported(
                    "this installation has no credential plugin; request a kubeconfig with auth=kubelogin or auth=token",
                )
            };
            let plugin = plugin.ok_or_else(missing)?;
            let id = workspace.id.to_string();
            let mut arguments: Vec<&str> = plugin.arguments.iter().map(String::as_str).collect();
            arguments.extend(["--server", server_url, "--workspace", &id]);
            let authority = certificate_authority.map(|pem| STANDARD.encode(pem));
            arguments.extend(authority.iter().flat_map(|data| ["--certificate-authority-data", data]));
            json!({ "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": plugin.command,
                "args": arguments,
                "interactiveMode": "Never",
                "installHint": plugin.install_hint,
            } })
        }
        KubeconfigAuth::Kubelogin { issuer, certificate_authority } => {
            let (issuer, client) =
                (format!("--oidc-issuer-url={issuer}"), format!("--oidc-client-id={}", workspace.id));
            let mut arguments = vec!["oidc-login".to_owned(), "get-token".to_owned(), issuer, client];
            arguments.push("--oidc-extra-scope=offline_access".to_owned());
            let authority = certificate_authority.map(|pem| STANDARD.encode(pem));
            arguments.extend(authority.map(|data| format!("--certificate-authority-data={data}")));
            json!({ "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "kubectl",
                "args": arguments,
                "interactiveMode": "Never",
                "installHint": "install kubelogin: kubectl krew install oidc-login",
            } })
        }
    };
    // Entries are named after the workspace, so that merged kubeconfigs do not mix them up.
    let (name, user) = (workspace.name.as_str(), workspace.id.to_string());
    let document = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": name, "cluster": cluster }],
        "users": [{ "name": user, "user": credentials }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": user } }],
        "current-context": name,
    });
    serde_saphyr::to_string(&document)
        .map_err(|error| Error::unexpected("serializing the kubeconfig as YAML failed").caused_by(error))
}

#[cfg(test)]
mod tests {
    use hexabase_core::ErrorKind;
    use hexabase_core::fixture;

    use super::*;

    fn exec(plugin: Option<&CredentialPlugin>) -> Result<String> {
        let mut workspace = fixture::workspace("shop");
        workspace.status.api_endpoint = Some("https://shop.example".to_owned());
        let server_url = "https://platform.example";
        kubeconfig(&workspace, &KubeconfigAuth::Exec { plugin, server_url, certificate_authority: None })
    }

    #[test]
    fn a_kubeconfig_runs_the_program_of_the_platform() {
        let plugin = CredentialPlugin {
            command: "acmectl".to_owned(),
            arguments: vec!["kube".to_owned(), "token".to_owned()],
            install_hint: "brew install acmectl".to_owned(),
        };
        let text = exec(Some(&plugin)).unwrap();
        assert!(!text.contains("hexabase"), "{text}");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert!(lines.windows(2).any(|pair| pair == ["- kube", "- token"]), "{text}");
        let workspace = fixture::workspace("shop").id.to_string();
        for expected in ["command: acmectl", "brew install acmectl", "https://platform.example", &workspace] {
            assert!(lines.iter().any(|line| line.contains(expected)), "{expected} in {text}");
        }
    }

    #[test]
    fn a_platform_without_a_program_refuses_kubeconfigs_that_run_one() {
        let error = exec(None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains("auth=kubelogin"), "{error}");
    }
}
