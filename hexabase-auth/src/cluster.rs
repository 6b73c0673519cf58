//! What people get into tenant clusters with.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, UserId, WorkspaceId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::Workspace;
use hexabase_core::platform::ClusterAccess;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::auth::Auth;
use crate::jwt::sign;
use crate::refusal::refused;

/// How long a token for a tenant cluster is valid: a group that somebody left is out of their tokens after
/// that.
pub const CLUSTER_TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// The longest token that Kubernetes clients and proxies carry without trouble.
const LONGEST: usize = 16 * 1024;

/// What a token for a tenant cluster says: an OpenID Connect ID token whose audience is the workspace.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: UserId,
    aud: WorkspaceId,
    org: OrganizationId,
    groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    name: String,
    iat: i64,
    exp: i64,
    auth_time: i64,
    jti: String,
}

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
        let now = self.platform.clock().now();
        let expires_at = after(now, CLUSTER_TOKEN_LIFETIME);
        let claims = Claims {
            iss: self.platform.settings().issuer.url.clone(),
            sub: access.user.id,
            aud: access.workspace.id,
            org: access.workspace.organization_id,
            groups: access.groups.clone(),
            email: access.user.email.as_ref().map(ToString::to_string),
            name: access.user.name.to_string(),
            iat: now.as_second(),
            exp: expires_at.as_second(),
            auth_time: now.as_second(),
            jti: format!("{:032x}", u128::from_be_bytes(self.platform.ids().bytes())),
        };
        let token = sign(&*self.keys.signing().await?, "JWT", &claims)?;
        if token.len() > LONGEST {
            let message = format!("you are in {} groups, more than a token can carry", access.groups.len());
            return Err(Error::quota_exceeded(message));
        }
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
        use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
        let header = decode_header(token).map_err(|_| refused())?;
        let kid = header.kid.filter(|_| header.typ.as_deref() == Some("JWT")).ok_or_else(refused)?;
        let key = self.keys.find(&kid).await?.ok_or_else(refused)?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[&self.platform.settings().issuer.url]);
        validation.set_audience(&[workspace.to_string()]);
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key.verifier, &validation).map_err(|_| refused())?.claims;
        if self.platform.clock().now().as_second() >= claims.exp {
            return Err(refused());
        }
        Ok((claims.sub, claims.groups))
    }
}

/// How a kubeconfig gets its tokens.
#[derive(Debug, Clone)]
pub enum KubeconfigAuth<'a> {
    /// It holds one, which is valid for a short while.
    Token(&'a ClusterToken),
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
pub fn kubeconfig(workspace: &Workspace, user: UserId, auth: &KubeconfigAuth<'_>) -> Result<String> {
    let not_ready = || Error::conflict("workspace_not_ready", "the workspace has no address yet");
    let server = workspace.status.api_endpoint.as_deref().ok_or_else(not_ready)?;
    let mut cluster = json!({ "server": server });
    if let Some(authority) = &workspace.status.certificate_authority {
        cluster["certificate-authority-data"] = json!(STANDARD.encode(authority));
    }
    let credentials: Value = match auth {
        KubeconfigAuth::Token(token) => json!({ "token": token.token }),
        KubeconfigAuth::Exec { server_url, certificate_authority } => {
            let ids = (workspace.organization_id.to_string(), workspace.id.to_string());
            let mut arguments = vec!["credential", "--server", server_url];
            arguments.extend(["--organization", &ids.0, "--workspace", &ids.1]);
            let authority = certificate_authority.map(|pem| STANDARD.encode(pem));
            arguments.extend(authority.iter().flat_map(|data| ["--certificate-authority-data", data]));
            json!({ "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "hexabase",
                "args": arguments,
                "interactiveMode": "Never",
                "installHint": "put the program hexabase on your PATH, and an API token in HEXABASE_TOKEN",
            } })
        }
    };
    let (name, user) = (workspace.name.as_str(), user.to_string());
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
