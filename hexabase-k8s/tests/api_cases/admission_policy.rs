use hexabase_core::desired::{self, Issuer};
use hexabase_core::fixture;
use hexabase_core::model::WorkspaceState;
use hexabase_k8s::render::tenant_objects;
use hexabase_k8s::{HostConfig, Kind, Object};
use serde_json::{Value, json};

use crate::{TestCase, eventually};

const APPLY: &str = "application/apply-patch+yaml";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const RBAC: &str = "rbac.authorization.k8s.io";

/// Policy and binding that every tenant cluster gets.
fn admission_policy() -> Vec<Object> {
    let state = WorkspaceState {
        workspace: fixture::workspace("dev"),
        groups: Vec::new(),
        projects: Vec::new(),
        roles: Vec::new(),
        assignments: Vec::new(),
    };
    let issuer = Issuer { url: String::new(), certificate_authority: None };
    let cluster = desired::tenant_cluster(&state, &fixture::plan("small"), &issuer);
    let objects = tenant_objects(&cluster, &HostConfig::default());
    let kinds = [Kind::ADMISSION_POLICY, Kind::ADMISSION_POLICY_BINDING];
    objects.into_iter().filter(|object| kinds.contains(&object.kind)).collect()
}

fn role(name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": format!("{RBAC}/v1"),
        "kind": "Role",
        "metadata": { "name": name, "labels": labels },
        "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"] }],
    })
}

fn roles(case: &TestCase, name: &str) -> String {
    format!("/apis/{RBAC}/v1/namespaces/{}/roles{name}", case.namespace)
}

pub(crate) async fn tenants_cannot_change_managed_objects(case: &TestCase) {
    let all_rules = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    case.grant_user(all_rules).await;
    for (name, labels) in [("managed", json!({ "hexabase.ai/managed": "true" })), ("tenant", json!({}))] {
        assert_eq!(case.send("POST", &roles(case, ""), JSON, role(name, labels)).await.0, 201);
    }
    let quota = json!({
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": { "name": "managed", "labels": { "hexabase.ai/managed": "true" } },
        "spec": { "hard": { "pods": "1" } },
    });
    assert_eq!(case.send("POST", &case.path("resourcequotas", ""), JSON, quota).await.0, 201);
    let namespace = format!("/api/v1/namespaces/{}", case.namespace);
    let label = |value: Value| json!({ "metadata": { "labels": { "hexabase.ai/managed": value } } });
    assert_eq!(case.send("PATCH", &namespace, MERGE, label(json!("true"))).await.0, 200);
    let policy = admission_policy();
    let path = |object: &Object| {
        let Kind { group, version, plural, .. } = object.kind;
        format!("/apis/{group}/{version}/{plural}/{}", object.name)
    };
    for object in &policy {
        let apply_path = format!("{}?fieldManager=hexabase&force=true&fieldValidation=Strict", path(object));
        let (code, response) = case.send("PATCH", &apply_path, APPLY, object.body.clone()).await;
        assert!([200, 201].contains(&code), "{response}");
    }

    let user = case.as_user();
    let managed_role = roles(case, "/managed");
    let change = json!({ "rules": [] });
    // An API server enforces a new policy only after a moment.
    eventually("the policy is enforced", || async {
        user.send("PATCH", &managed_role, MERGE, json!({ "metadata": { "labels": { "a": "b" } } })).await.0
            == 403
    })
    .await;
    let unlabel = label(Value::Null);
    let mut unlabelled_namespace = case.send("GET", &namespace, JSON, Value::Null).await.1;
    unlabelled_namespace["metadata"]["labels"] = json!({});
    let quota = case.path("resourcequotas", "managed");
    let usage = json!({ "status": { "hard": { "pods": "100" }, "used": { "pods": "0" } } });
    let (none, created) = (Value::Null, role("created", json!({ "hexabase.ai/managed": "true" })));
    let attempts = [
        ("PATCH", managed_role.clone(), MERGE, change.clone()),
        ("PATCH", managed_role.clone(), MERGE, unlabel.clone()),
        ("DELETE", managed_role.clone(), JSON, none.clone()),
        ("DELETE", roles(case, "?labelSelector=hexabase.ai/managed"), JSON, none.clone()),
        ("POST", roles(case, ""), JSON, created),
        ("PATCH", quota.clone(), MERGE, unlabel.clone()),
        ("PATCH", format!("{quota}/status"), MERGE, unlabel.clone()),
        ("PATCH", format!("{quota}/status"), MERGE, usage),
        ("PATCH", namespace.clone(), MERGE, unlabel.clone()),
        ("PATCH", format!("{namespace}/status"), MERGE, unlabel),
        ("PUT", format!("{namespace}/finalize"), JSON, unlabelled_namespace),
    ];
    for (method, path, media_type, body) in attempts {
        let (code, response) = user.send(method, &path, media_type, body).await;
        let message = response["message"].as_str().unwrap();
        assert!(code == 403 && message.contains("change it in Hexabase"), "{method} {path}: {response}");
    }
    let tenant_role = roles(case, "/tenant");
    assert_eq!(user.send("PATCH", &tenant_role, MERGE, change.clone()).await.0, 200);
    assert_eq!(user.send("DELETE", &tenant_role, JSON, none.clone()).await.0, 200);

    assert_eq!(case.send("PATCH", &managed_role, MERGE, change).await.0, 200, "administrators are exempt");
    for object in policy.iter().rev() {
        assert_eq!(case.send("DELETE", &path(object), JSON, none.clone()).await.0, 200);
    }
}
