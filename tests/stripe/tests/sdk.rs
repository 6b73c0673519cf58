//! Stripe's own client libraries make every call that Hexabase makes, and accept every response of the stand-in.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_test_servers::{peer, python};
use hexabase_test_stripe::{FakeStripe, sign};
use serde_json::json;

/// Runs a client library against a new stand-in, with a webhook that was signed here as its input.
async fn run_client(program: &Path, script: &Path) {
    let origin = FakeStripe::new(Arc::new(SystemClock)).serve().await;
    let payload = r#"{"id":"evt_1","object":"event","api_version":"2026-10-28.endive","type":"invoice.paid","data":{"object":{}}}"#;
    let secret = "whsec_of_this_test";
    let header = sign(payload.as_bytes(), &[secret], SystemClock.now().as_second());
    let signed = json!({ "payload": payload, "header": header, "secret": secret }).to_string();
    let mut command = Command::new(program);
    command.arg(script).arg(&origin).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_node_library_accepts_all_responses() {
    let (node, script) = peer("stripe.mjs");
    run_client(&node, &script).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_python_library_accepts_all_responses() {
    let (python, folder) = python();
    run_client(&python, &folder.join("stripe_sdk.py")).await;
}
