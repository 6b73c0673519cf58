//! The configuration of one vCluster.
//!
//! vCluster reads its file strictly and into an empty structure: an unknown key stops it, and a key that is
//! missing is zero, not the chart's default. So the file is complete, and bound to a release; the model is
//! in `model`.

mod model;

use hexabase_core::desired::{OidcTrust, TenantCluster};
use hexabase_core::error::{Error, Result};
use hexabase_core::name::KubernetesVersion;
use serde::Serialize;
use serde_json::{Value, json};

use crate::settings::HostSettings;

/// Where the API server finds out whose tokens to accept.
pub(crate) const AUTHENTICATION_DIRECTORY: &str = "/etc/hexabase/authentication";

/// A rendered configuration.
#[derive(Debug, Clone)]
pub struct VclusterConfig {
    /// What it says, for objects that have to agree with it.
    pub(super) values: Value,
    /// The file `config.yaml`.
    pub yaml: String,
}

/// The configuration of a tenant's vCluster, with what operators want otherwise.
///
/// # Errors
/// `Unsupported` for a release of vCluster, or a version of Kubernetes, that cannot be rendered.
pub fn render(cluster: &TenantCluster, settings: &HostSettings) -> Result<VclusterConfig> {
    if !settings.vcluster_version.starts_with("0.36.") {
        let message = "configurations are rendered for vCluster 0.36; other releases have other keys";
        return Err(Error::unsupported(message).with("version", &settings.vcluster_version));
    }
    let image = settings.kubernetes(&cluster.kubernetes_version)?;
    let mut values = serde_json::to_value(model::config(cluster, settings, image)).map_err(unwritable)?;
    settings.overrides.merge_into(&mut values);
    Ok(VclusterConfig { yaml: yaml(&values)?, values })
}

pub(super) fn yaml(value: &impl Serialize) -> Result<String> {
    serde_saphyr::to_string(value).map_err(unwritable)
}

fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unexpected("something cannot be written as YAML").caused_by(error)
}

/// Whose tokens the tenant's API server accepts, as a structured `AuthenticationConfiguration`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/>).
///
/// One audience, so that another workspace's token is refused; a prefix on users and groups, so that no
/// claim is ever one of Kubernetes' own names; and no token that lives for longer than an hour.
#[must_use]
pub fn authentication(oidc: &OidcTrust, version: &KubernetesVersion) -> String {
    let api = if version.numbers() >= (1, 34) { "v1" } else { "v1beta1" };
    let mut issuer = json!({ "url": oidc.issuer_url, "audiences": [oidc.audience] });
    if let Some(authority) = &oidc.certificate_authority {
        issuer["certificateAuthority"] = json!(authority);
    }
    let document: Value = json!({
        "apiVersion": format!("apiserver.config.k8s.io/{api}"),
        "kind": "AuthenticationConfiguration",
        "jwt": [{
            "issuer": issuer,
            "claimMappings": {
                "username": { "claim": "sub", "prefix": oidc.prefix },
                "groups": { "claim": "groups", "prefix": oidc.prefix },
            },
            "claimValidationRules": [{
                "expression": "claims.exp - claims.iat <= 3600",
                "message": "the token lives for too long",
            }],
            "userValidationRules": [{
                "expression":
                    "!user.username.startsWith('system:') && user.groups.all(group, !group.startsWith('system:'))",
                "message": "names of the system are reserved",
            }],
        }],
    });
    // A document made of texts and lists always can be written.
    yaml(&document).unwrap_or_default()
}
