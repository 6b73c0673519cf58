use serde_json::{Value, json};

use crate::{TestCase, eventually};

const JSON: &str = "application/json";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn is_allowed(
    case: &TestCase,
    group: &str,
    verb: &str,
    resource: &str,
    name: &str,
    namespace: &str,
) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": "jane", "groups": [group],
            "resourceAttributes": { "verb": verb, "resource": resource, "subresource": subresource, "name": name, "namespace": namespace },
        },
    });
    let (code, response) =
        case.send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", JSON, review).await;
    assert_eq!(code, 201, "{response}");
    response["status"]["allowed"] == true
}

pub(crate) async fn access_follows_roles_and_bindings(case: &TestCase) {
    let namespace = &case.namespace;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "r" },
        "rules": [
            { "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"] },
            { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["mine"] },
        ],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "b" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "hexabase:ops" }],
    });
    assert_eq!(case.send("POST", &format!("{RBAC}/namespaces/{namespace}/roles"), JSON, role).await.0, 201);
    assert_eq!(
        case.send("POST", &format!("{RBAC}/namespaces/{namespace}/rolebindings"), JSON, binding).await.0,
        201
    );
    // An API server enforces a new role only after a moment.
    eventually("the binding is in effect", || is_allowed(case, "hexabase:ops", "get", "pods", "", namespace))
        .await;
    assert!(is_allowed(case, "hexabase:ops", "get", "pods/log", "", namespace).await);
    assert!(is_allowed(case, "hexabase:ops", "get", "secrets", "mine", namespace).await);
    for (group, verb, resource, name, namespace) in [
        ("hexabase:ops", "delete", "pods", "", namespace.as_str()),
        ("hexabase:ops", "get", "secrets", "other", namespace),
        ("hexabase:ops", "list", "secrets", "", namespace),
        ("hexabase:ops", "get", "pods", "", "default"),
        ("hexabase:ops", "get", "pods", "", ""),
        ("hexabase:dev", "get", "pods", "", namespace),
        ("ops", "get", "pods", "", namespace),
    ] {
        assert!(
            !is_allowed(case, group, verb, resource, name, namespace).await,
            "{group} {verb} {resource} {name} {namespace}"
        );
    }
}

pub(crate) async fn self_reviews_return_the_users_identity_and_access(case: &TestCase) {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let (code, response) =
        case.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", JSON, review).await;
    assert_eq!(code, 201, "{response}");
    let groups: Vec<&str> = response["status"]["userInfo"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(groups.contains(&"system:masters"), "{response}");
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": { "verb": "delete", "resource": "nodes" } },
    });
    let (_, response) =
        case.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON, review).await;
    assert_eq!(response["status"]["allowed"], true);
}

pub(crate) async fn the_bind_verb_allows_binding_roles_with_further_permissions(case: &TestCase) {
    let roles = ["one", "other"].map(|name| format!("{}-{name}", case.namespace));
    for name in &roles {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name },
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }],
        });
        assert_eq!(case.send("POST", &format!("{RBAC}/clusterroles"), JSON, role).await.0, 201);
    }
    let may_bind_first_role = json!([
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["create"] },
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": [&roles[0]],
            "verbs": ["bind"],
        },
    ]);
    case.grant_user(may_bind_first_role).await;
    let path = format!("{RBAC}/namespaces/{}/rolebindings", case.namespace);
    let binding = |role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "john" }],
        })
    };
    let user = case.as_user();
    // An API server enforces a new role only after a moment.
    eventually("the role is in effect", || async {
        [201, 409].contains(&user.send("POST", &path, JSON, binding(&roles[0])).await.0)
    })
    .await;
    let (code, response) = user.send("POST", &path, JSON, binding(&roles[1])).await;
    assert_eq!(code, 403, "{response}");
    assert!(response["message"].as_str().unwrap().contains("not currently held"), "{response}");
    for name in &roles {
        let deleted = case.send("DELETE", &format!("{RBAC}/clusterroles/{name}"), JSON, Value::Null).await;
        assert_eq!(deleted.0, 200);
    }
}
