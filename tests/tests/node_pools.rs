//! Node pools, from the order to the nodes in the cluster.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
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
    /// Creates a workspace on this plan in a sandbox.
    async fn new(plan: &str) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
        let config = HostConfig { endpoint: sandbox.endpoint(), ..HostConfig::default() };
        let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
        let host = HostCluster::new(HostClusterName::parse("sandbox").unwrap());
        let fleet = Fleet::new().with(HostCluster { sandbox: true, ..host }, Arc::new(provisioner));
        let mut plans = hexabase_billing::plans::built_in();
        plans[1].dedicated_nodes = true;
        let app = TestApp::with(|builder| builder.with_fleet(fleet).with_plans(plans)).await;
        let ann = app.sign_in("ann").await;
        let org = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        let id = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": plan })).await;
        let workspace = format!("{workspaces}/{id}");
        app.wait_until_ready(&ann.client, &workspace).await;
        Self { app, sandbox, ann: ann.client, workspace }
    }

    async fn add_node(&self, name: &str) {
        let client = self.sandbox.host_client();
        let node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": { "name": name, "labels": { "hexabase.ai/node-class": "big" } },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        for (method, path) in
            [("POST", "/api/v1/nodes".to_owned()), ("PUT", format!("/api/v1/nodes/{name}/status"))]
        {
            let request = axum::http::Request::builder()
                .method(method)
                .uri(path)
                .header("content-type", "application/json");
            client.request_text(request.body(node.to_string().into_bytes()).unwrap()).await.unwrap();
        }
    }

    async fn order(&self, pool: &Value) -> (StatusCode, Value) {
        let response = self.ann.send(Method::POST, &format!("{}/node-pools", self.workspace), pool).await;
        (response.status, serde_json::from_str(&response.text).unwrap())
    }

    async fn pools(&self) -> Vec<Value> {
        self.ann.get(&format!("{}/node-pools", self.workspace)).await["items"].as_array().unwrap().clone()
    }

    /// Runs the worker until a field of the workspace has this value, and returns the workspace.
    async fn wait_until(&self, field: &str, value: &str) -> Value {
        loop {
            let workspace = self.ann.get(&self.workspace).await;
            if workspace[field] == value {
                return workspace;
            }
            self.app.run_worker().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn pool_request(nodes: u16) -> Value {
    json!({ "name": "own", "class": "big", "nodes": nodes })
}

#[tokio::test]
async fn a_pool_receives_free_nodes_and_releases_them_when_it_is_deleted() {
    let setup = Setup::new("team").await;
    setup.add_node("one").await;
    let (status, created) = setup.order(&pool_request(2)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{created}");
    let waiting = setup.wait_until("reason", "NoFreeNodes").await;
    assert_eq!(waiting["phase"], "updating");
    assert!(waiting["message"].as_str().unwrap().contains("1 more of class big"), "{waiting}");
    assert_eq!(setup.pools().await[0]["assigned"], json!(["one"]));

    setup.add_node("two").await;
    setup.wait_until("phase", "ready").await;
    assert_eq!(setup.pools().await[0]["assigned"], json!(["one", "two"]));
    let task = format!("{}/tasks/{}", setup.workspace, created["task_id"].as_str().unwrap());
    assert_eq!(setup.ann.get(&task).await["state"], "succeeded");

    let path = format!("{}/node-pools/{}", setup.workspace, created["id"].as_str().unwrap());
    setup.ann.send_ok(Method::DELETE, &path, &Value::Null).await;
    assert!(setup.pools().await.is_empty());
    setup.wait_until("phase", "ready").await;
    let again = setup.ann.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn node_pools_need_a_plan_with_dedicated_nodes() {
    let setup = Setup::new("starter").await;
    let (status, rejected) = setup.order(&pool_request(1)).await;
    assert_eq!((status, &rejected["code"]), (StatusCode::CONFLICT, &json!("not_in_plan")));

    let setup = Setup::new("team").await;
    assert_eq!(setup.order(&pool_request(1)).await.0, StatusCode::ACCEPTED);
    let smaller = json!({ "plan_id": "starter" });
    let response = setup.ann.send(Method::PATCH, &setup.workspace, &smaller).await;
    assert_eq!(response.status, StatusCode::CONFLICT);
    assert!(response.text.contains("no dedicated nodes"), "{}", response.text);
}

#[tokio::test]
async fn an_invalid_pool_is_rejected() {
    let setup = Setup::new("team").await;
    for (field, value) in
        [("name", json!("No Name")), ("class", json!("")), ("nodes", json!(0)), ("nodes", json!(101))]
    {
        let mut pool = pool_request(1);
        pool[field] = value;
        let (status, problem) = setup.order(&pool).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(setup.order(&pool_request(1)).await.0, StatusCode::ACCEPTED);
    let (status, taken) = setup.order(&pool_request(1)).await;
    assert_eq!((status, &taken["code"]), (StatusCode::CONFLICT, &json!("already_exists")));
}
