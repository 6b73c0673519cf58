//! Whose tokens a tenant's API server accepts.
//!
//! One audience, so that another workspace's token is refused; and a prefix on users and groups, so that no claim is ever one
//! of Kubernetes' own names. From Kubernetes 1.30 on that is a structured file, which changes without a restart and also
//! refuses tokens that live for longer than an hour; before, it is arguments, which can say neither.

use std::collections::BTreeMap;

use hexabase_core::desired::OidcTrust;
use hexabase_core::name::KubernetesVersion;
use serde_json::{Value, json};

use super::yaml;

/// Where the API server finds the files.
pub(crate) const AUTHENTICATION_DIRECTORY: &str = "/etc/hexabase/authentication";
const STRUCTURED: &str = "authentication.yaml";
const AUTHORITY: &str = "ca.crt";

fn takes_a_file(version: &KubernetesVersion) -> bool {
    version.numbers() >= (1, 30)
}

/// The arguments of the API server that say so.
pub(super) fn arguments(oidc: &OidcTrust, version: &KubernetesVersion) -> Vec<String> {
    if takes_a_file(version) {
        return vec![format!("--authentication-config={AUTHENTICATION_DIRECTORY}/{STRUCTURED}")];
    }
    let OidcTrust { issuer_url, certificate_authority, audience, prefix } = oidc;
    let authority = certificate_authority
        .as_ref()
        .map(|_| format!("--oidc-ca-file={AUTHENTICATION_DIRECTORY}/{AUTHORITY}"));
    [
        format!("--oidc-issuer-url={issuer_url}"),
        format!("--oidc-client-id={audience}"),
        "--oidc-username-claim=sub".to_owned(),
        format!("--oidc-username-prefix={prefix}"),
        "--oidc-groups-claim=groups".to_owned(),
        format!("--oidc-groups-prefix={prefix}"),
        // Without it RS256 alone.
        "--oidc-signing-algs=ES256,RS256".to_owned(),
    ]
    .into_iter()
    .chain(authority)
    .collect()
}

/// The files that they name.
pub(crate) fn files(oidc: &OidcTrust, version: &KubernetesVersion) -> BTreeMap<&'static str, String> {
    if takes_a_file(version) {
        return BTreeMap::from([(STRUCTURED, structured(oidc, version))]);
    }
    oidc.certificate_authority.iter().map(|authority| (AUTHORITY, authority.clone())).collect()
}

/// An `AuthenticationConfiguration` (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/>).
fn structured(oidc: &OidcTrust, version: &KubernetesVersion) -> String {
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
