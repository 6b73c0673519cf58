use serde_json::{Value, json};

use crate::{Place, eventually};

const JSON: &str = "application/json";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn can(place: &Place, group: &str, verb: &str, resource: &str, name: &str, namespace: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": "somebody", "groups": [group],
            "resourceAttributes": { "verb": verb, "resource": resource, "subresource": subresource, "name": name, "namespace": namespace },
        },
    });
    let (code, answer) =
        place.send("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", JSON, review).await;
    assert_eq!(code, 201, "{answer}");
    answer["status"]["allowed"] == true
}

pub(crate) async fn access_is_what_roles_and_bindings_say(place: &Place) {
    let own = &place.namespace;
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
    assert_eq!(place.send("POST", &format!("{RBAC}/namespaces/{own}/roles"), JSON, role).await.0, 201);
    assert_eq!(
        place.send("POST", &format!("{RBAC}/namespaces/{own}/rolebindings"), JSON, binding).await.0,
        201
    );
    // An API server learns of roles a moment later.
    eventually("the binding counts", || can(place, "hexabase:ops", "get", "pods", "", own)).await;
    assert!(can(place, "hexabase:ops", "get", "pods/log", "", own).await);
    assert!(can(place, "hexabase:ops", "get", "secrets", "mine", own).await);
    for (group, verb, resource, name, namespace) in [
        ("hexabase:ops", "delete", "pods", "", own.as_str()),
        ("hexabase:ops", "get", "secrets", "other", own),
        ("hexabase:ops", "list", "secrets", "", own),
        ("hexabase:ops", "get", "pods", "", "default"),
        ("hexabase:ops", "get", "pods", "", ""),
        ("hexabase:dev", "get", "pods", "", own),
        ("ops", "get", "pods", "", own),
    ] {
        assert!(
            !can(place, group, verb, resource, name, namespace).await,
            "{group} {verb} {resource} {name} {namespace}"
        );
    }
}

pub(crate) async fn who_am_i(place: &Place) {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let (code, answer) =
        place.send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", JSON, review).await;
    assert_eq!(code, 201, "{answer}");
    let groups: Vec<&str> =
        answer["status"]["userInfo"]["groups"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(groups.contains(&"system:masters"), "{answer}");
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": { "verb": "delete", "resource": "nodes" } },
    });
    let (_, answer) =
        place.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", JSON, review).await;
    assert_eq!(answer["status"]["allowed"], true);
}

pub(crate) async fn whoever_may_bind_a_role_need_not_have_its_rights(place: &Place) {
    let roles = ["one", "other"].map(|name| format!("{}-{name}", place.namespace));
    for name in &roles {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": name },
            "rules": [{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] }],
        });
        assert_eq!(place.send("POST", &format!("{RBAC}/clusterroles"), JSON, role).await.0, 201);
    }
    let binding_one = json!([
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings"], "verbs": ["create"] },
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": [&roles[0]],
            "verbs": ["bind"],
        },
    ]);
    place.empower_somebody(binding_one).await;
    let path = format!("{RBAC}/namespaces/{}/rolebindings", place.namespace);
    let binding = |role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": role },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "another" }],
        })
    };
    let somebody = place.as_somebody();
    // An API server takes a moment to hear of a role.
    eventually("the role is known", || async {
        [201, 409].contains(&somebody.send("POST", &path, JSON, binding(&roles[0])).await.0)
    })
    .await;
    let (code, answer) = somebody.send("POST", &path, JSON, binding(&roles[1])).await;
    assert_eq!(code, 403, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("not currently held"), "{answer}");
    for name in &roles {
        let gone = place.send("DELETE", &format!("{RBAC}/clusterroles/{name}"), JSON, Value::Null).await;
        assert_eq!(gone.0, 200);
    }
}
