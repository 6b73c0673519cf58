//! Roles and bindings that every cluster has
//! (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>).

use serde_json::{Value, json};

/// API group of the roles and bindings.
pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

/// Returns the roles and their bindings, by plural.
pub(super) fn all() -> Vec<(&'static str, Value)> {
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let discovery = ["/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*"];
    let discovery: Vec<&str> = discovery.into_iter().chain(public).collect();
    let reviews = |group: &str, resources: &[&str]| json!({ "apiGroups": [group], "resources": resources, "verbs": ["create"] });
    let (authenticated, every_user) =
        (&["system:authenticated"][..], &["system:authenticated", "system:unauthenticated"][..]);
    let roles = [
        (
            "cluster-admin",
            json!([
                { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
                { "nonResourceURLs": ["*"], "verbs": ["*"] },
            ]),
            &["system:masters"][..],
        ),
        (
            "system:basic-user",
            json!([
                reviews("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
                reviews("authentication.k8s.io", &["selfsubjectreviews"]),
            ]),
            authenticated,
        ),
        ("system:discovery", json!([{ "nonResourceURLs": discovery, "verbs": ["get"] }]), authenticated),
        ("system:public-info-viewer", json!([{ "nonResourceURLs": public, "verbs": ["get"] }]), every_user),
    ];
    let mut objects = Vec::new();
    for (name, rules, groups) in roles {
        let metadata = json!({ "name": name, "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" } });
        let subject = |group: &&str| json!({ "apiGroup": GROUP, "kind": "Group", "name": group });
        objects.push(("clusterroles", json!({ "metadata": metadata, "rules": rules })));
        objects.push((
            "clusterrolebindings",
            json!({
                "metadata": metadata,
                "roleRef": { "apiGroup": GROUP, "kind": "ClusterRole", "name": name },
                "subjects": groups.iter().map(subject).collect::<Vec<_>>(),
            }),
        ));
    }
    objects
}
