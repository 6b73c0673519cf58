//! What people get into tenant clusters with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{UserId, WorkspaceId};
use hexabase_core::model::{SignatureAlgorithm, Workspace};
use hexabase_core::platform::ClusterAccess;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::issuer::{About, Occasion};

/// A token for a tenant cluster.
#[derive(Clone)]
pub struct ClusterToken {
    /// The token.
    pub token: String,
    /// Until when it is valid.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for ClusterToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ClusterToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl Auth {
    /// Issues a token for a tenant cluster.
    ///
    /// # Errors
    /// - `QuotaExceeded` when somebody is in so many groups that no client could carry the token.
    /// - `Unavailable` without a signing key.
    pub async fn cluster_token(&self, access: &ClusterAccess) -> Result<ClusterToken> {
        let (now, audience) = (self.platform.clock().now(), access.workspace.id.to_string());
        let occasion = Occasion {
            audience: &audience,
            algorithm: SignatureAlgorithm::Es256,
            at: now,
            auth_time: now,
            nonce: None,
            access_token: None,
        };
        let (token, expires_at) = self.id_token(&About::of_access(access), &occasion).await?;
        Ok(ClusterToken { token, expires_at })
    }

    /// Whoever a cluster token stands for, as a tenant's API server would see it: the subject and the groups.
    /// For API servers that run in this process.
    ///
    /// # Errors
    /// `Unauthenticated` for whatever is not a valid token for this workspace.
    pub async fn verify_cluster_token(
        &self,
        token: &str,
        workspace: WorkspaceId,
    ) -> Result<(UserId, Vec<String>)> {
        self.verified_id_token(token, &workspace.to_string()).await
    }
}

/// How a kubeconfig gets its tokens.
#[derive(Debug, Clone)]
pub enum KubeconfigAuth<'a> {
    /// It holds one, which is valid for a short while.
    Token(&'a ClusterToken),
    /// It runs `kubectl oidc-login`, which signs people in at this issuer
    /// (<https://github.com/int128/kubelogin>).
    Kubelogin {
        /// The issuer.
        issuer: &'a str,
        /// Who has signed what it shows there, in PEM, if that is nobody whom everybody trusts.
        certificate_authority: Option<&'a str>,
    },
    /// It runs `hexabase credential`, which asks this server.
    Exec {
        /// Where the server is reached.
        server_url: &'a str,
        /// Who has signed what it shows there, in PEM, if that is nobody whom everybody trusts.
        certificate_authority: Option<&'a str>,
    },
}

/// A kubeconfig for a workspace, in YAML.
///
/// # Errors
/// `Conflict` with code `workspace_not_ready` while there is no cluster to get into.
pub fn kubeconfig(workspace: &Workspace, auth: &KubeconfigAuth<'_>) -> Result<String> {
    let not_ready = || Error::conflict("workspace_not_ready", "the workspace has no address yet");
    let server = workspace.status.api_endpoint.as_deref().ok_or_else(not_ready)?;
    let mut cluster = json!({ "server": server });
    if let Some(authority) = &workspace.status.certificate_authority {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(authority));
    }
    let credentials: Value = match auth {
        KubeconfigAuth::Token(token) => json!({ "token": token.token }),
        KubeconfigAuth::Exec { server_url, certificate_authority } => {
            let id = workspace.id.to_string();
            let mut arguments = vec!["credential", "--server", server_url, "--workspace", &id];
            let authority = certificate_authority.map(|pem| STANDARD.encode(pem));
            arguments.extend(authority.iter().flat_map(|data| ["--certificate-authority-data", data]));
            json!({ "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "hexabase",
                "args": arguments,
                "interactiveMode": "Never",
                "installHint": "put the program hexabase on your PATH, and sign in: hexabase login",
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
    // What is in it depends on the workspace: whoever puts several together must not confuse them.
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
        .map_err(|error| Error::unexpected("a kubeconfig cannot be written as YAML").caused_by(error))
}
