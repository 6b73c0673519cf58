use serde_json::{Value, json};

use crate::{TestCase, config_map, eventually};

fn version(body: &Value) -> &str {
    body["metadata"]["resourceVersion"].as_str().unwrap()
}

pub(crate) async fn applying_twice_changes_nothing(case: &TestCase) {
    let body = config_map("a", json!({ "x": "1" }));
    let (created, first) = case.apply("configmaps", "a", "one", "", body.clone()).await;
    let (again, second) = case.apply("configmaps", "a", "one", "", body).await;
    assert_eq!((created == 201 || created == 200, again), (true, 200));
    assert_eq!(version(&first), version(&second));
    let entry = &second["metadata"]["managedFields"][0];
    assert_eq!((&entry["manager"], &entry["operation"]), (&json!("one"), &json!("Apply")));
    assert_eq!(entry["fieldsV1"]["f:data"]["f:x"], json!({}));
}

pub(crate) async fn a_field_that_is_no_longer_applied_is_removed(case: &TestCase) {
    let mut body = config_map("a", json!({ "x": "1", "y": "2" }));
    body["metadata"]["labels"] = json!({ "l": "1" });
    case.apply("configmaps", "a", "one", "", body).await;
    let (_, after) = case.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1" }))).await;
    assert_eq!(after["data"], json!({ "x": "1" }));
    assert_eq!(after["metadata"].get("labels"), None);
}

pub(crate) async fn a_field_of_two_managers_stays_until_both_stop_applying_it(case: &TestCase) {
    let both = config_map("a", json!({ "x": "1", "y": "2" }));
    let one_field = config_map("a", json!({ "x": "1" }));
    case.apply("configmaps", "a", "one", "", both.clone()).await;
    case.apply("configmaps", "a", "two", "", both).await;
    let (_, after) = case.apply("configmaps", "a", "one", "", one_field.clone()).await;
    assert_eq!(after["data"], json!({ "x": "1", "y": "2" }));
    let (_, after) = case.apply("configmaps", "a", "two", "", one_field).await;
    assert_eq!(after["data"], json!({ "x": "1" }));
}

pub(crate) async fn an_apply_conflict_is_rejected_unless_forced(case: &TestCase) {
    case.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1" }))).await;
    let other = config_map("a", json!({ "x": "2" }));
    let (code, status) = case.apply("configmaps", "a", "two", "", other.clone()).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    assert!(status["message"].as_str().unwrap().contains("conflict with \"one\""), "{status}");
    let (code, after) = case.apply("configmaps", "a", "two", "&force=true", other).await;
    assert_eq!((code, &after["data"]["x"]), (200, &json!("2")));
    // Manager two owns the field now: it stays when manager one no longer applies it.
    let (_, after) = case.apply("configmaps", "a", "one", "", config_map("a", json!({}))).await;
    assert_eq!(after["data"]["x"], "2");
}

fn pod(containers: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "containers": containers } })
}

pub(crate) async fn lists_with_keys_are_merged_entry_by_entry(case: &TestCase) {
    let service = |ports: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": { "ports": ports },
        })
    };
    case.apply("services", "s", "one", "", service(json!([{ "name": "a", "port": 80 }]))).await;
    let (code, after) =
        case.apply("services", "s", "two", "", service(json!([{ "name": "b", "port": 81 }]))).await;
    assert_eq!(code, 200, "{after}");
    assert_eq!(after["spec"]["ports"].as_array().unwrap().len(), 2);
    let (_, after) = case
        .apply(
            "services",
            "s",
            "two",
            "",
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" },
            }),
        )
        .await;
    let ports = after["spec"]["ports"].as_array().unwrap();
    assert_eq!((ports.len(), &ports[0]["name"]), (1, &json!("a")));
}

pub(crate) async fn lists_without_keys_are_replaced(case: &TestCase) {
    let role = |verbs: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "r" },
            "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": verbs }],
        })
    };
    let path =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/r?fieldManager=one", case.namespace);
    let apply = "application/apply-patch+yaml";
    case.send("PATCH", &path, apply, role(json!(["get", "list"]))).await;
    let (_, after) = case.send("PATCH", &path, apply, role(json!(["get"]))).await;
    assert_eq!(after["rules"][0]["verbs"], json!(["get"]));
}

pub(crate) async fn updated_fields_belong_to_the_updating_manager(case: &TestCase) {
    case.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1", "y": "1" }))).await;
    let path = format!("{}?fieldManager=editor", case.path("configmaps", "a"));
    let (code, _) =
        case.send("PATCH", &path, "application/merge-patch+json", json!({ "data": { "x": "2" } })).await;
    assert_eq!(code, 200);
    let (code, status) =
        case.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1", "y": "1" }))).await;
    assert_eq!(code, 409, "{status}");
    assert!(status["message"].as_str().unwrap().contains("editor"), "{status}");
    // Fields that the editor did not change can still be applied.
    let (code, after) = case.apply("configmaps", "a", "one", "", config_map("a", json!({ "y": "3" }))).await;
    assert_eq!((code, &after["data"]), (200, &json!({ "x": "2", "y": "3" })));
}

pub(crate) async fn apply_requires_a_field_manager_and_no_managed_fields(case: &TestCase) {
    let apply = "application/apply-patch+yaml";
    let (code, _) =
        case.send("PATCH", &case.path("configmaps", "a"), apply, config_map("a", json!({}))).await;
    assert!(code == 400 || code == 422, "{code}");
    let mut body = config_map("a", json!({}));
    body["metadata"]["managedFields"] = json!([{ "manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {} }]);
    let (code, _) = case.apply("configmaps", "a", "one", "", body).await;
    assert_eq!(code, 400);
}

pub(crate) async fn wrong_types_and_unknown_fields_are_rejected(case: &TestCase) {
    let (code, _) = case.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": 7 }))).await;
    assert!(code == 400 || code == 422 || code == 500, "a number is not a string: {code}");
    let unknown = pod(json!([{ "name": "c", "image": "x", "imagee": "y" }]));
    let path = format!("/api/v1/namespaces/{}/pods?fieldValidation=Strict", case.namespace);
    let (code, status) = case.send("POST", &path, "application/json", unknown).await;
    assert_eq!(code, 400);
    assert!(status["message"].as_str().unwrap().contains("imagee"), "{status}");
}

pub(crate) async fn applying_a_missing_object_requires_the_create_permission(case: &TestCase) {
    let patch_only = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"] }]);
    case.grant_user(patch_only).await;
    let user = case.as_user();
    let existing = config_map("existing", json!({ "x": "1" }));
    case.apply("configmaps", "existing", "one", "", existing.clone()).await;
    // An API server enforces a new role only after a moment.
    eventually("the role is in effect", || async {
        user.apply("configmaps", "existing", "one", "", existing.clone()).await.0 == 200
    })
    .await;
    let (code, response) =
        user.apply("configmaps", "missing", "one", "", config_map("missing", json!({}))).await;
    assert_eq!(code, 403, "{response}");
    assert!(response["message"].as_str().unwrap().contains("cannot create resource"), "{response}");
}
