//! Admission policy for Secrets of tenants: none gets a token of the host.

use serde_json::json;

use super::{AdmissionPolicy, rule};

pub(super) fn policy() -> AdmissionPolicy {
    let validations = json!([rule(
        "!has(object.type) || object.type != 'kubernetes.io/service-account-token'",
        "Secrets of type kubernetes.io/service-account-token are not allowed: the host would write a token of its own \
         API server into them",
    )]);
    AdmissionPolicy {
        name: "hexabase-tenants-secrets",
        group: "",
        resources: &["secrets"],
        variables: json!([]),
        validations,
    }
}
