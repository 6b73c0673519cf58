//! Nodes that workspaces have to themselves, from the order to the cluster.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::name::HostClusterName;
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::Fleet;
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use hexabase_tests::{Client, World};
use serde_json::{Value, json};

struct Stage {
    world: World,
    sandbox: Sandbox,
    ann: Client,
    workspace: String,
}

impl Stage {
    /// A workspace of a plan on a sandbox.
    async fn new(plan: &str) -> Self {
        let sandbox = Sandbox::start(SandboxOptions { startup: Duration::ZERO, ..SandboxOptions::default() });
        let settings = HostSettings { endpoint: sandbox.endpoint(), ..HostSettings::default() };
        let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), settings);
        let host = HostCluster::new(HostClusterName::parse("sandbox").unwrap());
        let fleet = Fleet::new().with(HostCluster { sandbox: true, ..host }, Arc::new(provisioner));
        let mut plans = hexabase_billing::plans::built_in();
        plans[1].dedicated_nodes = true;
        let world = World::with(|builder| builder.with_fleet(fleet).with_plans(plans)).await;
        let ann = world.person("ann").await;
        let org = world.organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        let id = ann.client.make(&workspaces, &json!({ "name": "shop", "plan_id": plan })).await;
        let workspace = format!("{workspaces}/{id}");
        world.ready(&ann.client, &workspace).await;
        Self { world, sandbox, ann: ann.client, workspace }
    }

    async fn set_aside(&self, name: &str) {
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
        let answer = self.ann.send(Method::POST, &format!("{}/node-pools", self.workspace), pool).await;
        (answer.status, serde_json::from_str(&answer.text).unwrap())
    }

    async fn pools(&self) -> Vec<Value> {
        self.ann.get(&format!("{}/node-pools", self.workspace)).await["items"].as_array().unwrap().clone()
    }

    /// Works until the workspace says something.
    async fn until(&self, field: &str, value: &str) -> Value {
        loop {
            let seen = self.ann.get(&self.workspace).await;
            if seen[field] == value {
                return seen;
            }
            self.world.settle().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

fn wanted(nodes: u16) -> Value {
    json!({ "name": "own", "class": "big", "nodes": nodes })
}

#[tokio::test]
async fn nodes_come_as_they_are_free_and_go_when_the_pool_does() {
    let stage = Stage::new("team").await;
    stage.set_aside("one").await;
    let (status, made) = stage.order(&wanted(2)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{made}");
    let waiting = stage.until("reason", "NoFreeNodes").await;
    assert_eq!(waiting["phase"], "updating");
    assert!(waiting["message"].as_str().unwrap().contains("1 more of class big"), "{waiting}");
    assert_eq!(stage.pools().await[0]["assigned"], json!(["one"]));

    stage.set_aside("two").await;
    stage.until("phase", "ready").await;
    assert_eq!(stage.pools().await[0]["assigned"], json!(["one", "two"]));
    let task = format!("{}/tasks/{}", stage.workspace, made["task_id"].as_str().unwrap());
    assert_eq!(stage.ann.get(&task).await["state"], "succeeded");

    let path = format!("{}/node-pools/{}", stage.workspace, made["id"].as_str().unwrap());
    stage.ann.must(Method::DELETE, &path, &Value::Null).await;
    assert!(stage.pools().await.is_empty());
    stage.until("phase", "ready").await;
    let again = stage.ann.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_plans_with_dedicated_nodes_have_them_and_keep_them() {
    let stage = Stage::new("starter").await;
    let (status, refused) = stage.order(&wanted(1)).await;
    assert_eq!((status, &refused["code"]), (StatusCode::CONFLICT, &json!("quota_exceeded")));

    let stage = Stage::new("team").await;
    assert_eq!(stage.order(&wanted(1)).await.0, StatusCode::ACCEPTED);
    let smaller = json!({ "plan_id": "starter" });
    let answer = stage.ann.send(Method::PATCH, &stage.workspace, &smaller).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.text.contains("no dedicated nodes"), "{}", answer.text);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let stage = Stage::new("team").await;
    for (field, value) in
        [("name", json!("No Name")), ("class", json!("")), ("nodes", json!(0)), ("nodes", json!(101))]
    {
        let mut pool = wanted(1);
        pool[field] = value;
        let (status, problem) = stage.order(&pool).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    assert_eq!(stage.order(&wanted(1)).await.0, StatusCode::ACCEPTED);
    let (status, taken) = stage.order(&wanted(1)).await;
    assert_eq!((status, &taken["code"]), (StatusCode::CONFLICT, &json!("already_exists")));
}
