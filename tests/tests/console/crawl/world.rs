//! Platform with objects of every kind, and a user of every role.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use hexabase_core::alerts::MemoryAlerts;
use hexabase_core::changeset::{OutboxMessage, Topic};
use hexabase_core::clock::SystemClock;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::logs::MemoryLogs;
use hexabase_core::metrics::SandboxMetrics;
use hexabase_core::store::MemoryStore;
use hexabase_tests::hosts::MEMORY_KUBECONFIG;
use hexabase_tests::{TestApp, TestUser, plans};
use serde_json::{Value, json};

use super::super::Browser;

/// Users of the world: their names, and what distinguishes them.
const USERS: [(&str, &str); 10] = [
    ("ann", "owner and workspace administrator"),
    ("owner", "owner"),
    ("admin", "administrator"),
    ("billing", "billing manager"),
    ("member", "member"),
    ("developer", "member with a workspace"),
    ("reader", "member who reads a project"),
    ("outsider", "owner of other organizations"),
    ("operator", "platform administrator"),
    ("late", "user with an open invitation"),
];

/// Platform with an organization in which there is an object of every kind.
pub(super) struct World {
    app: TestApp,
}

impl World {
    pub(super) async fn new() -> Self {
        let (store, clock) = (Arc::new(MemoryStore::new()), Arc::new(SystemClock));
        let metrics = Arc::new(SandboxMetrics::new(clock.clone(), store.clone()));
        let alerts = MemoryAlerts::for_demonstration(store.clone(), metrics.clone(), plans(), clock.clone());
        let logs = MemoryLogs::for_demonstration(store.clone(), clock);
        let app = TestApp::with_console_and(|builder| {
            let builder = builder.with_store(store).with_metrics(metrics);
            builder.with_alerts(Arc::new(alerts)).with_logs(Arc::new(logs))
        });
        let app = app.await;
        let ann = app.sign_in("ann").await;
        let params = app.create_full_organization(&ann, "acme").await;
        let organization = format!("/api/v1/organizations/{}", params.id("org"));
        for (name, role) in [
            ("owner", "owner"),
            ("admin", "admin"),
            ("billing", "billing"),
            ("member", "member"),
            ("developer", "member"),
            ("reader", "member"),
        ] {
            app.add_member(&ann, params.id("org"), name, role).await;
        }
        let workspace = format!("{organization}/workspaces/{}", params.id("ws"));
        fill_workspace(&app, &ann, &workspace, params.id("prj"), params.id("grp")).await;
        fill_organization(&ann, &organization).await;
        let outsider = app.sign_in("outsider").await;
        app.create_organization(&outsider, "others").await;
        let closed = app.create_organization(&outsider, "closed").await;
        fill_installation(&app, &closed).await;

        // The worker runs no more from here on, so that one workspace remains in progress.
        let workspaces = format!("{organization}/workspaces");
        let create = async |name: &str| {
            ann.client.create(&workspaces, &json!({ "name": name, "plan_id": "starter" })).await
        };
        let suspended = format!("{workspaces}/{}", create("archive").await);
        app.wait_until_ready(&ann.client, &suspended).await;
        ann.client.send_ok(Method::POST, &format!("{suspended}/suspend"), &Value::Null).await;
        while ann.client.get(&suspended).await["phase"] != "suspended" {
            app.run_worker().await;
        }
        create("new").await;
        Self { app }
    }

    /// Browsers of all users with their roles, and one without a session.
    pub(super) async fn browsers(&self) -> Vec<(&'static str, Browser<'_>)> {
        self.browsers_in("en").await
    }

    /// Browsers of all users in a language.
    pub(super) async fn browsers_in(&self, language: &str) -> Vec<(&'static str, Browser<'_>)> {
        let mut browsers = vec![("anonymous", Browser::new(&self.app))];
        for (name, role) in USERS {
            browsers.push((role, Browser::sign_in(&self.app, name).await));
        }
        for (_, browser) in &mut browsers {
            browser.cookies = format!("{}; hexabase_preferences={language}.", browser.cookies);
        }
        browsers
    }
}

/// Nested projects and groups, a developer, a reader, and an alert that is firing.
async fn fill_workspace(app: &TestApp, ann: &TestUser, workspace: &str, project: &str, admins: &str) {
    let client = &ann.client;
    let nested = json!({ "name": "api", "parent_id": project, "quota": { "cpu": "1", "memory": "1Gi" } });
    let quota = json!({ "cpu": "2", "memory": "2Gi" });
    client.send_ok(Method::PUT, &format!("{workspace}/projects/{project}/quota"), &quota).await;
    client.create(&format!("{workspace}/projects"), &nested).await;
    let groups = format!("{workspace}/groups");
    let readers = client.create(&groups, &json!({ "name": "readers", "parent_id": admins })).await;
    client.create(&groups, &json!({ "name": "nested-readers", "parent_id": readers })).await;
    let alone = client.create(&groups, &json!({ "name": "viewers" })).await;
    let assignment = json!({ "group_id": alone, "role": "hexabase:project-viewer" });
    client.create(&format!("{workspace}/projects/{project}/role-assignments"), &assignment).await;
    for (name, group) in [("developer", admins), ("reader", &alone)] {
        let user = app.sign_in(name).await.id;
        client.send_ok(Method::PUT, &format!("{groups}/{group}/members/{user}"), &Value::Null).await;
    }
    let rule = json!({
        "name": "memory-used", "metric": "memory", "comparison": "above", "threshold": 1_048_576, "for": "1m",
        "severity": "critical", "notify": [ann.email],
    });
    client.create(&format!("{workspace}/alert-rules"), &rule).await;
}

/// Subscription, budget and token.
async fn fill_organization(ann: &TestUser, organization: &str) {
    let client = &ann.client;
    let subscription = format!("{organization}/billing/subscription");
    client.send_ok(Method::PUT, &subscription, &json!({ "plan_id": "team" })).await;
    let budget = json!({ "amount": 20_000, "currency": "usd" });
    client.send_ok(Method::PUT, &format!("{organization}/billing/budget"), &budget).await;
    client.create_token().await;
}

/// Suspended organization, registered host cluster and dead letter.
async fn fill_installation(app: &TestApp, closed: &str) {
    let operator = app.sign_in("operator").await;
    let suspend = format!("/api/v1/admin/organizations/{closed}/suspend");
    operator.client.send_ok(Method::POST, &suspend, &json!({ "reason": "abuse" })).await;
    let host = json!({ "name": "registered", "kubeconfig": MEMORY_KUBECONFIG });
    operator.client.send_ok(Method::POST, "/api/v1/admin/clusters", &host).await;
    app.run_worker().await;
    let (queue, now) = (app.platform.queue(), app.platform.clock().now());
    let message = OutboxMessage {
        id: app.platform.ids().id(now),
        topic: Topic::Reconcile,
        organization_id: closed.parse().unwrap(),
        workspace_id: None,
        payload: Vec::new(),
        trace_parent: None,
    };
    queue.publish(&message, Duration::ZERO).await.unwrap();
    let delivery = queue.receive(1, Duration::from_secs(5)).await.unwrap().remove(0);
    queue.dead_letter(&delivery, "no-host").await.unwrap();
}
