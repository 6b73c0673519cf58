//! OIDC trust of a tenant API server: the tokens that it accepts.
//!
//! It accepts one audience, so that a token for another workspace is rejected, and prefixes users and groups, so that
//! no claim can be a name of Kubernetes itself. From Kubernetes 1.30 on, the trust is a structured file, which is
//! reloaded without a restart and also rejects tokens with a lifetime of more than an hour. Earlier versions take
//! arguments, which support neither.

use std::collections::BTreeMap;

use hexabase_core::desired::OidcTrust;
use hexabase_core::name::KubernetesVersion;
use serde_json::{Value, json};

use super::yaml;

/// Directory of the files in the API server's container.
pub(crate) const AUTHENTICATION_DIRECTORY: &str = "/etc/hexabase/authentication";
const STRUCTURED_CONFIG_FILE: &str = "authentication.yaml";
const CERTIFICATE_AUTHORITY_FILE: &str = "ca.crt";

fn supports_structured_config(version: &KubernetesVersion) -> bool {
    version.major_minor() >= (1, 30)
}

/// Returns the arguments of the API server.
pub(super) fn arguments(oidc: &OidcTrust, version: &KubernetesVersion) -> Vec<String> {
    if supports_structured_config(version) {
        return vec![format!("--authentication-config={AUTHENTICATION_DIRECTORY}/{STRUCTURED_CONFIG_FILE}")];
    }
    let OidcTrust { issuer_url, certificate_authority, audience, prefix } = oidc;
    let authority = certificate_authority
        .as_ref()
        .map(|_| format!("--oidc-ca-file={AUTHENTICATION_DIRECTORY}/{CERTIFICATE_AUTHORITY_FILE}"));
    [
        format!("--oidc-issuer-url={issuer_url}"),
        format!("--oidc-client-id={audience}"),
        "--oidc-username-claim=sub".to_owned(),
        format!("--oidc-username-prefix={prefix}"),
        "--oidc-groups-claim=groups".to_owned(),
        format!("--oidc-groups-prefix={prefix}"),
        // The default is RS256 only.
        "--oidc-signing-algs=ES256,RS256".to_owned(),
    ]
    .into_iter()
    .chain(authority)
    .collect()
}

/// Returns the files that the arguments refer to, by name.
pub(crate) fn files(oidc: &OidcTrust, version: &KubernetesVersion) -> BTreeMap<&'static str, String> {
    if supports_structured_config(version) {
        return BTreeMap::from([(STRUCTURED_CONFIG_FILE, structured_config(oidc, version))]);
    }
    oidc.certificate_authority
        .iter()
        .map(|authority| (CERTIFICATE_AUTHORITY_FILE, authority.clone()))
        .collect()
}

/// Returns an `AuthenticationConfiguration`
/// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/>).
fn structured_config(oidc: &OidcTrust, version: &KubernetesVersion) -> String {
    let api = if version.major_minor() >= (1, 34) { "v1" } else { "v1beta1" };
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
                "message": "the token lifetime exceeds one hour",
            }],
            "userValidationRules": [{
                "expression":
                    "!user.username.startsWith('system:') && user.groups.all(group, !group.startsWith('system:'))",
                "message": "user and group names of Kubernetes itself are reserved",
            }],
        }],
    });
    // Serialization cannot fail: the document contains only strings, lists and maps.
    yaml(&document).unwrap_or_default()
}
