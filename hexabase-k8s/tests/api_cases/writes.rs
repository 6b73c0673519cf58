use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{TestCase, config_map};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

fn collection(case: &TestCase, plural: &str) -> String {
    format!("/api/v1/namespaces/{}/{plural}", case.namespace)
}

async fn create(case: &TestCase, body: Value) -> (u16, Value) {
    case.send("POST", &collection(case, "configmaps"), JSON, body).await
}

pub(crate) async fn create_sets_server_fields(case: &TestCase) {
    let (code, created) = create(case, config_map("a", json!({ "x": "1" }))).await;
    assert_eq!(code, 201);
    let metadata = &created["metadata"];
    assert_eq!(metadata["namespace"], json!(case.namespace));
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(metadata[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    assert_eq!(metadata["managedFields"][0]["operation"], "Update");
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let namespace = serde_json::to_value(namespaces.get(&case.namespace).await.unwrap()).unwrap();
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], json!(case.namespace));
    assert_eq!(namespace["status"]["phase"], "Active");
}

pub(crate) async fn creating_twice_is_rejected(case: &TestCase) {
    create(case, config_map("a", json!({}))).await;
    let (code, status) = create(case, config_map("a", json!({}))).await;
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    let (code, status) = case.send("GET", &case.path("configmaps", "missing"), JSON, Value::Null).await;
    assert_eq!((code, &status["reason"], &status["kind"]), (404, &json!("NotFound"), &json!("Status")));
}

pub(crate) async fn names_are_generated(case: &TestCase) {
    let body = json!({ "metadata": { "generateName": "gen-" } });
    let (_, first) = create(case, body.clone()).await;
    let (_, second) = create(case, body).await;
    let name = |body: &Value| body["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&first).starts_with("gen-") && name(&first).len() == 9, "{first}");
    assert_ne!(name(&first), name(&second));
    let (code, _) = create(case, json!({ "metadata": {} })).await;
    assert_eq!(code, 422);
}

pub(crate) async fn a_dry_run_changes_nothing(case: &TestCase) {
    let path = format!("{}?dryRun=All", collection(case, "configmaps"));
    let (code, created) = case.send("POST", &path, JSON, config_map("a", json!({}))).await;
    assert_eq!((code, created["metadata"]["uid"].is_string()), (201, true));
    let (code, _) = case.send("GET", &case.path("configmaps", "a"), JSON, Value::Null).await;
    assert_eq!(code, 404);

    create(case, config_map("a", json!({ "x": "1" }))).await;
    let path = format!("{}?dryRun=All", case.path("configmaps", "a"));
    let (_, changed) = case.send("PATCH", &path, MERGE, json!({ "data": { "x": "2" } })).await;
    assert_eq!(changed["data"]["x"], "2");
    let (code, _) = case.send("DELETE", &path, JSON, Value::Null).await;
    assert_eq!(code, 200);
    let (_, existing) = case.send("GET", &case.path("configmaps", "a"), JSON, Value::Null).await;
    assert_eq!(existing["data"]["x"], "1");
}

pub(crate) async fn a_stale_resource_version_is_rejected(case: &TestCase) {
    let (_, created) = create(case, config_map("a", json!({ "x": "1" }))).await;
    let path = case.path("configmaps", "a");
    let mut newer = created.clone();
    newer["data"]["x"] = json!("2");
    assert_eq!(case.send("PUT", &path, JSON, newer.clone()).await.0, 200);
    let (code, status) = case.send("PUT", &path, JSON, newer).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let stale = json!({ "metadata": { "resourceVersion": created["metadata"]["resourceVersion"] }, "data": { "x": "3" } });
    assert_eq!(case.send("PATCH", &path, MERGE, stale).await.0, 409);
}

pub(crate) async fn merge_json_and_strategic_patches_are_applied(case: &TestCase) {
    create(case, config_map("a", json!({ "x": "1", "y": "2" }))).await;
    let path = case.path("configmaps", "a");
    let (_, after) = case.send("PATCH", &path, MERGE, json!({ "data": { "x": null, "z": "3" } })).await;
    assert_eq!(after["data"], json!({ "y": "2", "z": "3" }));
    let operations =
        json!([{ "op": "test", "path": "/data/y", "value": "2" }, { "op": "remove", "path": "/data/z" }]);
    let (_, after) = case.send("PATCH", &path, "application/json-patch+json", operations).await;
    assert_eq!(after["data"], json!({ "y": "2" }));
    let failing_test = json!([{ "op": "test", "path": "/data/y", "value": "other" }]);
    assert_eq!(case.send("PATCH", &path, "application/json-patch+json", failing_test).await.0, 422);

    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" },
        "spec": { "ports": [{ "name": "a", "port": 80 }, { "name": "b", "port": 81 }] },
    });
    case.send("POST", &collection(case, "services"), JSON, service).await;
    let patch =
        json!({ "spec": { "ports": [{ "port": 81, "$patch": "delete" }, { "port": 82, "name": "c" }] } });
    let path = case.path("services", "s");
    let (code, after) = case.send("PATCH", &path, "application/strategic-merge-patch+json", patch).await;
    assert_eq!(code, 200, "{after}");
    let mut ports: Vec<u64> =
        after["spec"]["ports"].as_array().unwrap().iter().map(|p| p["port"].as_u64().unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [80, 82]);
    assert_eq!(case.send("PATCH", &path, "text/plain", json!({})).await.0, 415);
}

fn stateful_set(replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "s" },
        "spec": {
            "serviceName": "s", "replicas": replicas,
            "selector": { "matchLabels": { "app": "s" } },
            "template": {
                "metadata": { "labels": { "app": "s" } },
                "spec": { "containers": [{ "name": "c", "image": "registry.invalid/none" }] },
            },
        },
    })
}

fn stateful_sets(case: &TestCase) -> String {
    format!("/apis/apps/v1/namespaces/{}/statefulsets", case.namespace)
}

pub(crate) async fn status_is_written_only_by_its_subresource(case: &TestCase) {
    let mut body = stateful_set(0);
    body["status"] = json!({ "replicas": 9 });
    let (code, created) = case.send("POST", &stateful_sets(case), JSON, body).await;
    assert_eq!((code, created["status"]["replicas"].as_u64().unwrap_or(0)), (201, 0));
    let path = format!("{}/s", stateful_sets(case));
    let patch = json!({ "status": { "observedGeneration": 1, "replicas": 0, "currentRevision": "mine" }, "spec": { "replicas": 7 } });
    let (code, after) = case.send("PATCH", &format!("{path}/status"), MERGE, patch).await;
    assert_eq!((code, &after["status"]["currentRevision"]), (200, &json!("mine")), "{after}");
    assert_eq!(after["spec"]["replicas"], 0, "/status does not write the spec");
    let changed = json!({ "status": { "currentRevision": "other" } });
    let (_, after) = case.send("PATCH", &path, MERGE, changed).await;
    assert_ne!(after["status"]["currentRevision"], "other");
}

pub(crate) async fn the_generation_counts_changes_of_the_spec(case: &TestCase) {
    let (_, created) = case.send("POST", &stateful_sets(case), JSON, stateful_set(0)).await;
    assert_eq!(created["metadata"]["generation"], 1);
    let path = format!("{}/s", stateful_sets(case));
    let (_, after) =
        case.send("PATCH", &path, MERGE, json!({ "metadata": { "labels": { "a": "b" } } })).await;
    assert_eq!(after["metadata"]["generation"], 1);
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { "x": "1" } } } } });
    let (_, after) = case.send("PATCH", &path, MERGE, patch).await;
    assert_eq!(after["metadata"]["generation"], 2);
}

pub(crate) async fn immutable_fields_cannot_be_changed(case: &TestCase) {
    case.send("POST", &stateful_sets(case), JSON, stateful_set(0)).await;
    let patch = json!({ "spec": { "serviceName": "other" } });
    assert_eq!(case.send("PATCH", &format!("{}/s", stateful_sets(case)), MERGE, patch).await.0, 422);

    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", case.namespace);
    let binding = |role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "b" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
            "subjects": [{ "kind": "Group", "name": "g" }],
        })
    };
    let (code, created) = case.send("POST", &rbac, JSON, binding("one")).await;
    assert_eq!((code, &created["subjects"][0]["apiGroup"]), (201, &json!("rbac.authorization.k8s.io")));
    assert_eq!(case.send("PUT", &format!("{rbac}/b"), JSON, binding("two")).await.0, 422);
}

pub(crate) async fn invalid_names_and_labels_are_rejected(case: &TestCase) {
    for name in ["Upper", "under_score", "-lead", "trail-", "a b"] {
        assert_eq!(create(case, config_map(name, json!({}))).await.0, 422, "{name}");
    }
    let mut labelled = config_map("a", json!({}));
    labelled["metadata"]["labels"] = json!({ "bad key!": "x" });
    assert_eq!(create(case, labelled).await.0, 422);
    let mut other_namespace = config_map("a", json!({}));
    other_namespace["metadata"]["namespace"] = json!("default");
    assert_eq!(create(case, other_namespace).await.0, 400);
    let (code, _) =
        case.send("POST", "/api/v1/namespaces/missing/configmaps", JSON, config_map("a", json!({}))).await;
    assert_eq!(code, 404);
    let wrong_kind = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" } });
    assert_eq!(create(case, wrong_kind).await.0, 400);
}

pub(crate) async fn string_data_of_secrets_is_encoded(case: &TestCase) {
    let secrets: Api<Secret> = Api::namespaced(case.client.clone(), &case.namespace);
    let secret = Secret {
        metadata: kube::api::ObjectMeta { name: Some("s".to_owned()), ..Default::default() },
        string_data: Some(std::iter::once(("k".to_owned(), "v".to_owned())).collect()),
        ..Default::default()
    };
    let created = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(created.data.unwrap()["k"].0, b"v");
    assert_eq!((created.string_data, created.type_.as_deref()), (None, Some("Opaque")));
}

pub(crate) async fn an_unchanged_object_keeps_its_resource_version(case: &TestCase) {
    let (_, created) = create(case, config_map("a", json!({ "x": "1" }))).await;
    let same: ConfigMap = serde_json::from_value(created.clone()).unwrap();
    let after = case.config_maps().replace("a", &PostParams::default(), &same).await.unwrap();
    assert_eq!(after.metadata.resource_version.as_deref(), created["metadata"]["resourceVersion"].as_str());
    let (_, after) =
        case.send("PATCH", &case.path("configmaps", "a"), MERGE, json!({ "data": { "x": "1" } })).await;
    assert_eq!(after["metadata"]["resourceVersion"], created["metadata"]["resourceVersion"]);
}

pub(crate) async fn objects_of_another_shape_are_rejected(case: &TestCase) {
    let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let config_maps = collection(case, "configmaps");
    for body in [
        json!([]),
        json!("text"),
        json!({ "metadata": "text" }),
        json!({ "metadata": [] }),
        json!({ "metadata": { "name": "a", "labels": "text" } }),
        json!({ "metadata": { "name": "a", "annotations": ["text"] } }),
    ] {
        for path in [&config_maps, review] {
            let (code, response) = case.send("POST", path, JSON, body.clone()).await;
            assert!(code == 400 || code == 422, "{path} {body}: {code} {response}");
        }
    }
    create(case, config_map("a", json!({}))).await;
    let path = case.path("configmaps", "a");
    for patch in [
        json!([{ "op": "replace", "path": "", "value": [] }]),
        json!([{ "op": "replace", "path": "/metadata", "value": "text" }]),
        json!([{ "op": "add", "path": "/metadata/labels", "value": "text" }]),
    ] {
        let (code, response) = case.send("PATCH", &path, "application/json-patch+json", patch.clone()).await;
        assert!((400..=500).contains(&code), "{patch}: {code} {response}");
    }
    let (code, unchanged) = case.send("GET", &path, JSON, Value::Null).await;
    assert_eq!((code, &unchanged["metadata"]["labels"]), (200, &Value::Null));
}
