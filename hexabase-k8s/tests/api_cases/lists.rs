use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::discovery::Discovery;
use serde_json::{Value, json};

use crate::{TestCase, config_map};

async fn create(case: &TestCase, name: &str, labels: Value) -> ConfigMap {
    let mut body = config_map(name, json!({}));
    body["metadata"]["labels"] = labels;
    let body = serde_json::from_value(body).unwrap();
    case.config_maps().create(&PostParams::default(), &body).await.unwrap()
}

async fn list_names(case: &TestCase, params: ListParams) -> BTreeSet<String> {
    let found = case.config_maps().list(&params).await.unwrap();
    // Every namespace has a ConfigMap with the certificate authority.
    found
        .items
        .into_iter()
        .filter_map(|item| item.metadata.name)
        .filter(|name| name != "kube-root-ca.crt")
        .collect()
}

async fn create_three(case: &TestCase) {
    create(case, "a", json!({ "tier": "web", "env": "prod" })).await;
    create(case, "b", json!({ "tier": "web", "env": "dev" })).await;
    create(case, "c", json!({ "tier": "db" })).await;
}

pub(crate) async fn label_selectors_filter_lists(case: &TestCase) {
    create_three(case).await;
    for (selector, expected) in [
        ("tier=web", "a b"),
        ("tier==web,env!=dev", "a"),
        ("env", "a b"),
        ("tier,!env", "c"),
        ("tier in (db, cache)", "c"),
        ("tier notin (db),tier", "a b"),
        ("env=", ""),
    ] {
        let expected: BTreeSet<String> = expected.split_whitespace().map(str::to_owned).collect();
        assert_eq!(list_names(case, ListParams::default().labels(selector)).await, expected, "{selector}");
    }
}

pub(crate) async fn field_selectors_filter_lists(case: &TestCase) {
    create_three(case).await;
    assert_eq!(
        list_names(case, ListParams::default().fields("metadata.name=b")).await,
        BTreeSet::from(["b".to_owned()])
    );
    assert_eq!(
        list_names(case, ListParams::default().fields("metadata.name!=b").labels("tier")).await.len(),
        2
    );
}

pub(crate) async fn an_invalid_selector_is_rejected(case: &TestCase) {
    for params in [
        ListParams::default().labels("a in x"),
        ListParams::default().labels("=x"),
        ListParams::default().fields("data.x=1"),
    ] {
        let error = case.config_maps().list(&params).await.unwrap_err();
        assert!(matches!(&error, kube::Error::Api(status) if status.code == 400), "{error}");
    }
}

pub(crate) async fn lists_are_paged(case: &TestCase) {
    for number in 0..7 {
        create(case, &format!("m{number}"), json!({ "paged": "yes" })).await;
    }
    let mut params = ListParams::default().labels("paged").limit(3);
    let mut sizes = Vec::new();
    let mut names = Vec::new();
    loop {
        let page = case.config_maps().list(&params).await.unwrap();
        sizes.push(page.items.len());
        names.extend(page.items.into_iter().filter_map(|item| item.metadata.name));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    let (_, list) = case
        .send(
            "GET",
            &case.path("configmaps", "?labelSelector=paged").replace("/?", "?"),
            "application/json",
            Value::Null,
        )
        .await;
    assert_eq!((&list["kind"], list["items"][0].get("kind")), (&json!("ConfigMapList"), None));
    assert_eq!(sizes, [3, 3, 1]);
    assert_eq!(names, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
}

async fn events(case: &TestCase, params: WatchParams, version: &str, count: usize) -> Vec<(String, String)> {
    let stream = case.config_maps().watch(&params, version).await.unwrap();
    let stream = stream.try_filter_map(|event| async move {
        Ok(match event {
            WatchEvent::Added(object) => Some(("added".to_owned(), object.metadata.name.unwrap())),
            WatchEvent::Modified(object) => Some(("modified".to_owned(), object.metadata.name.unwrap())),
            WatchEvent::Deleted(object) => Some(("deleted".to_owned(), object.metadata.name.unwrap())),
            WatchEvent::Bookmark(_) => None,
            WatchEvent::Error(status) => panic!("{status:?}"),
        })
    });
    let found = tokio::time::timeout(Duration::from_secs(10), stream.take(count).try_collect::<Vec<_>>());
    found.await.expect("events arrive within 10 s").unwrap()
}

fn expected_events(events: &[(&str, &str)]) -> Vec<(String, String)> {
    events.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect()
}

async fn patch(case: &TestCase, name: &str, patch: Value) {
    let patch = Patch::Merge(patch);
    case.config_maps().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

pub(crate) async fn a_watch_reports_changes_after_a_resource_version(case: &TestCase) {
    create(case, "before", json!({})).await;
    let version =
        case.config_maps().list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    create(case, "a", json!({})).await;
    patch(case, "a", json!({ "data": { "x": "1" } })).await;
    case.config_maps().delete("a", &Default::default()).await.unwrap();
    let params = WatchParams::default().fields("metadata.name=a");
    let reported = events(case, params, &version, 3).await;
    assert_eq!(reported, expected_events(&[("added", "a"), ("modified", "a"), ("deleted", "a")]));
}

pub(crate) async fn a_watch_with_a_selector_reports_objects_that_enter_and_leave_it(case: &TestCase) {
    let version =
        case.config_maps().list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    create(case, "a", json!({ "in": "no" })).await;
    patch(case, "a", json!({ "metadata": { "labels": { "in": "yes" } } })).await;
    patch(case, "a", json!({ "data": { "x": "1" } })).await;
    patch(case, "a", json!({ "metadata": { "labels": { "in": "no" } } })).await;
    let reported = events(case, WatchParams::default().labels("in=yes"), &version, 3).await;
    assert_eq!(reported, expected_events(&[("added", "a"), ("modified", "a"), ("deleted", "a")]));
}

pub(crate) async fn metadata_only_requests_return_partial_objects(case: &TestCase) {
    create(case, "a", json!({ "in": "yes" })).await;
    patch(case, "a", json!({ "data": { "x": "1" } })).await;
    let config_maps = case.config_maps();
    let one = config_maps.get_metadata("a").await.unwrap();
    assert_eq!(one.types.unwrap().kind, "PartialObjectMetadata");
    assert_eq!(one.metadata.labels.unwrap()["in"], "yes");

    let list = config_maps.list_metadata(&ListParams::default().labels("in")).await.unwrap();
    assert_eq!(list.types.kind, "PartialObjectMetadataList");
    assert_eq!(
        (list.items.len(), list.items[0].types.as_ref().unwrap().kind.as_str()),
        (1, "PartialObjectMetadata")
    );
    let version = list.metadata.resource_version.unwrap();
    patch(case, "a", json!({ "data": { "x": "2" } })).await;
    let stream = config_maps.watch_metadata(&WatchParams::default().labels("in"), &version).await.unwrap();
    let event = Box::pin(stream).try_next().await.unwrap().unwrap();
    let WatchEvent::Modified(object) = event else { panic!("{event:?}") };
    assert_eq!(object.types.unwrap().kind, "PartialObjectMetadata");

    // The deserialized type ignores other fields: the response itself has nothing but metadata.
    let request = http::Request::get(case.path("configmaps", "a"))
        .header("accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    let body: Value = case.client.request(request.body(Vec::new()).unwrap()).await.unwrap();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["apiVersion", "kind", "metadata"]);
}

pub(crate) async fn discovery_lists_the_kinds(case: &TestCase) {
    let discovery = Discovery::new(case.client.clone()).run().await.unwrap();
    for (group, kind, plural, namespaced) in [
        ("", "ConfigMap", "configmaps", true),
        ("", "Namespace", "namespaces", false),
        ("apps", "StatefulSet", "statefulsets", true),
        ("rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false),
        ("networking.k8s.io", "NetworkPolicy", "networkpolicies", true),
    ] {
        let group = discovery.get(group).unwrap();
        let (resource, capabilities) = group.recommended_kind(kind).unwrap();
        assert_eq!(resource.plural, plural);
        assert_eq!(capabilities.scope == kube::discovery::Scope::Namespaced, namespaced, "{kind}");
        assert!(
            capabilities.supports_operation("list") && capabilities.supports_operation("patch"),
            "{kind}"
        );
    }
    let (code, version) = case.send("GET", "/version", "application/json", Value::Null).await;
    assert_eq!((code, &version["major"]), (200, &json!("1")));
    assert_eq!(case.send("GET", "/readyz", "text/plain", Value::Null).await.0, 200);
    assert_eq!(case.send("GET", "/apis/no.such.group/v1", "application/json", Value::Null).await.0, 404);
    assert_eq!(case.send("GET", &case.path("unknowns", "x"), "application/json", Value::Null).await.0, 404);
}
