//! Stores of control planes, as the plan selects them.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::model::{ControlPlaneStore, Plan};
use hexabase_core::name::{HostClusterName, PlanId};
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::Fleet;
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostConfig, VClusterProvisioner};
use hexabase_tests::{Client, TestApp};
use serde_json::{Value, json};

/// Plans with one replica on SQLite, and with one, three and five replicas on etcd.
fn plans() -> Vec<Plan> {
    let first = hexabase_billing::plans::built_in().remove(0);
    let plan = |name: &str, store, replicas| {
        let mut plan = Plan { id: PlanId::parse(name).unwrap(), ..first.clone() };
        plan.control_plane.store = store;
        plan.control_plane.replicas = replicas;
        plan
    };
    vec![
        first.clone(),
        plan("sqlite", ControlPlaneStore::Sqlite, 1),
        plan("one", ControlPlaneStore::Etcd, 1),
        plan("three", ControlPlaneStore::Etcd, 3),
        plan("five", ControlPlaneStore::Etcd, 5),
    ]
}

struct Setup {
    app: TestApp,
    sandbox: Sandbox,
    ann: Client,
    workspaces: String,
}

impl Setup {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions {
            startup: Duration::ZERO,
            termination: Duration::ZERO,
            ..SandboxOptions::default()
        });
        let config = HostConfig { endpoint: sandbox.endpoint(), ..HostConfig::default() };
        let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), config);
        let host = HostCluster::new(HostClusterName::parse("sandbox").unwrap());
        let fleet = Fleet::new().with(HostCluster { sandbox: true, ..host }, Arc::new(provisioner));
        let app = TestApp::with(|builder| builder.with_fleet(fleet).with_plans(plans())).await;
        let ann = app.sign_in("ann").await;
        let org = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        Self { app, sandbox, ann: ann.client, workspaces }
    }

    async fn create_ready(&self, plan: &str) -> String {
        let request = json!({ "name": format!("on-{plan}"), "plan_id": plan });
        let id = self.ann.create(&self.workspaces, &request).await;
        let workspace = format!("{}/{id}", self.workspaces);
        self.app.wait_until_ready(&self.ann, &workspace).await;
        workspace
    }

    /// Numbers of pods on the host that run control planes and members of etcd.
    async fn pods(&self) -> (usize, usize) {
        let request = axum::http::Request::get("/api/v1/pods").body(Vec::new()).unwrap();
        let pods: Value = self.sandbox.host_client().request(request).await.unwrap();
        let of = |app: &str| {
            let all = pods["items"].as_array().unwrap().iter();
            all.filter(|pod| pod["metadata"]["labels"]["app"] == app).count()
        };
        (of("vcluster"), of("vcluster-etcd"))
    }

    async fn wait_for_phase(&self, workspace: &str, phase: &str) {
        while self.ann.get(workspace).await["phase"] != phase {
            self.app.run_worker().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_workspace_with_three_replicas_is_created_suspended_resumed_and_deleted() {
    let setup = Setup::new().await;
    let workspace = setup.create_ready("three").await;
    assert_eq!(setup.pods().await, (3, 3));
    for (verb, phase, pods) in [("suspend", "suspended", (0, 0)), ("resume", "ready", (3, 3))] {
        let response = setup.ann.send(Method::POST, &format!("{workspace}/{verb}"), &Value::Null).await;
        assert_eq!(response.status, StatusCode::ACCEPTED, "{}", response.text);
        setup.wait_for_phase(&workspace, phase).await;
        assert_eq!(setup.pods().await, pods, "{phase}");
    }
    let deleted = setup.ann.send(Method::DELETE, &workspace, &Value::Null).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{}", deleted.text);
    while setup.pods().await != (0, 0) {
        setup.app.run_worker().await;
    }
}

#[tokio::test]
async fn a_plan_change_cannot_change_the_store() {
    let setup = Setup::new().await;
    let (sqlite, three) = (setup.create_ready("sqlite").await, setup.create_ready("three").await);
    for (workspace, plan) in [(&sqlite, "one"), (&sqlite, "three"), (&three, "sqlite"), (&three, "five")] {
        let response = setup.ann.send(Method::PATCH, workspace, &json!({ "plan_id": plan })).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{plan}: {}", response.text);
        let error = &response.body["errors"][0];
        assert_eq!(error["field"], "plan_id");
        assert!(error["message"].as_str().unwrap().contains("cannot change to"), "{error}");
    }
    let same_store = setup.ann.send(Method::PATCH, &sqlite, &json!({ "plan_id": "starter" })).await;
    assert_eq!(same_store.status, StatusCode::ACCEPTED, "another plan with SQLite: {}", same_store.text);
    setup.wait_for_phase(&sqlite, "ready").await;
    assert_eq!(setup.pods().await, (4, 3));
}
