//! Where workspaces keep their objects, by their plan: from the order to the cluster.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::model::{ControlPlaneStore, Plan};
use hexabase_core::name::{HostClusterName, PlanId};
use hexabase_core::placement::HostCluster;
use hexabase_core::provisioner::Fleet;
use hexabase_k8s::sandbox::{Sandbox, SandboxOptions};
use hexabase_k8s::{HostSettings, VClusterProvisioner};
use hexabase_tests::{Client, World};
use serde_json::{Value, json};

/// Plans of one replica on a file, and of one, three and five on an etcd.
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
        plan("file", ControlPlaneStore::Sqlite, 1),
        plan("one", ControlPlaneStore::Etcd, 1),
        plan("three", ControlPlaneStore::Etcd, 3),
        plan("five", ControlPlaneStore::Etcd, 5),
    ]
}

struct Stage {
    world: World,
    sandbox: Sandbox,
    ann: Client,
    workspaces: String,
}

impl Stage {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions {
            startup: Duration::ZERO,
            termination: Duration::ZERO,
            ..SandboxOptions::default()
        });
        let settings = HostSettings { endpoint: sandbox.endpoint(), ..HostSettings::default() };
        let provisioner = VClusterProvisioner::new(sandbox.host_client(), sandbox.connector(), settings);
        let host = HostCluster::new(HostClusterName::parse("sandbox").unwrap());
        let fleet = Fleet::new().with(HostCluster { sandbox: true, ..host }, Arc::new(provisioner));
        let world = World::with(|builder| builder.with_fleet(fleet).with_plans(plans())).await;
        let ann = world.person("ann").await;
        let org = world.organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        Self { world, sandbox, ann: ann.client, workspaces }
    }

    async fn ready(&self, plan: &str) -> String {
        let wanted = json!({ "name": format!("on-{plan}"), "plan_id": plan });
        let id = self.ann.make(&self.workspaces, &wanted).await;
        let workspace = format!("{}/{id}", self.workspaces);
        self.world.ready(&self.ann, &workspace).await;
        workspace
    }

    /// How many pods the host runs for control planes and for what they keep their objects in.
    async fn pods(&self) -> (usize, usize) {
        let request = axum::http::Request::get("/api/v1/pods").body(Vec::new()).unwrap();
        let pods: Value = self.sandbox.host_client().request(request).await.unwrap();
        let of = |app: &str| {
            let all = pods["items"].as_array().unwrap().iter();
            all.filter(|pod| pod["metadata"]["labels"]["app"] == app).count()
        };
        (of("vcluster"), of("vcluster-etcd"))
    }

    async fn until(&self, workspace: &str, phase: &str) {
        while self.ann.get(workspace).await["phase"] != phase {
            self.world.settle().await;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_workspace_of_three_replicas_is_made_sleeps_wakes_and_goes() {
    let stage = Stage::new().await;
    let workspace = stage.ready("three").await;
    assert_eq!(stage.pods().await, (3, 3));
    for (verb, phase, pods) in [("suspend", "suspended", (0, 0)), ("resume", "ready", (3, 3))] {
        let answer = stage.ann.send(Method::POST, &format!("{workspace}/{verb}"), &Value::Null).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        stage.until(&workspace, phase).await;
        assert_eq!(stage.pods().await, pods, "{phase}");
    }
    let gone = stage.ann.send(Method::DELETE, &workspace, &Value::Null).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED, "{}", gone.text);
    while stage.pods().await != (0, 0) {
        stage.world.settle().await;
    }
}

#[tokio::test]
async fn a_workspace_stays_where_its_objects_are() {
    let stage = Stage::new().await;
    let (file, three) = (stage.ready("file").await, stage.ready("three").await);
    for (workspace, plan) in [(&file, "one"), (&file, "three"), (&three, "file"), (&three, "five")] {
        let answer = stage.ann.send(Method::PATCH, workspace, &json!({ "plan_id": plan })).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{plan}: {}", answer.text);
        let error = &answer.body["errors"][0];
        assert_eq!(error["field"], "plan_id");
        assert!(error["message"].as_str().unwrap().contains("cannot change to"), "{error}");
    }
    let free = stage.ann.send(Method::PATCH, &file, &json!({ "plan_id": "starter" })).await;
    assert_eq!(free.status, StatusCode::ACCEPTED, "another plan on a file: {}", free.text);
    stage.until(&file, "ready").await;
    assert_eq!(stage.pods().await, (4, 3));
}
