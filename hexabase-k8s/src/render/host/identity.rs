//! As whom the control plane and the tenant's pods act on the host.

use serde_json::{Value, json};

use super::Tenant;
use crate::object::{Kind, Object};

const CHANGE: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
const READ: [&str; 3] = ["get", "list", "watch"];

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": resources, "verbs": verbs })
}

/// What the syncer needs in its own namespace, and nothing else: no ClusterRole, no wildcard, no way to
/// nodes, and never `tokenreviews`, with which the tenant would accept the host's tokens.
fn rules() -> Value {
    let synced = [
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "pods/attach",
        "pods/exec",
        "pods/portforward",
        "secrets",
        "services",
    ];
    json!([
        rule("", &synced, &CHANGE),
        rule("", &["pods/ephemeralcontainers", "pods/resize", "pods/status"], &["patch", "update"]),
        rule("", &["endpoints"], &CHANGE),
        rule("", &["pods/log"], &READ),
        rule("", &["events"], &["create", "get", "list", "watch"]),
        rule(
            "apps",
            &["deployments", "replicasets", "statefulsets"],
            &["get", "list", "patch", "update", "watch"]
        ),
        rule("discovery.k8s.io", &["endpointslices"], &CHANGE),
        rule("events.k8s.io", &["events"], &["create", "get", "list", "watch"]),
    ])
}

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    let own = format!("vc-{}", tenant.name());
    let workloads = format!("vc-workload-{}", tenant.name());
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": own },
        "subjects": [{ "kind": "ServiceAccount", "name": own, "namespace": tenant.name() }],
    });
    vec![
        // The syncer reads its namespace from the token's mount, so this one keeps its token.
        tenant.object(Kind::SERVICE_ACCOUNT, &own, json!({})),
        tenant.object(Kind::SERVICE_ACCOUNT, &workloads, json!({ "automountServiceAccountToken": false })),
        tenant.object(Kind::ROLE, &own, json!({ "rules": rules() })),
        tenant.object(Kind::ROLE_BINDING, &own, binding),
    ]
}
