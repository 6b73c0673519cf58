//! Requests to the Kubernetes sandbox: paths, selectors, continue tokens, and objects as JSON or YAML.
#![no_main]

use std::sync::OnceLock;

use bytes::Bytes;
use hexabase_fuzz::{block_on, selector, text, two_parts};
use hexabase_k8s::sandbox::{Sandbox, SandboxApi, SandboxOptions};
use http::Request;
use libfuzzer_sys::fuzz_target;

fn send(api: &SandboxApi, method: &str, uri: &str, body: &[u8]) {
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let Ok(request) = request.body(Bytes::copy_from_slice(body)) else { return };
    let status = api.respond(&request).status().as_u16();
    assert!(status < 500, "{method} {uri}: {status}");
}

fn start() -> (Sandbox, SandboxApi) {
    let sandbox = block_on(async { Sandbox::start(SandboxOptions::default()) });
    let api = sandbox.host();
    send(&api, "POST", "/api/v1/namespaces", br#"{"metadata":{"name":"default"}}"#);
    for name in ["one", "two", "three"] {
        let body = format!(r#"{{"metadata":{{"name":"{name}","labels":{{"app":"{name}"}}}}}}"#);
        send(&api, "POST", "/api/v1/namespaces/default/configmaps", body.as_bytes());
    }
    (sandbox, api)
}

fuzz_target!(|data: &[u8]| {
    static SANDBOX: OnceLock<(Sandbox, SandboxApi)> = OnceLock::new();
    let (_, api) = SANDBOX.get_or_init(start);
    let Some((form, rest)) = selector(data) else { return };
    match form % 3 {
        0 => {
            let Some(query) = text(rest) else { return };
            send(api, "GET", &format!("/api/v1/namespaces/default/configmaps?{query}"), &[]);
        }
        1 => {
            let (path, _) = two_parts(rest);
            let Some(path) = text(path).filter(|path| !path.contains("watch")) else { return };
            send(api, "GET", &format!("/{path}"), &[]);
        }
        _ => send(api, "POST", "/api/v1/namespaces/default/pods?dryRun=All", rest),
    }
});
