//! Waits of workspaces and projects: they are explained, are no failures, and end at once.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use hexabase_core::model::WaitReason;
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::Fleet;
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use hexabase_tests::{Client, TestApp};
use serde_json::{Value, json};

struct Setup {
    app: TestApp,
    sandbox: Sandbox,
    ann: Client,
    workspace: String,
}

impl Setup {
    /// Orders a workspace on a sandbox with these delays.
    async fn new(options: SandboxOptions) -> Self {
        let sandbox = Sandbox::start(options);
        let config = HostConfig { endpoint: sandbox.endpoint(), ..HostConfig::default() };
        let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
        let host = HostCluster::new(HostClusterName::parse("sandbox").unwrap());
        let fleet = Fleet::new().with(HostCluster { sandbox: true, ..host }, Arc::new(provisioner));
        let app = TestApp::with(|builder| builder.with_fleet(fleet)).await;
        let ann = app.sign_in("ann").await;
        let org = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        let id = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
        Self { app, sandbox, ann: ann.client, workspace: format!("{workspaces}/{id}") }
    }

    /// Runs the worker until an object fulfils a condition, and returns its states until then.
    async fn wait_until(&self, path: &str, condition: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut states = Vec::new();
        loop {
            let state = self.ann.get(path).await;
            let is_met = condition(&state);
            states.push(state);
            if is_met {
                return states;
            }
            self.app.run_worker().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Sends a request to the tenant's API server.
    async fn send_to_tenant(&self, method: &str, path: &str, media_type: &str, body: &Value) {
        let id = self.workspace.rsplit('/').next().unwrap().replacen('_', "-", 1);
        let client = kube::Client::new(self.sandbox.tenant(&id).unwrap(), "default");
        let request =
            axum::http::Request::builder().method(method).uri(path).header("content-type", media_type);
        client.request_text(request.body(body.to_string().into_bytes()).unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn a_workspace_waits_for_late_volumes_nodes_and_images_without_failing() {
    let late = Duration::from_millis(300);
    let options = || SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() };
    for (options, reason) in [
        (SandboxOptions { volume_delay: late, ..options() }, WaitReason::VolumePending),
        (SandboxOptions { node_delay: late, ..options() }, WaitReason::NodePending),
        (SandboxOptions { image_delay: late, ..options() }, WaitReason::ImagePending),
    ] {
        let setup = Setup::new(options).await;
        let states = setup.wait_until(&setup.workspace, |workspace| workspace["phase"] == "ready").await;
        assert!(states.iter().all(|state| state["phase"] != "failed"), "{reason}: {states:?}");
        let waiting = states.iter().find(|state| state["reason"] == reason.as_str()).unwrap();
        let message = waiting["message"].as_str().unwrap();
        assert!(message.contains(reason.description()) && message.contains(reason.remedy()), "{message}");
    }
}

#[tokio::test]
async fn a_project_says_that_it_waits_for_an_earlier_namespace_of_its_name() {
    let setup = Setup::new(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() }).await;
    let is_ready = |state: &Value| state["phase"] == "ready";
    setup.wait_until(&setup.workspace, is_ready).await;
    let projects = format!("{}/projects", setup.workspace);
    let create =
        async || format!("{projects}/{}", setup.ann.create(&projects, &json!({ "name": "web" })).await);
    let first = create().await;
    setup.wait_until(&first, is_ready).await;
    let path = "/api/v1/namespaces/web/configmaps";
    let object = json!({ "metadata": { "name": "c", "finalizers": ["example.com/wait"] } });
    setup.send_to_tenant("POST", path, "application/json", &object).await;
    setup.ann.send_ok(Method::DELETE, &first, &Value::Null).await;
    setup.wait_until(&setup.workspace, is_ready).await;

    let second = create().await;
    let reason = WaitReason::ProjectNamespaceTerminating;
    let explains =
        |state: &Value| state["message"].as_str().is_some_and(|text| text.contains(reason.description()));
    let project = setup.wait_until(&second, explains).await.pop().unwrap();
    assert_eq!(project["phase"], "pending");
    assert!(project["message"].as_str().unwrap().contains(reason.remedy()), "{project}");
    let workspace = setup.ann.get(&setup.workspace).await;
    assert_eq!((&workspace["phase"], &workspace["reason"]), (&json!("updating"), &json!(reason.as_str())));
    assert!(workspace["message"].as_str().unwrap().contains("waiting since"), "{workspace}");

    let released = json!({ "metadata": { "finalizers": null } });
    setup.send_to_tenant("PATCH", &format!("{path}/c"), "application/merge-patch+json", &released).await;
    let ready = setup.wait_until(&second, is_ready).await.pop().unwrap();
    assert_eq!(ready["message"], "");
}
