//! Usage, metrics, alerts and logs.

mod alerts;
mod logs;
mod metrics;

use std::sync::Arc;

use axum::http::Request;
use hexabase_core::alerts::MemoryAlerts;
use hexabase_core::clock::SystemClock;
use hexabase_core::logs::MemoryLogs;
use hexabase_core::metrics::SandboxMetrics;
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_tests::{Response, TestApp, plans};
use serde_json::json;

use super::{Browser, location, value_of};

/// Workspace `shop` of the user ann with the project `web`, on a platform with invented metrics, alerts and logs.
struct Observed {
    app: TestApp,
    organization: String,
    /// Address of the page of the workspace.
    workspace: String,
    project: String,
}

impl Observed {
    async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new())).await
    }

    async fn on(store: Arc<dyn TenantStore>) -> Self {
        let clock = Arc::new(SystemClock);
        let metrics = Arc::new(SandboxMetrics::new(clock.clone(), store.clone()));
        let alerts = MemoryAlerts::for_demonstration(store.clone(), metrics.clone(), plans(), clock.clone());
        let logs = MemoryLogs::for_demonstration(store.clone(), clock);
        let app = TestApp::with_console_and(|builder| {
            let builder = builder.with_store(store).with_metrics(metrics);
            builder.with_alerts(Arc::new(alerts)).with_logs(Arc::new(logs))
        });
        Self::with(app.await).await
    }

    async fn with(app: TestApp) -> Self {
        let ann = app.sign_in("ann").await;
        let organization = app.create_organization(&ann, "acme").await;
        let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
        let ws = ann.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
        let projects = format!("{workspaces}/{ws}/projects");
        let project = ann.client.create(&projects, &json!({ "name": "web" })).await;
        let workspace = format!("/console/orgs/{organization}/workspaces/{ws}");
        Self { app, organization, workspace, project }
    }

    async fn ann(&self) -> Browser<'_> {
        Browser::sign_in(&self.app, "ann").await
    }

    fn page(&self, path: &str) -> String {
        format!("{}/{path}", self.workspace)
    }

    /// Address of the workspace in the API.
    fn api(&self) -> String {
        self.workspace.replace("/console/orgs/", "/api/v1/organizations/")
    }
}

/// Opens a page in Japanese.
async fn in_japanese(browser: &Browser<'_>, path: &str) -> Response {
    let request = Request::get(path).header("accept", "text/html").header("accept-language", "ja");
    browser.send(request, String::new()).await
}

fn assert_contains(page: &Response, parts: &[&str]) {
    for part in parts {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
}
