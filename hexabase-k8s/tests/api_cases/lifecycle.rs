use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{TestCase, config_map, eventually};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

async fn create(case: &TestCase, body: Value) -> ConfigMap {
    let body = serde_json::from_value(body).unwrap();
    case.config_maps().create(&PostParams::default(), &body).await.unwrap()
}

async fn exists(case: &TestCase, name: &str) -> bool {
    case.config_maps().get_opt(name).await.unwrap().is_some()
}

pub(crate) async fn a_finalizer_delays_the_deletion_of_an_object(case: &TestCase) {
    let mut finalized = config_map("a", json!({}));
    finalized["metadata"]["finalizers"] = json!(["hexabase.ai/hold"]);
    create(case, finalized).await;
    case.config_maps().delete("a", &DeleteParams::default()).await.unwrap();
    let (_, terminating) = case.send("GET", &case.path("configmaps", "a"), JSON, Value::Null).await;
    assert!(terminating["metadata"]["deletionTimestamp"].is_string());
    let more = json!({ "metadata": { "finalizers": ["hexabase.ai/hold", "hexabase.ai/more"] } });
    assert_eq!(case.send("PATCH", &case.path("configmaps", "a"), MERGE, more).await.0, 422);
    let without_finalizers = json!({ "metadata": { "finalizers": null } });
    case.send("PATCH", &case.path("configmaps", "a"), MERGE, without_finalizers).await;
    assert!(!exists(case, "a").await);
}

async fn create_owner_and_dependent(case: &TestCase) -> ConfigMap {
    let owner = create(case, config_map("owner", json!({}))).await;
    let mut owned = config_map("owned", json!({}));
    let uid = owner.metadata.uid.clone().unwrap();
    owned["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid }]);
    create(case, owned).await;
    owner
}

pub(crate) async fn dependents_are_deleted_with_their_owner(case: &TestCase) {
    create_owner_and_dependent(case).await;
    case.config_maps().delete("owner", &DeleteParams::default()).await.unwrap();
    eventually("the dependent is deleted", || async { !exists(case, "owned").await }).await;
}

pub(crate) async fn orphaned_dependents_are_kept(case: &TestCase) {
    create_owner_and_dependent(case).await;
    let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..Default::default() };
    case.config_maps().delete("owner", &orphan).await.unwrap();
    eventually("the owner is deleted", || async { !exists(case, "owner").await }).await;
    let owned = case.config_maps().get("owned").await.unwrap();
    assert_eq!(owned.metadata.owner_references.unwrap_or_default(), []);
}

pub(crate) async fn a_uid_precondition_prevents_deleting_another_object(case: &TestCase) {
    let created = create(case, config_map("a", json!({}))).await;
    let with_uid = |uid: String| DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid), resource_version: None }),
        ..Default::default()
    };
    let wrong = with_uid("11111111-1111-1111-1111-111111111111".to_owned());
    let error = case.config_maps().delete("a", &wrong).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 409), "{error}");
    case.config_maps().delete("a", &with_uid(created.metadata.uid.unwrap())).await.unwrap();
    assert!(!exists(case, "a").await);
}

pub(crate) async fn a_collection_is_deleted_by_label(case: &TestCase) {
    for (name, colour) in [("a", "red"), ("b", "red"), ("c", "blue")] {
        let mut body = config_map(name, json!({}));
        body["metadata"]["labels"] = json!({ "colour": colour });
        create(case, body).await;
    }
    let red = ListParams::default().labels("colour=red");
    case.config_maps().delete_collection(&DeleteParams::default(), &red).await.unwrap();
    assert!(!exists(case, "a").await && !exists(case, "b").await && exists(case, "c").await);
}

/// Creates another namespace, for cases about whole namespaces.
async fn create_second_namespace(case: &TestCase) -> (Api<Namespace>, String) {
    let namespaces: Api<Namespace> = Api::all(case.client.clone());
    let name = format!("{}-2", case.namespace);
    let metadata = ObjectMeta { name: Some(name.clone()), ..Default::default() };
    namespaces.create(&PostParams::default(), &Namespace { metadata, ..Default::default() }).await.unwrap();
    (namespaces, name)
}

fn config_maps_in(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

pub(crate) async fn deleting_a_namespace_deletes_its_contents(case: &TestCase) {
    let (namespaces, name) = create_second_namespace(case).await;
    let config_maps = config_maps_in(&case.client, &name);
    let body = serde_json::from_value(config_map("a", json!({}))).unwrap();
    config_maps.create(&PostParams::default(), &body).await.unwrap();
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is deleted", || async { namespaces.get_opt(&name).await.unwrap().is_none() })
        .await;
    assert!(config_maps.get_opt("a").await.unwrap().is_none());
}

pub(crate) async fn a_terminating_namespace_accepts_no_new_objects(case: &TestCase) {
    let (namespaces, name) = create_second_namespace(case).await;
    let config_maps = config_maps_in(&case.client, &name);
    let mut finalized = config_map("finalized", json!({}));
    finalized["metadata"]["finalizers"] = json!(["hexabase.ai/hold"]);
    config_maps.create(&PostParams::default(), &serde_json::from_value(finalized).unwrap()).await.unwrap();
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    let namespace = namespaces.get(&name).await.unwrap();
    assert_eq!(namespace.status.unwrap().phase.as_deref(), Some("Terminating"));
    let late_object = serde_json::from_value(config_map("late", json!({}))).unwrap();
    let error = config_maps.create(&PostParams::default(), &late_object).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 403 && status.message.contains("being terminated")),
        "{error}"
    );
    let path = format!("/api/v1/namespaces/{name}/configmaps/finalized");
    eventually("the object with a finalizer is terminating", || async {
        case.send("GET", &path, JSON, Value::Null).await.1["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    case.send("PATCH", &path, MERGE, json!({ "metadata": { "finalizers": null } })).await;
    eventually("the namespace is deleted", || async { namespaces.get_opt(&name).await.unwrap().is_none() })
        .await;
}

pub(crate) async fn every_namespace_has_a_default_service_account(case: &TestCase) {
    let accounts: Api<ServiceAccount> = Api::namespaced(case.client.clone(), &case.namespace);
    eventually("the service account exists", || async {
        accounts.get_opt("default").await.unwrap().is_some()
    })
    .await;
}

pub(crate) async fn a_quota_rejects_objects_beyond_its_limits(case: &TestCase) {
    let quotas: Api<ResourceQuota> = Api::namespaced(case.client.clone(), &case.namespace);
    let hard = json!({
        "count/secrets": "1", "requests.cpu": "1", "requests.ephemeral-storage": "1Gi", "requests.a.example/gpu": "0",
    });
    let quota = json!({ "metadata": { "name": "q" }, "spec": { "hard": hard } });
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    let used_is = |expected: &'static str| {
        let quotas = quotas.clone();
        async move {
            let status = quotas.get_status("q").await.unwrap().status.unwrap_or_default();
            status.used.unwrap_or_default().get("count/secrets").is_some_and(|amount| amount.0 == expected)
        }
    };
    eventually("the usage of the quota is counted", || used_is("0")).await;
    let secrets = format!("/api/v1/namespaces/{}/secrets", case.namespace);
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });

    // Objects in another namespace, and cluster-scoped ones, do not count.
    let name = format!("{}-other", case.namespace);
    let other = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    assert_eq!(case.send("POST", "/api/v1/namespaces", JSON, other).await.0, 201);
    let other_namespace = format!("/api/v1/namespaces/{name}");
    assert_eq!(case.send("POST", &format!("{other_namespace}/secrets"), JSON, secret("a")).await.0, 201);
    let label = json!({ "metadata": { "labels": { "touched": "yes" } } });
    assert_eq!(case.send("PATCH", &other_namespace, MERGE, label).await.0, 200);
    assert!(used_is("0").await);
    assert_eq!(case.send("DELETE", &other_namespace, JSON, Value::Null).await.0, 200);

    assert_eq!(case.send("POST", &secrets, JSON, secret("a")).await.0, 201);
    let (code, status) = case.send("POST", &secrets, JSON, secret("b")).await;
    assert_eq!(code, 403);
    assert!(status["message"].as_str().unwrap().contains("exceeded quota: q"), "{status}");
    case.send("DELETE", &case.path("secrets", "a"), JSON, Value::Null).await;
    eventually("the usage of the quota is reduced", || used_is("0")).await;

    let pods = format!("/api/v1/namespaces/{}/pods", case.namespace);
    let pod = |name: &str, resources: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
            "spec": { "containers": [{ "name": "c", "image": "registry.invalid/none", "resources": resources }] },
        })
    };
    let (code, status) = case.send("POST", &pods, JSON, pod("without-requests", json!({}))).await;
    assert_eq!(code, 403);
    assert!(status["message"].as_str().unwrap().contains("must specify requests.cpu"), "{status}");
    let with_device = json!({ "requests": { "cpu": "1m" }, "limits": { "a.example/gpu": "1" } });
    let (code, status) = case.send("POST", &pods, JSON, pod("with-device", with_device)).await;
    assert_eq!(code, 403);
    assert!(status["message"].as_str().unwrap().contains("exceeded quota: q"), "{status}");
    // A quota requires requests only of CPU and memory.
    let (code, _) =
        case.send("POST", &pods, JSON, pod("small", json!({ "requests": { "cpu": "600m" } }))).await;
    assert_eq!(code, 201);
    let (code, _) =
        case.send("POST", &pods, JSON, pod("large", json!({ "requests": { "cpu": "600m" } }))).await;
    assert_eq!(code, 403);
}

pub(crate) async fn a_limit_range_sets_missing_requests_and_limits(case: &TestCase) {
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "l" },
        "spec": { "limits": [{ "type": "Container", "default": { "memory": "512Mi" }, "defaultRequest": { "cpu": "50m", "memory": "128Mi" } }] },
    });
    let path = format!("/api/v1/namespaces/{}/limitranges", case.namespace);
    assert_eq!(case.send("POST", &path, JSON, range).await.0, 201);
    eventually("the service account exists", || async {
        case.send("GET", &case.path("serviceaccounts", "default"), JSON, Value::Null).await.0 == 200
    })
    .await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "spec": { "containers": [{ "name": "c", "image": "registry.invalid/none", "resources": { "requests": { "cpu": "1" } } }] },
    });
    let (code, created) =
        case.send("POST", &format!("/api/v1/namespaces/{}/pods", case.namespace), JSON, pod).await;
    assert_eq!(code, 201, "{created}");
    let resources = &created["spec"]["containers"][0]["resources"];
    assert_eq!(resources["requests"], json!({ "cpu": "1", "memory": "128Mi" }));
    assert_eq!(resources["limits"], json!({ "memory": "512Mi" }));
}

pub(crate) async fn custom_kinds_are_served_once_defined(case: &TestCase) {
    let group = format!("g{}.hexabase.test", std::process::id());
    let name = format!("widgets.{group}");
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": name },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            } } }],
        },
    });
    let widgets = format!("/apis/{group}/v1/namespaces/{}/widgets", case.namespace);
    assert_eq!(case.send("GET", &widgets, JSON, Value::Null).await.0, 404);
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(case.send("POST", definitions, JSON, definition).await.0, 201);
    eventually("the kind is served", || async {
        case.send("GET", &widgets, JSON, Value::Null).await.0 == 200
    })
    .await;
    let widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "w" }, "spec": { "size": 3 } });
    let path = format!("{widgets}/w?fieldManager=one");
    let (code, created) = case.send("PATCH", &path, "application/apply-patch+yaml", widget).await;
    assert!(code == 200 || code == 201, "{created}");
    assert_eq!(created["spec"]["size"], 3);
    let strategic = "application/strategic-merge-patch+json";
    assert_eq!(case.send("PATCH", &path, strategic, json!({ "spec": {} })).await.0, 415);
    assert_eq!(case.send("DELETE", &format!("{definitions}/{name}"), JSON, Value::Null).await.0, 200);
    eventually("the kind is no longer served", || async {
        case.send("GET", &widgets, JSON, Value::Null).await.0 == 404
    })
    .await;
}
