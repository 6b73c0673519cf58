//! Patches of the Kubernetes sandbox: JSON patch, merge patch, strategic merge patch and server-side apply. No patch is
//! stored.
#![no_main]

use std::sync::OnceLock;

use bytes::Bytes;
use hexabase_fuzz::{block_on, selector};
use hexabase_k8s::sandbox::{Sandbox, SandboxApi, SandboxOptions};
use http::Request;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

const MEDIA_TYPES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const OBJECTS: [&str; 3] = [
    "/api/v1/namespaces/default/configmaps/one",
    "/apis/apps/v1/namespaces/default/deployments/one",
    "/api/v1/namespaces/default/services/one",
];

fn send(api: &SandboxApi, method: &str, path: &str, media_type: &str, body: Bytes) -> u16 {
    let request = Request::builder().method(method).uri(path).header("content-type", media_type).body(body);
    api.respond(&request.expect("is a request")).status().as_u16()
}

/// API server with one object of each kind.
fn start() -> (Sandbox, SandboxApi) {
    let sandbox = block_on(async { Sandbox::start(SandboxOptions::default()) });
    let api = sandbox.host();
    let create = |path: &str, body: &Value| {
        let status = send(&api, "POST", path, "application/json", body.to_string().into());
        assert!([201, 409].contains(&status), "{path}: {status}");
    };
    create("/api/v1/namespaces", &json!({ "metadata": { "name": "default" } }));
    let metadata = json!({ "name": "one", "labels": { "app": "one" }, "finalizers": ["example.com/one"] });
    let pod = json!({
        "metadata": { "labels": { "app": "one" } },
        "spec": { "containers": [{ "name": "one", "image": "one", "env": [{ "name": "A", "value": "1" }] }] },
    });
    create(
        "/api/v1/namespaces/default/configmaps",
        &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": "1", "b": "2" } }),
    );
    create(
        "/apis/apps/v1/namespaces/default/deployments",
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": { "replicas": 1, "selector": { "matchLabels": { "app": "one" } }, "template": pod },
        }),
    );
    create(
        "/api/v1/namespaces/default/services",
        &json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": { "ports": [{ "port": 80, "protocol": "TCP" }], "selector": { "app": "one" } },
        }),
    );
    (sandbox, api)
}

fuzz_target!(|data: &[u8]| {
    static SANDBOX: OnceLock<(Sandbox, SandboxApi)> = OnceLock::new();
    let (_, api) = SANDBOX.get_or_init(start);
    let Some((form, body)) = selector(data) else { return };
    let media_type = MEDIA_TYPES[form % MEDIA_TYPES.len()];
    let object = OBJECTS[form / MEDIA_TYPES.len() % OBJECTS.len()];
    let path = format!("{object}?dryRun=All&fieldManager=fuzz&force=true");
    let path = if media_type.contains("apply") { path } else { path.replace("&force=true", "") };
    let status = send(api, "PATCH", &path, media_type, Bytes::copy_from_slice(body));
    assert!(status < 500, "{status}");
});
