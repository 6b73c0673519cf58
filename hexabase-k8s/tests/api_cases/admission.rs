use serde_json::{Value, json};

use crate::{TestCase, eventually};

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

/// Sends a request as the ServiceAccount `default` of the namespace.
async fn send_as_service_account(case: &TestCase, path: &str, body: Value) -> (u16, Value) {
    let user = format!("system:serviceaccount:{}:default", case.namespace);
    let request = http::Request::post(path).header("content-type", JSON).header("impersonate-user", user);
    let request = request.body(kube::client::Body::from(body.to_string().into_bytes())).unwrap();
    let response = case.client.send(request).await.unwrap();
    let code = response.status().as_u16();
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap())
}

pub(crate) async fn an_impersonated_service_account_has_its_own_groups_and_permissions(case: &TestCase) {
    let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (code, review) = send_as_service_account(case, path, review).await;
    assert_eq!(code, 201, "{review}");
    let user = &review["status"]["userInfo"];
    assert_eq!(user["username"], format!("system:serviceaccount:{}:default", case.namespace));
    let groups = user["groups"].as_array().unwrap();
    for group in [
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{}", case.namespace),
        "system:authenticated".to_owned(),
    ] {
        assert!(groups.contains(&json!(group)), "{groups:?}");
    }
    let map = crate::config_map("a", json!({}));
    let path = format!("/api/v1/namespaces/{}/configmaps", case.namespace);
    let (code, response) = send_as_service_account(case, &path, map).await;
    let message = response["message"].as_str().unwrap();
    assert!(code == 403 && message.contains(":default\" cannot create resource"), "{response}");
}

pub(crate) async fn pods_that_violate_the_pod_security_level_are_rejected(case: &TestCase) {
    let label =
        |level: &str| json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": level } } });
    let namespace = format!("/api/v1/namespaces/{}", case.namespace);
    let restricted = json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{ "name": "a", "image": "a", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        } }],
    });
    let plain = json!({ "containers": [{ "name": "a", "image": "a" }] });
    let with = |field: &str, value: Value| {
        let mut spec = plain.clone();
        spec[field] = value;
        spec
    };
    let container =
        |context: Value| json!({ "containers": [{ "name": "a", "image": "a", "securityContext": context }] });
    let port = json!([{ "name": "a", "image": "a", "ports": [{ "containerPort": 80, "hostPort": 80 }] }]);
    for (level, spec, violation) in [
        ("baseline", plain.clone(), None),
        ("restricted", restricted, None),
        ("restricted", plain.clone(), Some("allowPrivilegeEscalation != false")),
        ("baseline", with("hostNetwork", json!(true)), Some("host namespaces")),
        ("baseline", with("hostPID", json!(true)), Some("host namespaces")),
        ("baseline", with("containers", port), Some("hostPort")),
        (
            "baseline",
            with("volumes", json!([{ "name": "v", "hostPath": { "path": "/" } }])),
            Some("hostPath volumes"),
        ),
        ("baseline", container(json!({ "privileged": true })), Some("privileged")),
        ("baseline", container(json!({ "capabilities": { "add": ["NET_ADMIN"] } })), Some("capabilities")),
        ("privileged", with("hostNetwork", json!(true)), None),
    ] {
        assert_eq!(case.send("PATCH", &namespace, MERGE, label(level)).await.0, 200);
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": spec });
        // An API server enforces a new level only after a moment.
        eventually(&format!("{level} decides as expected: {violation:?}"), || async {
            let (code, response) =
                case.send("POST", &format!("{namespace}/pods?dryRun=All"), JSON, pod.clone()).await;
            let message = response["message"].as_str().unwrap_or_default();
            match violation {
                None => code == 201,
                Some(violation) => {
                    code == 403 && message.contains("violates PodSecurity") && message.contains(violation)
                }
            }
        })
        .await;
    }
}
