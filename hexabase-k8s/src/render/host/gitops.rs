//! Credentials of GitOps tools on the host, each in a Secret of the tool's own namespace.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hexabase_core::desired::TenantCluster;
use hexabase_core::model::{GitOpsAccess, GitOpsTool};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::config::{HostConfig, fill_template};

/// Label by which Argo CD finds the Secrets of clusters
/// (<https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>).
const ARGOCD_LABEL: (&str, &str) = ("argocd.argoproj.io/secret-type", "cluster");
/// Label of Secrets whose changes Flux 2.7 and newer follow.
const FLUX_LABEL: (&str, &str) = ("reconcile.fluxcd.io/watch", "Enabled");

/// Name of the Secret of a tool.
pub(crate) fn gitops_secret_name(tenant: &str, tool: GitOpsTool) -> String {
    format!("{tenant}-{tool}")
}

/// Label of the Secrets of a tool.
pub(crate) const fn gitops_label(tool: GitOpsTool) -> (&'static str, &'static str) {
    match tool {
        GitOpsTool::ArgoCd => ARGOCD_LABEL,
        GitOpsTool::Flux => FLUX_LABEL,
    }
}

/// Connection of a GitOps tool to a tenant API server, without its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitOpsConnection {
    tool: GitOpsTool,
    /// Name of the cluster.
    name: String,
    server: String,
    /// Certificate authority of the tenant API server, in PEM; `None` for a public one.
    certificate_authority: Option<String>,
    /// Namespaces in which the tool may read and write; `None` for the whole cluster.
    namespaces: Option<Vec<String>>,
}

impl GitOpsConnection {
    /// Returns the connection of a tool. It has the address at which Hexabase itself reaches tenants: the one in the
    /// tenant's kubeconfig could name any server.
    pub(crate) fn of(
        cluster: &TenantCluster,
        config: &HostConfig,
        (tool, access): (GitOpsTool, &GitOpsAccess),
        certificate_authority: Option<String>,
    ) -> Self {
        let name = cluster.target.name.clone();
        let projects = cluster.projects.iter().map(|project| project.namespace.to_string());
        Self {
            tool,
            server: fill_template(&config.address, &name),
            name,
            certificate_authority,
            namespaces: (!access.role.is_for_workspace()).then(|| projects.collect()),
        }
    }

    /// Returns the content of the Secret with a token, as its `data`.
    pub(crate) fn data(&self, token: &SecretString) -> Value {
        let data: Vec<(&str, String)> = match self.tool {
            GitOpsTool::ArgoCd => self.argocd(token),
            GitOpsTool::Flux => vec![("value", self.kubeconfig(token).to_string())],
        };
        data.into_iter().map(|(key, value)| (key.to_owned(), Value::String(STANDARD.encode(value)))).collect()
    }

    /// Cluster of Argo CD, scoped to the AppProject with its name, which the operator creates. The scope alone keeps out no
    /// Applications of other AppProjects: these need `permitOnlyProjectScopedClusters`, or destinations that match no
    /// workspace.
    fn argocd(&self, token: &SecretString) -> Vec<(&'static str, String)> {
        let mut tls = json!({ "insecure": false });
        if let Some(authority) = &self.certificate_authority {
            tls["caData"] = json!(STANDARD.encode(authority));
        }
        let config = json!({ "bearerToken": token.expose_secret(), "tlsClientConfig": tls });
        let mut data = vec![
            ("name", self.name.clone()),
            ("server", self.server.clone()),
            ("project", self.name.clone()),
            ("config", config.to_string()),
        ];
        if let Some(namespaces) = &self.namespaces {
            data.push(("namespaces", namespaces.join(",")));
            data.push(("clusterResources", "false".to_owned()));
        }
        data
    }

    fn kubeconfig(&self, token: &SecretString) -> Value {
        let name = &self.name;
        let mut cluster = json!({ "server": self.server });
        if let Some(authority) = &self.certificate_authority {
            cluster["certificate-authority-data"] = json!(STANDARD.encode(authority));
        }
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": name, "cluster": cluster }],
            "users": [{ "name": name, "user": { "token": token.expose_secret() } }],
            "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
            "current-context": name,
        })
    }
}
