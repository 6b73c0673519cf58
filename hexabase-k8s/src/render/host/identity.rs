//! As whom the control plane and the tenant's pods act on the host.

use serde_json::{Value, json};

use super::Tenant;
use crate::labels;
use crate::object::{Kind, Object};

const CHANGE: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
const READ: [&str; 3] = ["get", "list", "watch"];

/// An API group, a resource of it, and what may be done with that.
type Grant = (&'static str, &'static str, &'static [&'static str]);

/// What the syncer is granted in its own namespace, by API group and resource, and nothing else: no ClusterRole, no
/// wildcard, no way to nodes, and never `tokenreviews`, with which the tenant would accept the host's tokens.
const GRANTED: [Grant; 19] = [
    ("", "configmaps", &CHANGE),
    ("", "persistentvolumeclaims", &CHANGE),
    ("", "pods", &CHANGE),
    ("", "pods/attach", &CHANGE),
    ("", "pods/exec", &CHANGE),
    ("", "pods/portforward", &CHANGE),
    ("", "secrets", &CHANGE),
    ("", "services", &CHANGE),
    ("", "pods/ephemeralcontainers", &["patch", "update"]),
    ("", "pods/resize", &["patch", "update"]),
    ("", "pods/status", &["patch", "update"]),
    ("", "endpoints", &CHANGE),
    ("", "pods/log", &READ),
    ("", "events", &["create", "get", "list", "watch"]),
    ("apps", "deployments", &["get", "list", "patch", "update", "watch"]),
    ("apps", "replicasets", &["get", "list", "patch", "update", "watch"]),
    ("apps", "statefulsets", &["get", "list", "patch", "update", "watch"]),
    ("discovery.k8s.io", "endpointslices", &CHANGE),
    ("events.k8s.io", "events", &["create", "get", "list", "watch"]),
];

/// What it is granted besides where there are several of it, which elect a leader; and where tenants may publish what they
/// run.
const ELECTING: Grant = ("coordination.k8s.io", "leases", &CHANGE);
const PUBLISHING: Grant = ("networking.k8s.io", "ingresses", &CHANGE);

/// What a syncer is granted on some host.
pub(crate) fn possible_grants() -> impl Iterator<Item = Grant> {
    GRANTED.into_iter().chain([ELECTING, PUBLISHING])
}

/// Our own binding in the namespace.
pub(crate) const WAY_IN: &str = "hexabase";

/// Lets Hexabase itself in, where it acts as somebody who may do nothing in a new namespace.
pub(super) fn way_in(tenant: &Tenant<'_>) -> Option<Object> {
    let identity = tenant.settings.identity.as_ref()?;
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": labels::WITH_TENANTS },
        "subjects": [identity.subject()],
    });
    Some(tenant.object(Kind::ROLE_BINDING, WAY_IN, binding))
}

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    let own = format!("vc-{}", tenant.name());
    let workloads = format!("vc-workload-{}", tenant.name());
    let rule = |(group, resource, verbs)| {
        let (groups, resources): ([&str; 1], [&str; 1]) = ([group], [resource]);
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
    };
    let electing = (tenant.cluster.control_plane.replicas > 1).then_some(ELECTING);
    let publishing = tenant.settings.ingress.is_some().then_some(PUBLISHING);
    let rules: Value = GRANTED.into_iter().chain(electing).chain(publishing).map(rule).collect();
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": own },
        "subjects": [{ "kind": "ServiceAccount", "name": own, "namespace": tenant.name() }],
    });
    vec![
        // The syncer reads its namespace from the token's mount, so this one keeps its token.
        tenant.object(Kind::SERVICE_ACCOUNT, &own, json!({})),
        tenant.object(Kind::SERVICE_ACCOUNT, &workloads, json!({ "automountServiceAccountToken": false })),
        tenant.object(Kind::ROLE, &own, json!({ "rules": rules })),
        tenant.object(Kind::ROLE_BINDING, &own, binding),
    ]
}
