use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{Place, config_map};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

fn collection(place: &Place, plural: &str) -> String {
    format!("/api/v1/namespaces/{}/{plural}", place.namespace)
}

async fn create(place: &Place, body: Value) -> (u16, Value) {
    place.send("POST", &collection(place, "configmaps"), JSON, body).await
}

pub(crate) async fn creating_fills_in_what_the_server_knows(place: &Place) {
    let (code, made) = create(place, config_map("a", json!({ "x": "1" }))).await;
    assert_eq!(code, 201);
    let metadata = &made["metadata"];
    assert_eq!(metadata["namespace"], json!(place.namespace));
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(metadata[field].as_str().is_some_and(|text| !text.is_empty()), "{field}");
    }
    assert_eq!(metadata["managedFields"][0]["operation"], "Update");
    let namespaces: Api<Namespace> = Api::all(place.client.clone());
    let namespace = serde_json::to_value(namespaces.get(&place.namespace).await.unwrap()).unwrap();
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], json!(place.namespace));
    assert_eq!(namespace["status"]["phase"], "Active");
}

pub(crate) async fn creating_twice_is_refused(place: &Place) {
    create(place, config_map("a", json!({}))).await;
    let (code, status) = create(place, config_map("a", json!({}))).await;
    assert_eq!((code, &status["reason"]), (409, &json!("AlreadyExists")));
    let (code, status) = place.send("GET", &place.path("configmaps", "nobody"), JSON, Value::Null).await;
    assert_eq!((code, &status["reason"], &status["kind"]), (404, &json!("NotFound"), &json!("Status")));
}

pub(crate) async fn names_are_generated(place: &Place) {
    let body = json!({ "metadata": { "generateName": "gen-" } });
    let (_, first) = create(place, body.clone()).await;
    let (_, second) = create(place, body).await;
    let name = |body: &Value| body["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(name(&first).starts_with("gen-") && name(&first).len() == 9, "{first}");
    assert_ne!(name(&first), name(&second));
    let (code, _) = create(place, json!({ "metadata": {} })).await;
    assert_eq!(code, 422);
}

pub(crate) async fn a_dry_run_changes_nothing(place: &Place) {
    let path = format!("{}?dryRun=All", collection(place, "configmaps"));
    let (code, made) = place.send("POST", &path, JSON, config_map("a", json!({}))).await;
    assert_eq!((code, made["metadata"]["uid"].is_string()), (201, true));
    let (code, _) = place.send("GET", &place.path("configmaps", "a"), JSON, Value::Null).await;
    assert_eq!(code, 404);

    create(place, config_map("a", json!({ "x": "1" }))).await;
    let path = format!("{}?dryRun=All", place.path("configmaps", "a"));
    let (_, changed) = place.send("PATCH", &path, MERGE, json!({ "data": { "x": "2" } })).await;
    assert_eq!(changed["data"]["x"], "2");
    let (code, _) = place.send("DELETE", &path, JSON, Value::Null).await;
    assert_eq!(code, 200);
    let (_, there) = place.send("GET", &place.path("configmaps", "a"), JSON, Value::Null).await;
    assert_eq!(there["data"]["x"], "1");
}

pub(crate) async fn a_stale_version_is_refused(place: &Place) {
    let (_, made) = create(place, config_map("a", json!({ "x": "1" }))).await;
    let path = place.path("configmaps", "a");
    let mut newer = made.clone();
    newer["data"]["x"] = json!("2");
    assert_eq!(place.send("PUT", &path, JSON, newer.clone()).await.0, 200);
    let (code, status) = place.send("PUT", &path, JSON, newer).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let stale = json!({ "metadata": { "resourceVersion": made["metadata"]["resourceVersion"] }, "data": { "x": "3" } });
    assert_eq!(place.send("PATCH", &path, MERGE, stale).await.0, 409);
}

pub(crate) async fn merge_json_and_strategic_patches(place: &Place) {
    create(place, config_map("a", json!({ "x": "1", "y": "2" }))).await;
    let path = place.path("configmaps", "a");
    let (_, after) = place.send("PATCH", &path, MERGE, json!({ "data": { "x": null, "z": "3" } })).await;
    assert_eq!(after["data"], json!({ "y": "2", "z": "3" }));
    let operations =
        json!([{ "op": "test", "path": "/data/y", "value": "2" }, { "op": "remove", "path": "/data/z" }]);
    let (_, after) = place.send("PATCH", &path, "application/json-patch+json", operations).await;
    assert_eq!(after["data"], json!({ "y": "2" }));
    let failing = json!([{ "op": "test", "path": "/data/y", "value": "other" }]);
    assert_eq!(place.send("PATCH", &path, "application/json-patch+json", failing).await.0, 422);

    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s" },
        "spec": { "ports": [{ "name": "a", "port": 80 }, { "name": "b", "port": 81 }] },
    });
    place.send("POST", &collection(place, "services"), JSON, service).await;
    let patch =
        json!({ "spec": { "ports": [{ "port": 81, "$patch": "delete" }, { "port": 82, "name": "c" }] } });
    let path = place.path("services", "s");
    let (code, after) = place.send("PATCH", &path, "application/strategic-merge-patch+json", patch).await;
    assert_eq!(code, 200, "{after}");
    let mut ports: Vec<u64> =
        after["spec"]["ports"].as_array().unwrap().iter().map(|p| p["port"].as_u64().unwrap()).collect();
    ports.sort_unstable();
    assert_eq!(ports, [80, 82]);
    assert_eq!(place.send("PATCH", &path, "text/plain", json!({})).await.0, 415);
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

fn sets(place: &Place) -> String {
    format!("/apis/apps/v1/namespaces/{}/statefulsets", place.namespace)
}

pub(crate) async fn status_is_written_apart(place: &Place) {
    let mut body = stateful_set(0);
    body["status"] = json!({ "replicas": 9 });
    let (code, made) = place.send("POST", &sets(place), JSON, body).await;
    assert_eq!((code, made["status"]["replicas"].as_u64().unwrap_or(0)), (201, 0));
    let path = format!("{}/s", sets(place));
    let patch = json!({ "status": { "observedGeneration": 1, "replicas": 0, "currentRevision": "mine" }, "spec": { "replicas": 7 } });
    let (code, after) = place.send("PATCH", &format!("{path}/status"), MERGE, patch).await;
    assert_eq!((code, &after["status"]["currentRevision"]), (200, &json!("mine")), "{after}");
    assert_eq!(after["spec"]["replicas"], 0, "the spec is not what /status is about");
    let changed = json!({ "status": { "currentRevision": "other" } });
    let (_, after) = place.send("PATCH", &path, MERGE, changed).await;
    assert_ne!(after["status"]["currentRevision"], "other");
}

pub(crate) async fn generations_follow_the_spec(place: &Place) {
    let (_, made) = place.send("POST", &sets(place), JSON, stateful_set(0)).await;
    assert_eq!(made["metadata"]["generation"], 1);
    let path = format!("{}/s", sets(place));
    let (_, after) =
        place.send("PATCH", &path, MERGE, json!({ "metadata": { "labels": { "a": "b" } } })).await;
    assert_eq!(after["metadata"]["generation"], 1);
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": { "x": "1" } } } } });
    let (_, after) = place.send("PATCH", &path, MERGE, patch).await;
    assert_eq!(after["metadata"]["generation"], 2);
}

pub(crate) async fn what_is_immutable_stays(place: &Place) {
    place.send("POST", &sets(place), JSON, stateful_set(0)).await;
    let patch = json!({ "spec": { "serviceName": "other" } });
    assert_eq!(place.send("PATCH", &format!("{}/s", sets(place)), MERGE, patch).await.0, 422);

    let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings", place.namespace);
    let binding = |role: &str| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "b" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
            "subjects": [{ "kind": "Group", "name": "g" }],
        })
    };
    let (code, made) = place.send("POST", &rbac, JSON, binding("one")).await;
    assert_eq!((code, &made["subjects"][0]["apiGroup"]), (201, &json!("rbac.authorization.k8s.io")));
    assert_eq!(place.send("PUT", &format!("{rbac}/b"), JSON, binding("two")).await.0, 422);
}

pub(crate) async fn bad_names_and_labels_are_refused(place: &Place) {
    for name in ["Upper", "under_score", "-lead", "trail-", "a b"] {
        assert_eq!(create(place, config_map(name, json!({}))).await.0, 422, "{name}");
    }
    let mut labelled = config_map("a", json!({}));
    labelled["metadata"]["labels"] = json!({ "bad key!": "x" });
    assert_eq!(create(place, labelled).await.0, 422);
    let mut elsewhere = config_map("a", json!({}));
    elsewhere["metadata"]["namespace"] = json!("default");
    assert_eq!(create(place, elsewhere).await.0, 400);
    let (code, _) = place
        .send("POST", "/api/v1/namespaces/there-is-none/configmaps", JSON, config_map("a", json!({})))
        .await;
    assert_eq!(code, 404);
    let wrong_kind = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "a" } });
    assert_eq!(create(place, wrong_kind).await.0, 400);
}

pub(crate) async fn string_data_of_secrets_is_encoded(place: &Place) {
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let secret = Secret {
        metadata: kube::api::ObjectMeta { name: Some("s".to_owned()), ..Default::default() },
        string_data: Some(std::iter::once(("k".to_owned(), "v".to_owned())).collect()),
        ..Default::default()
    };
    let made = secrets.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(made.data.unwrap()["k"].0, b"v");
    assert_eq!((made.string_data, made.type_.as_deref()), (None, Some("Opaque")));
}

pub(crate) async fn an_unchanged_object_keeps_its_version(place: &Place) {
    let (_, made) = create(place, config_map("a", json!({ "x": "1" }))).await;
    let same: ConfigMap = serde_json::from_value(made.clone()).unwrap();
    let after = place.config_maps().replace("a", &PostParams::default(), &same).await.unwrap();
    assert_eq!(after.metadata.resource_version.as_deref(), made["metadata"]["resourceVersion"].as_str());
    let (_, after) =
        place.send("PATCH", &place.path("configmaps", "a"), MERGE, json!({ "data": { "x": "1" } })).await;
    assert_eq!(after["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}
