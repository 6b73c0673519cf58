use serde_json::{Value, json};

use crate::{Place, config_map, eventually};

fn version(body: &Value) -> &str {
    body["metadata"]["resourceVersion"].as_str().unwrap()
}

pub(crate) async fn applying_twice_changes_nothing(place: &Place) {
    let body = config_map("a", json!({ "x": "1" }));
    let (created, first) = place.apply("configmaps", "a", "one", "", body.clone()).await;
    let (again, second) = place.apply("configmaps", "a", "one", "", body).await;
    assert_eq!((created == 201 || created == 200, again), (true, 200));
    assert_eq!(version(&first), version(&second));
    let entry = &second["metadata"]["managedFields"][0];
    assert_eq!((&entry["manager"], &entry["operation"]), (&json!("one"), &json!("Apply")));
    assert_eq!(entry["fieldsV1"]["f:data"]["f:x"], json!({}));
}

pub(crate) async fn a_field_that_is_no_longer_applied_is_removed(place: &Place) {
    let mut body = config_map("a", json!({ "x": "1", "y": "2" }));
    body["metadata"]["labels"] = json!({ "l": "1" });
    place.apply("configmaps", "a", "one", "", body).await;
    let (_, after) = place.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1" }))).await;
    assert_eq!(after["data"], json!({ "x": "1" }));
    assert_eq!(after["metadata"].get("labels"), None);
}

pub(crate) async fn a_field_of_two_managers_stays_until_both_let_go(place: &Place) {
    let both = config_map("a", json!({ "x": "1", "y": "2" }));
    let one_field = config_map("a", json!({ "x": "1" }));
    place.apply("configmaps", "a", "one", "", both.clone()).await;
    place.apply("configmaps", "a", "two", "", both).await;
    let (_, after) = place.apply("configmaps", "a", "one", "", one_field.clone()).await;
    assert_eq!(after["data"], json!({ "x": "1", "y": "2" }));
    let (_, after) = place.apply("configmaps", "a", "two", "", one_field).await;
    assert_eq!(after["data"], json!({ "x": "1" }));
}

pub(crate) async fn a_conflict_is_refused_and_can_be_forced(place: &Place) {
    place.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1" }))).await;
    let other = config_map("a", json!({ "x": "2" }));
    let (code, status) = place.apply("configmaps", "a", "two", "", other.clone()).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    assert!(status["message"].as_str().unwrap().contains("conflict with \"one\""), "{status}");
    let (code, after) = place.apply("configmaps", "a", "two", "&force=true", other).await;
    assert_eq!((code, &after["data"]["x"]), (200, &json!("2")));
    // It is theirs now: whoever had it loses nothing by not applying it any more.
    let (_, after) = place.apply("configmaps", "a", "one", "", config_map("a", json!({}))).await;
    assert_eq!(after["data"]["x"], "2");
}

fn pod(containers: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "containers": containers } })
}

pub(crate) async fn lists_with_keys_are_merged_entry_by_entry(place: &Place) {
    let service = |ports: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" }, "spec": { "ports": ports },
        })
    };
    place.apply("services", "s", "one", "", service(json!([{ "name": "a", "port": 80 }]))).await;
    let (code, after) =
        place.apply("services", "s", "two", "", service(json!([{ "name": "b", "port": 81 }]))).await;
    assert_eq!(code, 200, "{after}");
    assert_eq!(after["spec"]["ports"].as_array().unwrap().len(), 2);
    let (_, after) = place
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

pub(crate) async fn lists_without_keys_are_replaced(place: &Place) {
    let role = |verbs: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "r" },
            "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": verbs }],
        })
    };
    let path =
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/r?fieldManager=one", place.namespace);
    let apply = "application/apply-patch+yaml";
    place.send("PATCH", &path, apply, role(json!(["get", "list"]))).await;
    let (_, after) = place.send("PATCH", &path, apply, role(json!(["get"]))).await;
    assert_eq!(after["rules"][0]["verbs"], json!(["get"]));
}

pub(crate) async fn what_was_updated_belongs_to_whoever_updated_it(place: &Place) {
    place.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1", "y": "1" }))).await;
    let path = format!("{}?fieldManager=editor", place.path("configmaps", "a"));
    let (code, _) =
        place.send("PATCH", &path, "application/merge-patch+json", json!({ "data": { "x": "2" } })).await;
    assert_eq!(code, 200);
    let (code, status) =
        place.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": "1", "y": "1" }))).await;
    assert_eq!(code, 409, "{status}");
    assert!(status["message"].as_str().unwrap().contains("editor"), "{status}");
    // What they did not touch can still be applied.
    let (code, after) = place.apply("configmaps", "a", "one", "", config_map("a", json!({ "y": "3" }))).await;
    assert_eq!((code, &after["data"]), (200, &json!({ "x": "2", "y": "3" })));
}

pub(crate) async fn applying_needs_a_manager_and_no_managed_fields(place: &Place) {
    let apply = "application/apply-patch+yaml";
    let (code, _) =
        place.send("PATCH", &place.path("configmaps", "a"), apply, config_map("a", json!({}))).await;
    assert!(code == 400 || code == 422, "{code}");
    let mut body = config_map("a", json!({}));
    body["metadata"]["managedFields"] = json!([{ "manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {} }]);
    let (code, _) = place.apply("configmaps", "a", "one", "", body).await;
    assert_eq!(code, 400);
}

pub(crate) async fn a_wrong_type_or_unknown_field_is_refused(place: &Place) {
    let (code, _) = place.apply("configmaps", "a", "one", "", config_map("a", json!({ "x": 7 }))).await;
    assert!(code == 400 || code == 422 || code == 500, "a number is no text: {code}");
    let unknown = pod(json!([{ "name": "c", "image": "x", "imagee": "y" }]));
    let path = format!("/api/v1/namespaces/{}/pods?fieldValidation=Strict", place.namespace);
    let (code, status) = place.send("POST", &path, "application/json", unknown).await;
    assert_eq!(code, 400);
    assert!(status["message"].as_str().unwrap().contains("imagee"), "{status}");
}

pub(crate) async fn applying_what_is_missing_takes_the_right_to_create_it(place: &Place) {
    let patching = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"] }]);
    place.empower_somebody(patching).await;
    let somebody = place.as_somebody();
    let there = config_map("there", json!({ "x": "1" }));
    place.apply("configmaps", "there", "one", "", there.clone()).await;
    // An API server takes a moment to hear of a role.
    eventually("the role is known", || async {
        somebody.apply("configmaps", "there", "one", "", there.clone()).await.0 == 200
    })
    .await;
    let (code, answer) =
        somebody.apply("configmaps", "missing", "one", "", config_map("missing", json!({}))).await;
    assert_eq!(code, 403, "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("cannot create resource"), "{answer}");
}
