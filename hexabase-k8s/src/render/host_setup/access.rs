//! As whom Hexabase acts on a host cluster, and what it may do there.
//!
//! Cluster-wide it makes and removes namespaces, and binds itself to one role in them. Everything else it may do in the
//! namespaces of tenants alone, by that role: it reads no Secret elsewhere. What RBAC cannot say, that the namespaces have
//! to be those of tenants, an admission policy says.
//!
//! A role of its own lets it watch what moves, Secrets excepted. Nothing but its thrift depends on that one: whoever does not
//! want it to see other people's objects leaves role and binding out. Another one lets it give nodes to tenants that have
//! been set aside for that; where there are none it is not needed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::labels;
use crate::object::{Kind, Object};
use crate::render::host::{possible_grants, possible_kinds, watched};
use crate::settings::HostIdentity;

const RBAC: &str = "rbac.authorization.k8s.io";
/// What it may do everywhere.
const EVERYWHERE: &str = "hexabase";
/// What it may do with nodes.
const NODES: &str = "hexabase-nodes";
/// What it may follow everywhere.
const WATCHING: &str = "hexabase-watch";
/// The policy that keeps it to the namespaces of tenants.
const SCOPE: &str = "hexabase-scope";
/// The label by which a namespace says what its pods must not do, and what it may say.
const ENFORCED: &str = "pod-security.kubernetes.io/enforce";
const ISOLATING: [&str; 2] = ["baseline", "restricted"];

pub(super) fn objects(identity: &HostIdentity) -> Vec<Object> {
    let metadata = |name: &str| json!({ "name": name, "labels": { labels::MANAGED: "true" } });
    let mut account = metadata(&identity.name);
    account["namespace"] = json!(identity.namespace);
    let role = |name: &str, rules| Object::of(Kind::CLUSTER_ROLE, metadata(name), [("rules", rules)]);
    let bind = |role: &str| {
        let reference = json!({ "apiGroup": RBAC, "kind": "ClusterRole", "name": role });
        let whole = [("roleRef", reference), ("subjects", json!([identity.subject()]))];
        Object::of(Kind::CLUSTER_ROLE_BINDING, metadata(role), whole)
    };
    let bound = json!({ "policyName": SCOPE, "validationActions": ["Deny"] });
    vec![
        Object::of(Kind::NAMESPACE, metadata(&identity.namespace), []),
        Object::of(Kind::SERVICE_ACCOUNT, account, []),
        role(labels::WITH_TENANTS, with_tenants()),
        role(EVERYWHERE, everywhere()),
        role(WATCHING, watching()),
        role(NODES, nodes()),
        bind(EVERYWHERE),
        bind(WATCHING),
        bind(NODES),
        Object::of(Kind::ADMISSION_POLICY, metadata(SCOPE), [("spec", scope(identity))]),
        Object::of(Kind::ADMISSION_POLICY_BINDING, metadata(SCOPE), [("spec", bound)]),
    ]
}

fn everywhere() -> Value {
    json!([
        { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "delete", "get", "patch"] },
        { "apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": ["create", "patch"] },
        { "apiGroups": [RBAC], "resources": ["clusterroles"], "resourceNames": [labels::WITH_TENANTS], "verbs": ["bind"] },
    ])
}

fn watching() -> Value {
    let rule = |kind: Kind| json!({ "apiGroups": [kind.group], "resources": [kind.plural], "verbs": ["list", "watch"] });
    watched(possible_kinds()).map(rule).collect()
}

fn nodes() -> Value {
    json!([{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "patch"] }])
}

/// What is done with the objects of a tenant, and what their control plane is granted: nobody grants what they have not.
fn with_tenants() -> Value {
    let mut verbs: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let mut may = |group: &str, resource: &str, more: &[&str]| {
        let verbs = verbs.entry((group.to_owned(), resource.to_owned())).or_default();
        verbs.extend(more.iter().map(|verb| (*verb).to_owned()));
    };
    for kind in possible_kinds() {
        may(kind.group, kind.plural, &["delete", "list"]);
        // Bindings it makes by what it may do everywhere.
        if kind != Kind::ROLE_BINDING {
            may(kind.group, kind.plural, &["create", "patch"]);
        }
    }
    // What is looked at by itself, to see how a tenant is.
    for kind in [Kind::RESOURCE_QUOTA, Kind::SECRET] {
        may(kind.group, kind.plural, &["get"]);
    }
    may("", "persistentvolumeclaims", &["get", "patch"]);
    // Those of a tenant that sleeps have nobody else who removes them.
    may("", "pods", &["deletecollection", "list"]);
    may("", "pods/eviction", &["create"]);
    for (group, resource, verbs) in possible_grants() {
        may(group, resource, verbs);
    }
    let rule = |((group, resource), verbs): (&(String, String), &BTreeSet<String>)| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
    verbs.iter().map(rule).collect()
}

/// Keeps the identity to the namespaces of tenants, from making a tenant's namespace of any other, and from taking the
/// walls of one down.
fn scope(identity: &HostIdentity) -> Value {
    let has = |object: &str, label: &str| {
        let labels = format!("{object}.metadata.labels");
        format!("has({labels}) && '{label}' in {labels}")
    };
    let of_a_tenant = |object: &str| has(object, labels::WORKSPACE);
    let either = |object: &str| format!("({object} == null || ({}))", of_a_tenant(object));
    let user = format!("system:serviceaccount:{}:{}", identity.namespace, identity.name);
    let everything = json!({
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["*"],
    });
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": { "resourceRules": [everything] },
        "matchConditions": [{ "name": "hexabase", "expression": format!("request.userInfo.username == '{user}'") }],
        "validations": [
            {
                "expression": format!(
                    "request.resource.resource != 'namespaces' || ({} && {})", either("object"), either("oldObject")
                ),
                "message": "Hexabase makes, changes and removes no namespaces but those of workspaces",
                "reason": "Forbidden",
            },
            {
                "expression": format!(
                    "request.resource.resource in ['namespaces', 'nodes'] || (namespaceObject != null && {})",
                    of_a_tenant("namespaceObject")
                ),
                "message": "Hexabase changes nothing outside of the namespaces of workspaces",
                "reason": "Forbidden",
            },
            {
                "expression": format!(
                    "request.resource.resource != 'nodes' || \
                     (object != null && oldObject != null && {} && {} && \
                      oldObject.metadata.labels['{class}'] == object.metadata.labels['{class}'])",
                    has("oldObject", labels::NODE_CLASS),
                    has("object", labels::NODE_CLASS),
                    class = labels::NODE_CLASS,
                ),
                "message": "Hexabase gives tenants no nodes but those that are set aside for them",
                "reason": "Forbidden",
            },
            {
                // Whoever steals the identity gets no further than its tenants do.
                "expression": format!(
                    "request.resource.resource != 'namespaces' || object == null || \
                     (has({labels}) && '{ENFORCED}' in {labels} && {labels}['{ENFORCED}'] in {ISOLATING:?})",
                    labels = "object.metadata.labels",
                ),
                "message": "Hexabase makes no namespace of which the pods may reach their nodes",
                "reason": "Forbidden",
            },
        ],
    })
}
