//! Prometheus, Alertmanager and Loki that are down, or accept connections and never respond.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_k8s::{
    Alertmanager, AlertmanagerConfig, LokiConfig, LokiLogs, PrometheusConfig, PrometheusMetrics,
};
use hexabase_tests::{Response, TestApp, TestUser};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Address at which nothing listens.
const DOWN: &str = "http://127.0.0.1:9";

/// Starts a server that accepts connections and never responds.
async fn hanging() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
        }
    });
    url
}

/// Platform whose monitoring systems are all at a URL, with two workspaces.
struct Setup {
    ann: TestUser,
    organization: String,
    workspaces: [String; 2],
    rule: String,
}

impl Setup {
    async fn new(url: &str, timeout: Duration) -> Self {
        let metrics = PrometheusConfig { timeout, ..PrometheusConfig::new(url) };
        let alerts = AlertmanagerConfig { timeout, ..AlertmanagerConfig::new(url) };
        let logs = LokiConfig { timeout, ..LokiConfig::new(url) };
        let app = TestApp::with(|builder| {
            builder
                .with_metrics(Arc::new(PrometheusMetrics::new(&metrics).unwrap()))
                .with_alerts(Arc::new(Alertmanager::new(&alerts).unwrap()))
                .with_logs(Arc::new(LokiLogs::new(&logs).unwrap()))
        })
        .await;
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let path = format!("/api/v1/organizations/{organization}/workspaces");
        let mut workspaces = [String::new(), String::new()];
        for (workspace, name) in workspaces.iter_mut().zip(["shop", "blog"]) {
            let id = ann.client.create(&path, &json!({ "name": name, "plan_id": "team" })).await;
            *workspace = format!("{path}/{id}");
        }
        let rule = ann.client.create(&format!("{}/alert-rules", workspaces[0]), &rule("high")).await;
        Self { ann, organization, workspaces, rule }
    }

    /// Requests that need each of the systems, with the name of the system.
    fn dependent(&self) -> Vec<(Method, String, Value, &'static str)> {
        let get =
            |path: &str, system| (Method::GET, format!("{}{path}", self.workspaces[0]), Value::Null, system);
        let post = |path: String, body, system| {
            (Method::POST, format!("{}{path}", self.workspaces[0]), body, system)
        };
        let silence = "0f9b1c7e-8a3d-4f5e-9b1c-7e8a3d4f5e9b";
        let delete = format!("{}/silences/{silence}", self.workspaces[0]);
        vec![
            get("/metrics/cpu", "Prometheus"),
            get("/metrics/memory?by=pod", "Prometheus"),
            get("/health", "Prometheus"),
            post("/alert-rules?dry_run=true".to_owned(), rule("other"), "Prometheus"),
            get("/alerts", "Alertmanager"),
            post(format!("/alerts/{}/silence", self.rule), json!({ "minutes": 5 }), "Alertmanager"),
            (Method::DELETE, delete, Value::Null, "Alertmanager"),
            get("/logs", "Loki"),
        ]
    }

    /// Sends requests that need no monitoring system, which must succeed.
    async fn assert_rest_responds(&self) {
        let organization = format!("/api/v1/organizations/{}", self.organization);
        for path in [
            organization.clone(),
            format!("{organization}/workspaces"),
            format!("{organization}/audit-events"),
            self.workspaces[0].clone(),
            format!("{}/alert-rules", self.workspaces[0]),
            format!("{}/projects", self.workspaces[1]),
            "/readyz".to_owned(),
            "/healthz".to_owned(),
        ] {
            let response = self.ann.client.send(Method::GET, &path, &Value::Null).await;
            assert_eq!(response.status, StatusCode::OK, "{path}: {}", response.text);
        }
        let change = json!({ "display_name": "Renamed" });
        self.ann.client.send_ok(Method::PATCH, &self.workspaces[0], &change).await;
    }
}

fn rule(name: &str) -> Value {
    json!({
        "name": name, "metric": "cpu", "comparison": "above", "threshold": 1, "for": "0", "severity": "info",
    })
}

fn assert_names(system: &str, path: &str, response: &Response) {
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {}", response.text);
    let detail = response.body["detail"].as_str().unwrap().to_lowercase();
    assert!(detail.contains(&system.to_lowercase()), "{path}: {detail}");
}

#[tokio::test]
async fn a_system_that_is_down_or_hangs_is_named_and_the_rest_responds() {
    for url in [DOWN.to_owned(), hanging().await] {
        let setup = Setup::new(&url, Duration::from_millis(300)).await;
        for (method, path, body, system) in setup.dependent() {
            let response = setup.ann.client.send(method, &path, &body).await;
            assert_names(system, &path, &response);
            assert!(!response.text.contains("127.0.0.1"), "{path}: {}", response.text);
        }
        setup.assert_rest_responds().await;
    }
}

#[tokio::test]
async fn requests_that_wait_for_a_hanging_system_are_limited_and_delay_no_others() {
    // They wait until they are aborted.
    let setup = Setup::new(&hanging().await, Duration::from_secs(3_600)).await;
    for (path, code, others) in [
        ("/metrics/cpu", "too_many_metric_queries", "/logs"),
        ("/alerts", "too_many_alert_requests", "/metrics/cpu"),
        ("/logs", "too_many_log_queries", "/alerts"),
    ] {
        let start = |requests: &mut JoinSet<Response>, path: String| {
            let client = setup.ann.client.clone();
            requests.spawn(async move { client.send(Method::GET, &path, &Value::Null).await })
        };
        let mut requests = JoinSet::new();
        for _ in 0..20 {
            start(&mut requests, format!("{}{path}", setup.workspaces[0]));
        }
        // All but four are rejected at once.
        for _ in 4..20 {
            let rejected = requests.join_next().await.unwrap().unwrap();
            assert_eq!(rejected.status, StatusCode::TOO_MANY_REQUESTS, "{path}: {}", rejected.text);
            assert_eq!(rejected.body["code"], code, "{}", rejected.text);
            let detail = rejected.body["detail"].as_str().unwrap();
            assert!(detail.contains("the workspace has 4"), "{detail}");
            assert!(rejected.headers.contains_key("retry-after"));
        }
        assert!(requests.try_join_next().is_none(), "four wait");
        setup.assert_rest_responds().await;
        // Another workspace waits as well instead of being rejected, and so do other systems of the same workspace.
        let mut waiting = JoinSet::new();
        start(&mut waiting, format!("{}{path}", setup.workspaces[1]));
        start(&mut waiting, format!("{}{others}", setup.workspaces[0]));
        let early = tokio::time::timeout(Duration::from_millis(100), waiting.join_next()).await;
        assert!(early.is_err(), "{early:?}");
        requests.shutdown().await;
        waiting.shutdown().await;
        // What was aborted counts no longer.
        start(&mut waiting, format!("{}{path}", setup.workspaces[0]));
        let early = tokio::time::timeout(Duration::from_millis(100), waiting.join_next()).await;
        assert!(early.is_err(), "{early:?}");
    }
}
