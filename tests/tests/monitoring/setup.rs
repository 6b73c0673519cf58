//! Platform with two tenants, whose metrics come from a Prometheus and whose alerts go through two Alertmanagers.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use hexabase_api::{ApiConfig, MetricsAccess};
use hexabase_core::id::{TypedId as _, WorkspaceId};
use hexabase_core::model::AlertState;
use hexabase_core::notifier::Notification;
use hexabase_k8s::{
    Alertmanager, AlertmanagerConfig, LokiConfig, LokiLogs, PrometheusConfig, PrometheusMetrics,
};
use hexabase_test_servers::{Alertmanager as AlertmanagerServer, FakeLoki, Prometheus};
use hexabase_tests::{ALERT_WEBHOOK_TOKEN, Client, TestApp, TestUser};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::series::{Pod, Targets};

/// Maximum time until a change is visible.
const DEADLINE: Duration = Duration::from_secs(90);
/// Interval between two attempts to see it.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Payloads of the webhooks that Alertmanagers have sent.
type Webhooks = Arc<Mutex<Vec<Bytes>>>;

/// Tenant with a project and its owner.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) owner: TestUser,
    pub(crate) workspace: String,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) project: String,
}

impl Tenant {
    async fn create(app: &TestApp, owner: &str, project: &str) -> Self {
        let owner = app.sign_in(owner).await;
        let organization = app.create_organization(&owner, owner.email.split('@').next().unwrap()).await;
        let workspaces = format!("/api/v1/organizations/{organization}/workspaces");
        let id = owner.client.create(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
        let workspace = format!("{workspaces}/{id}");
        let project =
            owner.client.create(&format!("{workspace}/projects"), &json!({ "name": project })).await;
        Self { owner, workspace_id: id.parse().unwrap(), workspace, project }
    }

    /// Namespace on the host.
    pub(crate) fn namespace(&self) -> String {
        self.workspace_id.kubernetes_name()
    }

    pub(crate) async fn get(&self, rest: &str) -> Value {
        self.owner.client.get(&format!("{}{rest}", self.workspace)).await
    }

    /// Rules of the alerts that are firing, with their silences.
    pub(crate) async fn alerts(&self) -> Vec<(Value, Value)> {
        let found = self.get("/alerts").await;
        let items = found["items"].as_array().unwrap().iter();
        items.map(|alert| (alert["id"].clone(), alert["silenced_by"].clone())).collect()
    }

    /// Creates a rule on memory that fires at once, and notifies the owner.
    pub(crate) async fn create_rule(&self, name: &str, threshold: f64, project: Option<&str>) -> String {
        let rule = json!({
            "name": name, "metric": "memory", "comparison": "above", "threshold": threshold, "for": "0",
            "severity": "warning", "notify": [self.owner.email], "project": project,
        });
        self.owner.client.create(&format!("{}/alert-rules", self.workspace), &rule).await
    }

    /// A pod of the tenant.
    pub(crate) fn pod(&self, project: &str, name: &str, memory: f64, factor: f64) -> Pod {
        let namespace = self.namespace();
        Pod {
            name: format!("{name}-x-{project}-x-{namespace}"),
            namespace,
            project: project.to_owned(),
            shown_name: name.to_owned(),
            container: format!("{name}-main"),
            memory,
            factor,
            crashes: false,
        }
    }
}

/// Platform with the tenants `shop` and `rival`. Both have the project `web`.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) app: TestApp,
    pub(crate) shop: Tenant,
    pub(crate) rival: Tenant,
    pub(crate) targets: Targets,
    pub(crate) loki: FakeLoki,
    pub(crate) alerts: Arc<Alertmanager>,
    pub(crate) alertmanagers: [AlertmanagerServer; 2],
    webhooks: Webhooks,
    listener: Mutex<Option<TcpListener>>,
    _prometheus: Prometheus,
    _directory: TempDir,
}

impl Setup {
    /// Starts all servers. The API is served to them after [`Self::serve`].
    pub(crate) async fn new() -> Self {
        let targets = Targets::start().await;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let api = listener.local_addr().unwrap().to_string();
        let routes = routes(&api);
        let first = AlertmanagerServer::with_config(&routes);
        let second = first.join(&routes);
        let directory = tempfile::tempdir().unwrap();
        let rules = directory.path().join("tenants.yaml");
        std::fs::write(&rules, shipped_rules()).unwrap();
        let addresses = [&first, &second].map(|server| server.url().trim_start_matches("http://").to_owned());
        // Workspaces get their ids only now, so that the API servers of the tenants cannot be targets.
        let prometheus = Prometheus::with_config(&scrapes(&targets, &api, &addresses, &rules));
        let config = PrometheusConfig {
            scrape_interval: Duration::from_secs(1),
            ..PrometheusConfig::new(prometheus.url())
        };
        let metrics = Arc::new(PrometheusMetrics::new(&config).unwrap());
        let alerts = Arc::new(Alertmanager::new(&AlertmanagerConfig::new(first.url())).unwrap());
        let loki = FakeLoki::start(false).await;
        let logs = Arc::new(LokiLogs::new(&LokiConfig::new(loki.url())).unwrap());
        let config = ApiConfig { metrics_access: MetricsAccess::All, ..TestApp::api_config() };
        let app = TestApp::with_api(config, |builder| {
            builder.with_metrics(metrics).with_alerts(alerts.clone()).with_logs(logs)
        })
        .await;
        let shop = Tenant::create(&app, "ann", "web").await;
        let rival = Tenant::create(&app, "rival", "web").await;
        Self {
            app,
            shop,
            rival,
            targets,
            loki,
            alerts,
            alertmanagers: [first, second],
            webhooks: Webhooks::default(),
            listener: Mutex::new(Some(listener)),
            _prometheus: prometheus,
            _directory: directory,
        }
    }

    /// Serves the API to Prometheus and the Alertmanagers. The limits of rules are read once in some seconds, so rules are
    /// created before.
    pub(crate) fn serve(&self) {
        let listener = self.listener.lock().unwrap().take().unwrap();
        let record = from_fn_with_state(self.webhooks.clone(), record_webhook);
        let router: Router = self.app.router.clone().layer(record);
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    /// Payloads of the webhooks so far, oldest first.
    pub(crate) fn webhooks(&self) -> Vec<Value> {
        let payloads = self.webhooks.lock().unwrap();
        payloads.iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect()
    }

    /// Client with the credentials of an Alertmanager.
    pub(crate) fn alertmanager(&self) -> Client {
        self.app.anonymous().with_bearer(ALERT_WEBHOOK_TOKEN)
    }

    /// Rules and states of the alerts that were mailed to a user.
    pub(crate) async fn mailed(&self, user: &TestUser) -> Vec<(String, AlertState)> {
        self.app.run_worker().await;
        let mails = self.app.mails.notifications(&user.email).into_iter();
        let alert = |mail| match mail {
            Notification::Alert { rule, state, .. } => Some((rule, state)),
            _ => None,
        };
        mails.filter_map(alert).collect()
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let poll = async {
        while !holds().await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    assert!(tokio::time::timeout(DEADLINE, poll).await.is_ok(), "{what} does not hold after {DEADLINE:?}");
}

async fn record_webhook(State(webhooks): State<Webhooks>, request: Request, next: Next) -> Response {
    if request.uri().path() != "/webhooks/alertmanager" {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let payload = to_bytes(body, usize::MAX).await.unwrap();
    let response = next.run(Request::from_parts(head, Body::from(payload.clone()))).await;
    if response.status() == StatusCode::OK {
        webhooks.lock().unwrap().push(payload);
    }
    response
}

/// Rules of the chart, evaluated each second.
fn shipped_rules() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let shipped =
        std::fs::read_to_string(root.join("deploy/chart/hexabase/files/alerts/tenants.yaml")).unwrap();
    let fast = shipped.replacen("  interval: 30s\n", "  interval: 1s\n", 1);
    assert_ne!(fast, shipped);
    fast
}

/// Configuration of an Alertmanager that sends each change at once, and repeats what is firing.
fn routes(api: &str) -> Value {
    json!({
        "route": {
            "receiver": "none",
            "routes": [{
                "matchers": ["alertname = \"HexabaseAlertRule\""], "receiver": "hexabase", "group_by": ["namespace"],
                "group_wait": "0s", "group_interval": "1s", "repeat_interval": "2s",
            }],
        },
        "receivers": [
            { "name": "none" },
            {
                "name": "hexabase",
                "webhook_configs": [{
                    "url": format!("http://{api}/webhooks/alertmanager"),
                    "http_config": { "authorization": { "credentials": ALERT_WEBHOOK_TOKEN } },
                }],
            },
        ],
    })
}

/// Configuration of Prometheus, with the jobs of kube-prometheus and one that scrapes pods of tenants as
/// `docs/operations.md` says.
fn scrapes(targets: &Targets, api: &str, alertmanagers: &[String], rules: &Path) -> Value {
    let job = |name: &str, path: &str, labels: Value| {
        json!({
            "job_name": name, "honor_labels": true, "metrics_path": path,
            "static_configs": [{ "targets": [targets.address()], "labels": labels }],
        })
    };
    let mut pods = job("kubernetes-pods", "/invented", json!({}));
    pods["metric_relabel_configs"] = json!([{ "target_label": "job", "replacement": "kubernetes-pods" }]);
    let mut limits = job("hexabase", "/metrics/alert-rules", json!({}));
    limits["static_configs"] = json!([{ "targets": [api] }]);
    let mut api_servers = job("vcluster", "/", json!({}));
    api_servers["honor_labels"] = json!(false);
    // The path of a target is that of its label, as service discovery sets it.
    api_servers["file_sd_configs"] =
        json!([{ "files": [rules.with_file_name("api-servers.json")], "refresh_interval": "1s" }]);
    api_servers["static_configs"] = json!([]);
    api_servers["relabel_configs"] =
        json!([{ "source_labels": ["namespace"], "target_label": "__metrics_path__", "replacement": "/$1" }]);
    json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": [rules],
        "alerting": { "alertmanagers": [{ "static_configs": [{ "targets": alertmanagers }] }] },
        "scrape_configs": [
            job("kubelet", "/cadvisor", json!({ "metrics_path": "/metrics/cadvisor" })),
            job("kubelets", "/kubelet", json!({ "job": "kubelet", "metrics_path": "/metrics" })),
            job("kube-state-metrics", "/state", json!({})),
            api_servers,
            limits,
            pods,
        ],
    })
}

impl Setup {
    /// Lets Prometheus scrape the API servers of both tenants.
    pub(crate) fn discover_api_servers(&self) {
        let target = |tenant: &Tenant| json!({ "targets": [self.targets.address()], "labels": { "namespace": tenant.namespace() } });
        let file = self._directory.path().join("api-servers.json");
        std::fs::write(file, json!([target(&self.shop), target(&self.rival)]).to_string()).unwrap();
    }

    /// Sends a payload of a webhook again, as the other Alertmanager does if it does not know of it.
    pub(crate) async fn repeat(&self, payload: &Value) {
        let response = self.alertmanager().send(Method::POST, "/webhooks/alertmanager", payload).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text);
    }
}
