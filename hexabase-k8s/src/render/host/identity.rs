//! ServiceAccounts of the control plane and of the tenant's pods on the host, with their permissions.

use serde_json::{Value, json};

use super::Tenant;
use crate::labels;
use crate::object::{Kind, Object};

const WRITE_VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];
const READ_VERBS: [&str; 3] = ["get", "list", "watch"];

/// API group, resource and allowed verbs.
type PolicyRule = (&'static str, &'static str, &'static [&'static str]);

/// Permissions of the syncer in its own namespace. It has no ClusterRole, no wildcard, no access to nodes, and in
/// particular no `tokenreviews`, with which the tenant would accept tokens of the host. It cannot write endpoints,
/// through which the host's controllers would reach addresses that a tenant chooses. It patches an annotation of its
/// StatefulSets to restart them after a rotation of certificates; an admission policy allows no other change, because
/// no policy restricts the pods that controllers of the host create from them.
const SYNCER_RULES: [PolicyRule; 19] = [
    ("", "configmaps", &WRITE_VERBS),
    ("", "persistentvolumeclaims", &WRITE_VERBS),
    ("", "pods", &WRITE_VERBS),
    ("", "pods/attach", &WRITE_VERBS),
    ("", "pods/exec", &WRITE_VERBS),
    ("", "pods/portforward", &WRITE_VERBS),
    ("", "secrets", &WRITE_VERBS),
    ("", "services", &WRITE_VERBS),
    ("", "pods/ephemeralcontainers", &["patch", "update"]),
    ("", "pods/resize", &["patch", "update"]),
    ("", "pods/status", &["patch", "update"]),
    ("", "endpoints", &READ_VERBS),
    ("", "pods/log", &READ_VERBS),
    ("", "events", &["create", "get", "list", "watch"]),
    ("apps", "deployments", &READ_VERBS),
    ("apps", "replicasets", &READ_VERBS),
    ("apps", "statefulsets", &["get", "list", "patch", "watch"]),
    // vCluster reads them also if they are not synced, and waits for the permission.
    ("discovery.k8s.io", "endpointslices", &READ_VERBS),
    ("events.k8s.io", "events", &["create", "get", "list", "watch"]),
];

/// Additional permission of the syncer with several replicas, which elect a leader.
const LEADER_ELECTION_RULE: PolicyRule = ("coordination.k8s.io", "leases", &WRITE_VERBS);
/// Additional permission of the syncer if tenants may publish Ingresses.
const INGRESS_RULE: PolicyRule = ("networking.k8s.io", "ingresses", &WRITE_VERBS);
/// Additional permission of the syncer if the host has a metrics server. It covers no metrics of nodes: RBAC cannot
/// restrict it to the nodes of a tenant.
const METRICS_RULE: PolicyRule = ("metrics.k8s.io", "pods", &["get", "list"]);

/// Returns the permissions of a syncer with any host configuration and plan.
pub(crate) fn possible_syncer_rules() -> impl Iterator<Item = PolicyRule> {
    SYNCER_RULES.into_iter().chain([LEADER_ELECTION_RULE, INGRESS_RULE, METRICS_RULE])
}

/// Name of Hexabase's own RoleBinding in the namespace of a tenant.
pub(crate) const SELF_ROLE_BINDING: &str = "hexabase";

/// Returns Hexabase's own RoleBinding, if it acts as an identity without permissions in new namespaces.
pub(super) fn self_role_binding(tenant: &Tenant<'_>) -> Option<Object> {
    let identity = tenant.config.identity.as_ref()?;
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": labels::TENANT_ROLE },
        "subjects": [identity.subject()],
    });
    Some(tenant.object(Kind::ROLE_BINDING, SELF_ROLE_BINDING, binding))
}

pub(super) fn objects(tenant: &Tenant<'_>) -> Vec<Object> {
    let own = format!("vc-{}", tenant.name());
    let workloads = format!("vc-workload-{}", tenant.name());
    let rule = |(group, resource, verbs)| {
        let (groups, resources): ([&str; 1], [&str; 1]) = ([group], [resource]);
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
    };
    let leader_election = (tenant.cluster.control_plane.replicas > 1).then_some(LEADER_ELECTION_RULE);
    let ingress = tenant.config.ingress.is_some().then_some(INGRESS_RULE);
    let metrics = tenant.config.metrics_server.is_some().then_some(METRICS_RULE);
    let all = SYNCER_RULES.into_iter().chain(leader_election).chain(ingress).chain(metrics);
    let rules: Value = all.map(rule).collect();
    let binding = json!({
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": own },
        "subjects": [{ "kind": "ServiceAccount", "name": own, "namespace": tenant.name() }],
    });
    vec![
        // The syncer reads its namespace from the token mount, so this ServiceAccount keeps its token.
        tenant.object(Kind::SERVICE_ACCOUNT, &own, json!({})),
        tenant.object(Kind::SERVICE_ACCOUNT, &workloads, json!({ "automountServiceAccountToken": false })),
        tenant.object(Kind::ROLE, &own, json!({ "rules": rules })),
        tenant.object(Kind::ROLE_BINDING, &own, binding),
    ]
}
