//! Host clusters that operators register while the platform runs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use axum::http::{Method, StatusCode};
use hexabase_core::name::HostClusterName;
use hexabase_core::worker::HostKeeper;
use hexabase_tests::hosts::{KUBECONFIG, NOWHERE};
use hexabase_tests::{Person, World};
use serde_json::{Value, json};

const CLUSTERS: &str = "/api/v1/admin/clusters";

struct Stage {
    world: World,
    operator: Person,
    ann: Person,
    workspaces: String,
}

impl Stage {
    async fn new() -> Self {
        let world = World::new().await;
        let (operator, ann) = (world.person("operator").await, world.person("ann").await);
        let org = world.organization(&ann, "acme").await;
        Self { world, operator, ann, workspaces: format!("/api/v1/organizations/{org}/workspaces") }
    }

    async fn register(&self, cluster: &Value) -> Value {
        self.operator.client.must(Method::POST, CLUSTERS, cluster).await
    }

    async fn change(&self, name: &str, change: &Value) -> Value {
        self.operator.client.must(Method::PATCH, &format!("{CLUSTERS}/{name}"), change).await
    }

    async fn cluster(&self, name: &str) -> Value {
        self.operator.client.get(&format!("{CLUSTERS}/{name}")).await
    }

    /// Orders a workspace, and answers it as it is when it is ready.
    async fn order(&self, name: &str, region: &str) -> Value {
        let wanted = json!({ "name": name, "plan_id": "team", "region": region });
        let id = self.ann.client.make(&self.workspaces, &wanted).await;
        let path = format!("{}/{id}", self.workspaces);
        self.world.ready(&self.ann.client, &path).await;
        self.ann.client.get(&path).await
    }

    /// What an order is refused with.
    async fn refused(&self, region: &str) -> Value {
        let wanted = json!({ "name": "refused", "plan_id": "team", "region": region });
        let answer = self.ann.client.send(Method::POST, &self.workspaces, &wanted).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
        serde_json::from_str::<Value>(&answer.text).unwrap()["code"].take()
    }
}

fn cluster(name: &str, region: &str) -> Value {
    json!({ "name": name, "region": region, "kubeconfig": KUBECONFIG })
}

#[tokio::test]
async fn workspaces_of_a_region_go_to_a_cluster_that_was_registered_there() {
    let stage = Stage::new().await;
    assert_eq!(stage.refused("eu").await, "invalid");
    let made = stage.register(&cluster("fra-1", "eu")).await;
    assert_eq!((&made["capacity"], &made["registration"]["health"]), (&json!(null), &json!("unknown")));
    let ordered = stage.order("shop", "eu").await;
    assert_eq!(ordered["host_cluster"], "fra-1");
    assert_eq!(stage.cluster("fra-1").await["workspaces"], 1);
    let listed = stage.operator.client.get(CLUSTERS).await;
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["memory", "fra-1"]);
}

#[tokio::test]
async fn a_cordoned_cluster_takes_nothing_new_and_keeps_what_it_has_until_that_is_gone() {
    let stage = Stage::new().await;
    stage.register(&cluster("fra-1", "eu")).await;
    let shop = stage.order("shop", "eu").await;
    let path = format!("{CLUSTERS}/fra-1");
    let forget = async || stage.operator.client.send(Method::DELETE, &path, &Value::Null).await;
    let open = forget().await;
    assert_eq!(open.status, StatusCode::CONFLICT);
    assert!(open.text.contains("host_not_cordoned"), "{}", open.text);

    assert_eq!(stage.change("fra-1", &json!({ "cordoned": true })).await["cordoned"], true);
    assert_eq!(stage.refused("eu").await, "quota_exceeded");
    let used = forget().await;
    assert!(used.text.contains("host_in_use"), "{}", used.text);

    let workspace = format!("{}/{}", stage.workspaces, shop["id"].as_str().unwrap());
    stage.ann.client.must(Method::DELETE, &workspace, &Value::Null).await;
    let gone = async || {
        stage.ann.client.send(Method::GET, &workspace, &Value::Null).await.status == StatusCode::NOT_FOUND
    };
    while !gone().await {
        stage.world.settle().await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    assert_eq!(forget().await.status, StatusCode::NO_CONTENT);
    assert_eq!(forget().await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage.refused("eu").await, "invalid");
}

#[tokio::test]
async fn a_full_cluster_takes_nothing_more() {
    let stage = Stage::new().await;
    let mut small = cluster("fra-1", "eu");
    small["capacity"] = json!(1);
    stage.register(&small).await;
    stage.order("shop", "eu").await;
    assert_eq!(stage.refused("eu").await, "quota_exceeded");
    stage.change("fra-1", &json!({ "capacity": null })).await;
    stage.order("more", "eu").await;
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_says_so_and_takes_nothing_until_it_does() {
    let stage = Stage::new().await;
    let mut away = cluster("fra-1", "eu");
    away["kubeconfig"] = json!(NOWHERE);
    stage.register(&away).await;
    let keeper = HostKeeper::new(&stage.world.platform);
    keeper.keep().await.unwrap();
    let registration = stage.cluster("fra-1").await["registration"].take();
    assert_eq!(registration["health"], "unreachable");
    assert_ne!(registration["message"], "");
    assert_eq!(stage.refused("eu").await, "quota_exceeded");

    stage.change("fra-1", &json!({ "kubeconfig": KUBECONFIG })).await;
    keeper.keep().await.unwrap();
    let registration = stage.cluster("fra-1").await["registration"].take();
    assert_eq!((&registration["health"], &registration["message"]), (&json!("healthy"), &json!("")));
    // Nothing is written while nothing changes.
    keeper.keep().await.unwrap();
    assert_eq!(stage.cluster("fra-1").await["registration"], registration);
    stage.order("shop", "eu").await;
}

#[tokio::test]
async fn the_way_to_a_cluster_is_kept_encrypted_and_never_shown() {
    let stage = Stage::new().await;
    let made = stage.register(&cluster("fra-1", "eu")).await;
    let shown = [made, stage.cluster("fra-1").await, stage.operator.client.get(CLUSTERS).await];
    assert!(shown.iter().all(|shown| !shown.to_string().contains("secret way")), "{shown:?}");
    let name = HostClusterName::parse("fra-1").unwrap();
    let kept = stage.world.platform.store().find_host(&name).await.unwrap().unwrap();
    let in_clear = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("secret way");
    assert!(!in_clear(&kept.sealed_kubeconfig) && !format!("{kept:?}").contains("sealed"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let stage = Stage::new().await;
    let with = |field: &str, value: Value| {
        let mut cluster = cluster("fra-1", "eu");
        cluster[field] = value;
        cluster
    };
    let exec = NOWHERE
        .replace("{token: secret}", "{exec: {apiVersion: client.authentication.k8s.io/v1, command: id}}");
    for (field, value, named) in [
        ("name", json!("Fra 1"), "name"),
        ("region", json!("E U"), "region"),
        ("kubeconfig", json!("{"), "kubeconfig"),
        ("kubeconfig", json!(exec), "kubeconfig"),
        ("labels", json!({ "a b": "c" }), "labels"),
        ("settings", json!({ "colour": "red" }), "settings.colour"),
        ("settings", json!({ "tenant_endpoint": "https://one.example" }), "settings.tenant_endpoint"),
        ("settings", json!({ "service_cidr": "10.0.0.0/99" }), "settings.service_cidr"),
    ] {
        let answer = stage.operator.client.send(Method::POST, CLUSTERS, &with(field, value)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{field}: {}", answer.text);
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["errors"][0]["field"], named, "{problem}");
    }
    assert_eq!(stage.operator.client.get(CLUSTERS).await["items"].as_array().unwrap().len(), 1);

    stage.register(&cluster("fra-1", "eu")).await;
    for taken in ["fra-1", "memory"] {
        let again = stage.operator.client.send(Method::POST, CLUSTERS, &cluster(taken, "eu")).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    }
    let bad = json!({ "settings": { "colour": "red" } });
    let answer = stage.operator.client.send(Method::PATCH, &format!("{CLUSTERS}/fra-1"), &bad).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
    assert_eq!(stage.cluster("fra-1").await["registration"]["version"], 1);
}

#[tokio::test]
async fn a_cluster_of_the_settings_is_changed_there_and_a_version_that_is_past_changes_nothing() {
    let stage = Stage::new().await;
    for method in [Method::PATCH, Method::DELETE] {
        let body = if method == Method::PATCH { json!({ "cordoned": true }) } else { Value::Null };
        let answer = stage.operator.client.send(method, &format!("{CLUSTERS}/memory"), &body).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.text.contains("not_registered"), "{}", answer.text);
    }
    stage.register(&cluster("fra-1", "eu")).await;
    stage.change("fra-1", &json!({ "labels": { "gpu": "a100" } })).await;
    let late = stage.operator.client.clone().with_header("if-match", "\"1\"");
    let answer = late.send(Method::PATCH, &format!("{CLUSTERS}/fra-1"), &json!({ "labels": {} })).await;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{}", answer.text);
    assert_eq!(stage.cluster("fra-1").await["labels"], json!({ "gpu": "a100" }));
}

#[tokio::test]
async fn registering_twice_with_one_key_registers_once() {
    let stage = Stage::new().await;
    let client = stage.operator.client.clone().with_header("idempotency-key", "k1");
    let first = client.send(Method::POST, CLUSTERS, &cluster("fra-1", "eu")).await;
    let second = client.send(Method::POST, CLUSTERS, &cluster("fra-1", "eu")).await;
    assert_eq!((first.status, &first.text), (second.status, &second.text));
    assert_eq!(second.headers["idempotency-replayed"], "true");
}
