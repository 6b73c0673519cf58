//! Requests as `kubectl` and other clients send them.

use serde_json::{Value, json};

use crate::{TestCase, config_map};

const JSON: &str = "application/json";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";

/// Lists the pods of the case with these headers.
async fn lists_pods(case: &TestCase, headers: &[(&str, &str)]) -> (u16, Value) {
    let path = format!("/api/v1/namespaces/{}/pods", case.namespace);
    case.send_with_headers("GET", &path, headers, Vec::new()).await
}

pub(crate) async fn impersonation_headers_are_honoured(case: &TestCase) {
    case.grant_user(json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }])).await;
    crate::eventually("the role is in effect", || async {
        lists_pods(case, &[("impersonate-user", "jane")]).await.0 == 200
    })
    .await;
    for headers in [
        &[("impersonate-user", "john")][..],
        &[("impersonate-user", "john"), ("impersonate-group", "jane")],
        &[("impersonate-user", "system:serviceaccount:default:default")],
    ] {
        let (code, response) = lists_pods(case, headers).await;
        assert_eq!(code, 403, "{headers:?}: {response}");
        assert!(response["message"].as_str().unwrap().contains(headers[0].1), "{response}");
    }
    let (code, _) =
        lists_pods(case, &[("impersonate-user", "john"), ("impersonate-group", "system:masters")]).await;
    assert_eq!(code, 200, "the groups count, too");

    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let headers = [
        ("content-type", JSON),
        ("impersonate-user", "john"),
        ("impersonate-group", "a"),
        ("impersonate-group", "b"),
    ];
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (_, response) = case.send_with_headers("POST", path, &headers, review.to_string().into_bytes()).await;
    let user = &response["status"]["userInfo"];
    assert_eq!(
        (&user["username"], &user["groups"]),
        (&json!("john"), &json!(["a", "b", "system:authenticated"]))
    );
}

pub(crate) async fn impersonated_groups_require_a_user(case: &TestCase) {
    let (code, _) = lists_pods(case, &[("impersonate-group", "system:masters")]).await;
    assert_eq!(code, 400);
}

pub(crate) async fn built_in_kinds_are_accepted_as_protobuf(case: &TestCase) {
    // ConfigMap `p` with the data `a: b`, as `kubectl create configmap p --from-literal=a=b` sends it.
    let body = b"k8s\0\n\x0f\n\x02v1\x12\tConfigMap\x12\x1b\n\x11\n\x01p\x12\0\x1a\0\"\0*\0\x32\0\x38\0\x42\0\x12\x06\n\x01a\x12\x01b\x1a\0\"\0";
    let path = format!("/api/v1/namespaces/{}/configmaps", case.namespace);
    let headers = [("content-type", "application/vnd.kubernetes.protobuf"), ("accept", JSON)];
    let (code, created) = case.send_with_headers("POST", &path, &headers, body.to_vec()).await;
    assert_eq!((code, &created["data"]), (201, &json!({ "a": "b" })), "{created}");
    let (code, _) = case.send_with_headers("POST", &path, &headers, body[..body.len() - 6].to_vec()).await;
    assert_eq!(code, 400, "a truncated body");
}

pub(crate) async fn self_reviews_answer_for_paths_and_list_rules(case: &TestCase) {
    case.grant_user(json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] }])).await;
    let jane = case.as_user();
    let is_allowed = async |attributes: Value| {
        let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": attributes });
        let (code, response) =
            jane.send("POST", &format!("{REVIEWS}/selfsubjectaccessreviews"), JSON, review).await;
        (code, response["status"]["allowed"].clone())
    };
    let path = |path: &str| json!({ "nonResourceAttributes": { "verb": "get", "path": path } });
    assert_eq!(is_allowed(path("/healthz")).await, (201, json!(true)));
    assert_eq!(is_allowed(path("/logs")).await, (201, json!(false)));
    assert_eq!(is_allowed(json!({})).await.0, 422);
    assert_eq!(jane.send("GET", "/apis", JSON, Value::Null).await.0, 200);
    assert_eq!(jane.send("GET", "/metrics", JSON, Value::Null).await.0, 403);

    let rules = async || {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview",
            "spec": { "namespace": case.namespace },
        });
        jane.send("POST", &format!("{REVIEWS}/selfsubjectrulesreviews"), JSON, review).await.1
    };
    crate::eventually("the rule is listed", || async {
        let status = rules().await["status"].clone();
        let listed = |rule: &Value| rule["resources"] == json!(["pods"]) && rule["verbs"] == json!(["list"]);
        status["resourceRules"].as_array().unwrap().iter().any(listed)
    })
    .await;
    let status = rules().await["status"].clone();
    let paths = status["nonResourceRules"].as_array().unwrap();
    assert!(paths.iter().any(|rule| rule["nonResourceURLs"].to_string().contains("/healthz")), "{status}");
}

pub(crate) async fn documents_describe_the_parameters_of_patches(case: &TestCase) {
    let (code, index) = case.send("GET", "/openapi/v3", JSON, Value::Null).await;
    assert_eq!(code, 200);
    for (group, kind, plural) in
        [("api/v1", "ConfigMap", "configmaps"), ("apis/apps/v1", "Deployment", "deployments")]
    {
        let url = index["paths"][group]["serverRelativeURL"].as_str().unwrap();
        let (_, document) = case.send("GET", url, JSON, Value::Null).await;
        let patch =
            &document["paths"][format!("/{group}/namespaces/{{namespace}}/{plural}/{{name}}")]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], kind);
        let parameters = patch["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|parameter| parameter["name"] == "fieldValidation"), "{patch}");
        let of_kind = |schema: &Value| schema["x-kubernetes-group-version-kind"][0]["kind"] == kind;
        let schema =
            document["components"]["schemas"].as_object().unwrap().values().find(|schema| of_kind(schema));
        assert!(schema.unwrap()["properties"]["metadata"].is_object(), "{kind}");
    }
}

pub(crate) async fn lists_are_rendered_as_tables(case: &TestCase) {
    case.config_maps()
        .create(&Default::default(), &serde_json::from_value(config_map("a", json!({ "x": "1" }))).unwrap())
        .await
        .unwrap();
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let path = format!("/api/v1/namespaces/{}/configmaps?fieldSelector=metadata.name%3Da", case.namespace);
    let (code, table) = case.send_with_headers("GET", &path, &[("accept", accept)], Vec::new()).await;
    assert_eq!((code, &table["kind"]), (200, &json!("Table")));
    let columns: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|column| column["name"].as_str())
        .collect();
    assert_eq!(columns, ["Name", "Data", "Age"]);
    let row = &table["rows"][0];
    assert_eq!((&row["cells"][0], &row["object"]["metadata"]["name"]), (&json!("a"), &json!("a")));
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
}

pub(crate) async fn workloads_are_scaled(case: &TestCase) {
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", case.namespace);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" },
        "spec": {
            "replicas": 0, "selector": { "matchLabels": { "a": "b" } },
            "template": {
                "metadata": { "labels": { "a": "b" } },
                "spec": { "containers": [{ "name": "c", "image": "registry.invalid/none" }] },
            },
        },
    });
    assert_eq!(case.send("POST", &path, JSON, deployment).await.0, 201);
    let (code, mut scale) = case.send("GET", &format!("{path}/d/scale"), JSON, Value::Null).await;
    assert_eq!(
        (code, &scale["kind"], scale["spec"]["replicas"].as_u64().unwrap_or(0)),
        (200, &json!("Scale"), 0)
    );
    scale["spec"]["replicas"] = json!(2);
    let (code, scaled) = case.send("PUT", &format!("{path}/d/scale"), JSON, scale.clone()).await;
    assert_eq!((code, &scaled["spec"]["replicas"]), (200, &json!(2)), "{scaled}");
    assert_eq!(case.send("PUT", &format!("{path}/d/scale"), JSON, scale).await.0, 409, "a stale version");
    let (_, deployment) = case.send("GET", &format!("{path}/d"), JSON, Value::Null).await;
    assert_eq!(deployment["spec"]["replicas"], 2);
    let patch = json!({ "spec": { "replicas": -1 } });
    let patched = case.send("PATCH", &format!("{path}/d/scale"), "application/merge-patch+json", patch).await;
    assert_eq!(patched.0, 422);
}

pub(crate) async fn directives_of_strategic_merge_patches_are_followed(case: &TestCase) {
    let mut object = config_map("a", json!({ "x": "1" }));
    object["metadata"]["finalizers"] = json!(["example.com/one", "example.com/two"]);
    let path = format!("/api/v1/namespaces/{}/configmaps", case.namespace);
    assert_eq!(case.send("POST", &path, JSON, object).await.0, 201);
    let patch = json!({
        "metadata": {
            "$deleteFromPrimitiveList/finalizers": ["example.com/one"],
            "$setElementOrder/finalizers": ["example.com/two"],
        },
        "data": { "$retainKeys": ["y"], "y": "2" },
    });
    let path = case.path("configmaps", "a");
    let (code, after) = case.send("PATCH", &path, "application/strategic-merge-patch+json", patch).await;
    assert_eq!((code, &after["metadata"]["finalizers"]), (200, &json!(["example.com/two"])), "{after}");
    assert_eq!(after["data"], json!({ "y": "2" }));
    let patch = json!({ "metadata": { "finalizers": null } });
    case.send("PATCH", &path, "application/merge-patch+json", patch).await;
}

pub(crate) async fn fields_move_between_managers_by_json_patch(case: &TestCase) {
    case.send(
        "POST",
        &format!("/api/v1/namespaces/{}/configmaps?fieldManager=one", case.namespace),
        JSON,
        config_map("a", json!({ "x": "1" })),
    )
    .await;
    let path = case.path("configmaps", "a");
    let (_, live) = case.send("GET", &path, JSON, Value::Null).await;
    let mut managed = live["metadata"]["managedFields"].clone();
    managed[0]["manager"] = json!("two");
    managed[0]["operation"] = json!("Apply");
    let patch = json!([
        { "op": "replace", "path": "/metadata/managedFields", "value": managed },
        { "op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"] },
    ]);
    let (code, patched) = case.send("PATCH", &path, "application/json-patch+json", patch).await;
    assert_eq!(
        (code, &patched["metadata"]["managedFields"][0]["manager"]),
        (200, &json!("two")),
        "{patched}"
    );
    let (code, _) = case.apply("configmaps", "a", "two", "", config_map("a", json!({ "x": "2" }))).await;
    assert_eq!(code, 200, "the new manager has no conflict with the old one");
}

pub(crate) async fn tokens_of_service_accounts_are_requested_for_a_limited_time(case: &TestCase) {
    let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", case.namespace);
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "robot" } });
    assert_eq!(case.send("POST", &accounts, JSON, account).await.0, 201);
    let request = |seconds: u64| {
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "expirationSeconds": seconds },
        })
    };
    let path = format!("{accounts}/robot/token");
    let (code, issued) = case.send("POST", &path, JSON, request(3_600)).await;
    assert_eq!((code, &issued["kind"]), (201, &json!("TokenRequest")), "{issued}");
    assert!(
        issued["status"]["token"].is_string() && issued["status"]["expirationTimestamp"].is_string(),
        "{issued}"
    );
    assert_eq!(case.send("POST", &path, JSON, request(60)).await.0, 422);
    assert_eq!(case.send("POST", &format!("{accounts}/missing/token"), JSON, request(3_600)).await.0, 404);

    let user = case.as_user();
    assert_eq!(user.send("POST", &path, JSON, request(3_600)).await.0, 403);
    case.grant_user(
        json!([{ "apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"] }]),
    )
    .await;
    crate::eventually("the role is in effect", || async {
        user.send("POST", &path, JSON, request(3_600)).await.0 == 201
    })
    .await;
}
