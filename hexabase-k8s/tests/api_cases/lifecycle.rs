use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ResourceQuota, ServiceAccount};
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{Place, config_map, eventually};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

async fn make(place: &Place, body: Value) -> ConfigMap {
    let body = serde_json::from_value(body).unwrap();
    place.config_maps().create(&PostParams::default(), &body).await.unwrap()
}

async fn is_there(place: &Place, name: &str) -> bool {
    place.config_maps().get_opt(name).await.unwrap().is_some()
}

pub(crate) async fn a_finalizer_holds_an_object_until_it_is_gone(place: &Place) {
    let mut held = config_map("a", json!({}));
    held["metadata"]["finalizers"] = json!(["hexabase.ai/hold"]);
    make(place, held).await;
    place.config_maps().delete("a", &DeleteParams::default()).await.unwrap();
    let (_, going) = place.send("GET", &place.path("configmaps", "a"), JSON, Value::Null).await;
    assert!(going["metadata"]["deletionTimestamp"].is_string());
    let more = json!({ "metadata": { "finalizers": ["hexabase.ai/hold", "hexabase.ai/more"] } });
    assert_eq!(place.send("PATCH", &place.path("configmaps", "a"), MERGE, more).await.0, 422);
    let free = json!({ "metadata": { "finalizers": null } });
    place.send("PATCH", &place.path("configmaps", "a"), MERGE, free).await;
    assert!(!is_there(place, "a").await);
}

async fn family(place: &Place) -> ConfigMap {
    let owner = make(place, config_map("owner", json!({}))).await;
    let mut owned = config_map("owned", json!({}));
    let uid = owner.metadata.uid.clone().unwrap();
    owned["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid }]);
    make(place, owned).await;
    owner
}

pub(crate) async fn what_is_owned_goes_with_its_owner(place: &Place) {
    family(place).await;
    place.config_maps().delete("owner", &DeleteParams::default()).await.unwrap();
    eventually("the owned is gone", || async { !is_there(place, "owned").await }).await;
}

pub(crate) async fn what_is_orphaned_stays(place: &Place) {
    family(place).await;
    let orphan = DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..Default::default() };
    place.config_maps().delete("owner", &orphan).await.unwrap();
    eventually("the owner is gone", || async { !is_there(place, "owner").await }).await;
    let owned = place.config_maps().get("owned").await.unwrap();
    assert_eq!(owned.metadata.owner_references.unwrap_or_default(), []);
}

pub(crate) async fn a_precondition_protects_from_deleting_another_object(place: &Place) {
    let made = make(place, config_map("a", json!({}))).await;
    let only = |uid: String| DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid), resource_version: None }),
        ..Default::default()
    };
    let wrong = only("11111111-1111-1111-1111-111111111111".to_owned());
    let error = place.config_maps().delete("a", &wrong).await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 409), "{error}");
    place.config_maps().delete("a", &only(made.metadata.uid.unwrap())).await.unwrap();
    assert!(!is_there(place, "a").await);
}

pub(crate) async fn a_collection_is_deleted_by_label(place: &Place) {
    for (name, colour) in [("a", "red"), ("b", "red"), ("c", "blue")] {
        let mut body = config_map(name, json!({}));
        body["metadata"]["labels"] = json!({ "colour": colour });
        make(place, body).await;
    }
    let red = ListParams::default().labels("colour=red");
    place.config_maps().delete_collection(&DeleteParams::default(), &red).await.unwrap();
    assert!(!is_there(place, "a").await && !is_there(place, "b").await && is_there(place, "c").await);
}

/// Another namespace, for what happens to whole ones.
async fn second(place: &Place) -> (Api<Namespace>, String) {
    let namespaces: Api<Namespace> = Api::all(place.client.clone());
    let name = format!("{}-2", place.namespace);
    let metadata = ObjectMeta { name: Some(name.clone()), ..Default::default() };
    namespaces.create(&PostParams::default(), &Namespace { metadata, ..Default::default() }).await.unwrap();
    (namespaces, name)
}

fn maps(client: &Client, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), namespace)
}

pub(crate) async fn a_namespace_takes_everything_with_it(place: &Place) {
    let (namespaces, name) = second(place).await;
    let inside = maps(&place.client, &name);
    let body = serde_json::from_value(config_map("a", json!({}))).unwrap();
    inside.create(&PostParams::default(), &body).await.unwrap();
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    eventually("the namespace is gone", || async { namespaces.get_opt(&name).await.unwrap().is_none() })
        .await;
    assert!(inside.get_opt("a").await.unwrap().is_none());
}

pub(crate) async fn nothing_is_made_in_a_namespace_that_is_going(place: &Place) {
    let (namespaces, name) = second(place).await;
    let inside = maps(&place.client, &name);
    let mut held = config_map("held", json!({}));
    held["metadata"]["finalizers"] = json!(["hexabase.ai/hold"]);
    inside.create(&PostParams::default(), &serde_json::from_value(held).unwrap()).await.unwrap();
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    let there = namespaces.get(&name).await.unwrap();
    assert_eq!(there.status.unwrap().phase.as_deref(), Some("Terminating"));
    let late = serde_json::from_value(config_map("late", json!({}))).unwrap();
    let error = inside.create(&PostParams::default(), &late).await.unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 403 && status.message.contains("being terminated")),
        "{error}"
    );
    let path = format!("/api/v1/namespaces/{name}/configmaps/held");
    eventually("the held object is going", || async {
        place.send("GET", &path, JSON, Value::Null).await.1["metadata"]["deletionTimestamp"].is_string()
    })
    .await;
    place.send("PATCH", &path, MERGE, json!({ "metadata": { "finalizers": null } })).await;
    eventually("the namespace is gone", || async { namespaces.get_opt(&name).await.unwrap().is_none() })
        .await;
}

pub(crate) async fn every_namespace_has_its_service_account(place: &Place) {
    let accounts: Api<ServiceAccount> = Api::namespaced(place.client.clone(), &place.namespace);
    eventually("the account is there", || async { accounts.get_opt("default").await.unwrap().is_some() })
        .await;
}

pub(crate) async fn a_quota_refuses_what_goes_beyond_it(place: &Place) {
    let quotas: Api<ResourceQuota> = Api::namespaced(place.client.clone(), &place.namespace);
    let quota = json!({ "metadata": { "name": "q" }, "spec": { "hard": { "count/secrets": "1", "requests.cpu": "1" } } });
    quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
    let counted = |expected: &'static str| {
        let quotas = quotas.clone();
        async move {
            let status = quotas.get_status("q").await.unwrap().status.unwrap_or_default();
            status.used.unwrap_or_default().get("count/secrets").is_some_and(|amount| amount.0 == expected)
        }
    };
    eventually("the quota is counted", || counted("0")).await;
    let secrets = format!("/api/v1/namespaces/{}/secrets", place.namespace);
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });

    // What lies in another namespace, or in none, does not count.
    let name = format!("{}-beside", place.namespace);
    let beside = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    assert_eq!(place.send("POST", "/api/v1/namespaces", JSON, beside).await.0, 201);
    let elsewhere = format!("/api/v1/namespaces/{name}");
    assert_eq!(place.send("POST", &format!("{elsewhere}/secrets"), JSON, secret("a")).await.0, 201);
    let touched = json!({ "metadata": { "labels": { "touched": "yes" } } });
    assert_eq!(place.send("PATCH", &elsewhere, MERGE, touched).await.0, 200);
    assert!(counted("0").await);
    assert_eq!(place.send("DELETE", &elsewhere, JSON, Value::Null).await.0, 200);

    assert_eq!(place.send("POST", &secrets, JSON, secret("a")).await.0, 201);
    let (code, status) = place.send("POST", &secrets, JSON, secret("b")).await;
    assert_eq!(code, 403);
    assert!(status["message"].as_str().unwrap().contains("exceeded quota: q"), "{status}");
    place.send("DELETE", &place.path("secrets", "a"), JSON, Value::Null).await;
    eventually("there is room again", || counted("0")).await;

    let pods = format!("/api/v1/namespaces/{}/pods", place.namespace);
    let pod = |name: &str, resources: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
            "spec": { "containers": [{ "name": "c", "image": "registry.invalid/none", "resources": resources }] },
        })
    };
    let (code, status) = place.send("POST", &pods, JSON, pod("silent", json!({}))).await;
    assert_eq!(code, 403);
    assert!(status["message"].as_str().unwrap().contains("must specify requests.cpu"), "{status}");
    let (code, _) =
        place.send("POST", &pods, JSON, pod("small", json!({ "requests": { "cpu": "600m" } }))).await;
    assert_eq!(code, 201);
    let (code, _) =
        place.send("POST", &pods, JSON, pod("large", json!({ "requests": { "cpu": "600m" } }))).await;
    assert_eq!(code, 403);
}

pub(crate) async fn a_limit_range_fills_in_what_containers_do_not_say(place: &Place) {
    let range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "l" },
        "spec": { "limits": [{ "type": "Container", "default": { "memory": "512Mi" }, "defaultRequest": { "cpu": "50m", "memory": "128Mi" } }] },
    });
    let path = format!("/api/v1/namespaces/{}/limitranges", place.namespace);
    assert_eq!(place.send("POST", &path, JSON, range).await.0, 201);
    eventually("the account is there", || async {
        place.send("GET", &place.path("serviceaccounts", "default"), JSON, Value::Null).await.0 == 200
    })
    .await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "spec": { "containers": [{ "name": "c", "image": "registry.invalid/none", "resources": { "requests": { "cpu": "1" } } }] },
    });
    let (code, made) =
        place.send("POST", &format!("/api/v1/namespaces/{}/pods", place.namespace), JSON, pod).await;
    assert_eq!(code, 201, "{made}");
    let resources = &made["spec"]["containers"][0]["resources"];
    assert_eq!(resources["requests"], json!({ "cpu": "1", "memory": "128Mi" }));
    assert_eq!(resources["limits"], json!({ "memory": "512Mi" }));
}

pub(crate) async fn custom_kinds_come_with_their_definition(place: &Place) {
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
    let widgets = format!("/apis/{group}/v1/namespaces/{}/widgets", place.namespace);
    assert_eq!(place.send("GET", &widgets, JSON, Value::Null).await.0, 404);
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(place.send("POST", definitions, JSON, definition).await.0, 201);
    eventually("the kind is served", || async {
        place.send("GET", &widgets, JSON, Value::Null).await.0 == 200
    })
    .await;
    let widget = json!({ "apiVersion": format!("{group}/v1"), "kind": "Widget", "metadata": { "name": "w" }, "spec": { "size": 3 } });
    let path = format!("{widgets}/w?fieldManager=one");
    let (code, made) = place.send("PATCH", &path, "application/apply-patch+yaml", widget).await;
    assert!(code == 200 || code == 201, "{made}");
    assert_eq!(made["spec"]["size"], 3);
    let strategic = "application/strategic-merge-patch+json";
    assert_eq!(place.send("PATCH", &path, strategic, json!({ "spec": {} })).await.0, 415);
    assert_eq!(place.send("DELETE", &format!("{definitions}/{name}"), JSON, Value::Null).await.0, 200);
    eventually("the kind is gone", || async {
        place.send("GET", &widgets, JSON, Value::Null).await.0 == 404
    })
    .await;
}
