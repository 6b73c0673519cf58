//! Host clusters that operators register while the platform runs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::http::{Method, StatusCode};
use hexabase_core::name::HostClusterName;
use hexabase_core::worker::HostMonitor;
use hexabase_tests::hosts::{MEMORY_KUBECONFIG, UNREACHABLE_KUBECONFIG};
use hexabase_tests::{TestApp, TestUser};
use serde_json::{Value, json};

const CLUSTERS: &str = "/api/v1/admin/clusters";

struct Setup {
    app: TestApp,
    operator: TestUser,
    ann: TestUser,
    workspaces: String,
}

impl Setup {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let (operator, ann) = (app.sign_in("operator").await, app.sign_in("ann").await);
        let org = app.create_organization(&ann, "acme").await;
        Self { app, operator, ann, workspaces: format!("/api/v1/organizations/{org}/workspaces") }
    }

    async fn register(&self, cluster: &Value) -> Value {
        self.operator.client.send_ok(Method::POST, CLUSTERS, cluster).await
    }

    async fn change(&self, name: &str, change: &Value) -> Value {
        self.operator.client.send_ok(Method::PATCH, &format!("{CLUSTERS}/{name}"), change).await
    }

    async fn cluster(&self, name: &str) -> Value {
        self.operator.client.get(&format!("{CLUSTERS}/{name}")).await
    }

    /// Orders a workspace and returns it once it is ready.
    async fn order(&self, name: &str, region: &str) -> Value {
        let request = json!({ "name": name, "plan_id": "team", "region": region });
        let id = self.ann.client.create(&self.workspaces, &request).await;
        let path = format!("{}/{id}", self.workspaces);
        self.app.wait_until_ready(&self.ann.client, &path).await;
        self.ann.client.get(&path).await
    }

    /// Error code with which an order in this region is rejected.
    async fn rejection_code(&self, region: &str) -> Value {
        let request = json!({ "name": "rejected", "plan_id": "team", "region": region });
        let response = self.ann.client.send(Method::POST, &self.workspaces, &request).await;
        assert!(response.status.is_client_error(), "{}", response.text);
        serde_json::from_str::<Value>(&response.text).unwrap()["code"].take()
    }
}

fn cluster(name: &str, region: &str) -> Value {
    json!({ "name": name, "region": region, "kubeconfig": MEMORY_KUBECONFIG })
}

#[tokio::test]
async fn workspaces_of_a_region_are_placed_on_a_host_that_was_registered_there() {
    let setup = Setup::new().await;
    assert_eq!(setup.rejection_code("eu").await, "invalid");
    let created = setup.register(&cluster("fra-1", "eu")).await;
    assert_eq!((&created["capacity"], &created["registration"]["health"]), (&json!(null), &json!("unknown")));
    let ordered = setup.order("shop", "eu").await;
    assert_eq!(ordered["host_cluster"], "fra-1");
    assert_eq!(setup.cluster("fra-1").await["workspaces"], 1);
    let listed = setup.operator.client.get(CLUSTERS).await;
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["memory", "fra-1"]);
}

#[tokio::test]
async fn a_cordoned_host_keeps_its_workspaces_and_can_be_deleted_once_it_is_empty() {
    let setup = Setup::new().await;
    setup.register(&cluster("fra-1", "eu")).await;
    let shop = setup.order("shop", "eu").await;
    let path = format!("{CLUSTERS}/fra-1");
    let delete = async || setup.operator.client.send(Method::DELETE, &path, &Value::Null).await;
    let uncordoned = delete().await;
    assert_eq!(uncordoned.status, StatusCode::CONFLICT);
    assert!(uncordoned.text.contains("host_not_cordoned"), "{}", uncordoned.text);

    assert_eq!(setup.change("fra-1", &json!({ "cordoned": true })).await["cordoned"], true);
    assert_eq!(setup.rejection_code("eu").await, "quota_exceeded");
    let used = delete().await;
    assert!(used.text.contains("host_in_use"), "{}", used.text);

    let workspace = format!("{}/{}", setup.workspaces, shop["id"].as_str().unwrap());
    setup.ann.client.send_ok(Method::DELETE, &workspace, &Value::Null).await;
    let gone = async || {
        setup.ann.client.send(Method::GET, &workspace, &Value::Null).await.status == StatusCode::NOT_FOUND
    };
    while !gone().await {
        setup.app.run_worker().await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(delete().await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete().await.status, StatusCode::NOT_FOUND);
    assert_eq!(setup.rejection_code("eu").await, "invalid");
}

#[tokio::test]
async fn a_full_host_accepts_no_workspace() {
    let setup = Setup::new().await;
    let mut small = cluster("fra-1", "eu");
    small["capacity"] = json!(1);
    setup.register(&small).await;
    setup.order("shop", "eu").await;
    assert_eq!(setup.rejection_code("eu").await, "quota_exceeded");
    setup.change("fra-1", &json!({ "capacity": null })).await;
    setup.order("more", "eu").await;
}

#[tokio::test]
async fn an_unreachable_host_accepts_no_workspace_until_it_responds() {
    let setup = Setup::new().await;
    let mut unreachable = cluster("fra-1", "eu");
    unreachable["kubeconfig"] = json!(UNREACHABLE_KUBECONFIG);
    setup.register(&unreachable).await;
    let monitor = HostMonitor::new(&setup.app.platform);
    monitor.check().await.unwrap();
    let registration = setup.cluster("fra-1").await["registration"].take();
    assert_eq!(registration["health"], "unreachable");
    assert_ne!(registration["message"], "");
    assert_eq!(setup.rejection_code("eu").await, "quota_exceeded");

    setup.change("fra-1", &json!({ "kubeconfig": MEMORY_KUBECONFIG })).await;
    monitor.check().await.unwrap();
    let registration = setup.cluster("fra-1").await["registration"].take();
    assert_eq!((&registration["health"], &registration["message"]), (&json!("healthy"), &json!("")));
    // A check that finds no change writes nothing.
    monitor.check().await.unwrap();
    assert_eq!(setup.cluster("fra-1").await["registration"], registration);
    setup.order("shop", "eu").await;
}

#[tokio::test]
async fn a_kubeconfig_is_stored_encrypted_and_never_returned() {
    let setup = Setup::new().await;
    let created = setup.register(&cluster("fra-1", "eu")).await;
    let responses = [created, setup.cluster("fra-1").await, setup.operator.client.get(CLUSTERS).await];
    assert!(
        responses.iter().all(|response| !response.to_string().contains("secret kubeconfig")),
        "{responses:?}"
    );
    let name = HostClusterName::parse("fra-1").unwrap();
    let stored = setup.app.platform.store().find_host(&name).await.unwrap().unwrap();
    let contains_kubeconfig = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("secret kubeconfig");
    assert!(!contains_kubeconfig(&stored.sealed_kubeconfig) && !format!("{stored:?}").contains("sealed"));
}

#[tokio::test]
async fn an_invalid_registration_is_rejected_and_changes_nothing() {
    let setup = Setup::new().await;
    let with = |field: &str, value: Value| {
        let mut cluster = cluster("fra-1", "eu");
        cluster[field] = value;
        cluster
    };
    let exec = UNREACHABLE_KUBECONFIG
        .replace("{token: secret}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: id}}");
    for (field, value, error_field) in [
        ("name", json!("Fra 1"), "name"),
        ("region", json!("E U"), "region"),
        ("kubeconfig", json!("{"), "kubeconfig"),
        ("kubeconfig", json!(exec), "kubeconfig"),
        ("labels", json!({ "a b": "c" }), "labels"),
        ("settings", json!({ "colour": "red" }), "settings.colour"),
        ("settings", json!({ "tenant_endpoint": "https://one.example" }), "settings.tenant_endpoint"),
        ("settings", json!({ "service_cidr": "10.0.0.0/99" }), "settings.service_cidr"),
    ] {
        let response = setup.operator.client.send(Method::POST, CLUSTERS, &with(field, value)).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", response.text);
        let problem: Value = serde_json::from_str(&response.text).unwrap();
        assert_eq!(problem["errors"][0]["field"], error_field, "{problem}");
    }
    assert_eq!(setup.operator.client.get(CLUSTERS).await["items"].as_array().unwrap().len(), 1);

    setup.register(&cluster("fra-1", "eu")).await;
    for existing_name in ["fra-1", "memory"] {
        let again = setup.operator.client.send(Method::POST, CLUSTERS, &cluster(existing_name, "eu")).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    }
    let bad = json!({ "settings": { "colour": "red" } });
    let response = setup.operator.client.send(Method::PATCH, &format!("{CLUSTERS}/fra-1"), &bad).await;
    assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", response.text);
    assert_eq!(setup.cluster("fra-1").await["registration"]["version"], 1);
}

#[tokio::test]
async fn a_configured_host_cannot_be_changed_and_an_outdated_version_is_rejected() {
    let setup = Setup::new().await;
    for method in [Method::PATCH, Method::DELETE] {
        let body = if method == Method::PATCH { json!({ "cordoned": true }) } else { Value::Null };
        let response = setup.operator.client.send(method, &format!("{CLUSTERS}/memory"), &body).await;
        assert_eq!(response.status, StatusCode::CONFLICT);
        assert!(response.text.contains("not_registered"), "{}", response.text);
    }
    setup.register(&cluster("fra-1", "eu")).await;
    setup.change("fra-1", &json!({ "labels": { "gpu": "a100" } })).await;
    let late = setup.operator.client.clone().with_header("if-match", "\"1\"");
    let response = late.send(Method::PATCH, &format!("{CLUSTERS}/fra-1"), &json!({ "labels": {} })).await;
    assert_eq!(response.status, StatusCode::PRECONDITION_FAILED, "{}", response.text);
    assert_eq!(setup.cluster("fra-1").await["labels"], json!({ "gpu": "a100" }));
}

#[tokio::test]
async fn two_registrations_with_one_idempotency_key_register_one_host() {
    let setup = Setup::new().await;
    let client = setup.operator.client.clone().with_header("idempotency-key", "k1");
    let first = client.send(Method::POST, CLUSTERS, &cluster("fra-1", "eu")).await;
    let second = client.send(Method::POST, CLUSTERS, &cluster("fra-1", "eu")).await;
    assert_eq!((first.status, &first.text), (second.status, &second.text));
    assert_eq!(second.headers["idempotency-replayed"], "true");
}
