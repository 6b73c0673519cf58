//! A Prometheus without the operator discovers the tenant API servers and scrapes them by way of the worker.

use std::net::TcpListener;
use std::time::Duration;

use hexabase_test_servers::Prometheus;
use serde_json::{Value, json};

use crate::process::Process;

const TOKEN: &str = "a token of 16 or more";
const TARGETS: &str = "/api/v1/admin/prometheus/targets";

async fn query(prometheus: &Prometheus, expression: &str) -> Vec<Value> {
    let http = reqwest::Client::builder().build().unwrap();
    let request = http.post(format!("{}/api/v1/query", prometheus.url()));
    let response = request.form(&[("query", expression)]).send().await.unwrap();
    let answer: Value = response.json().await.unwrap();
    answer["data"]["result"].as_array().unwrap().clone()
}

/// Repeats a query until it has this number of results.
pub(crate) async fn results(prometheus: &Prometheus, expression: &str, count: usize) -> Vec<Value> {
    loop {
        let found = query(prometheus, expression).await;
        if found.len() == count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn prometheus_discovers_and_scrapes_all_tenant_api_servers() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let metrics = format!("127.0.0.1:{port}");
    let server = Process::start(
        folder.path(),
        &[
            "serve",
            "--dev",
            "--listen",
            "127.0.0.1:0",
            "--metrics-listen",
            &metrics,
            "--scrape-tenants",
            "token",
            "--prometheus-discovery-token",
            TOKEN,
        ],
    )
    .await;
    let ann = server.sign_in("ann@example.com").await;
    let mut namespaces = Vec::new();
    for organization in ["acme", "globex"] {
        let workspace = ann.create_workspace(organization).await;
        ann.wait_until_ready(&workspace).await;
        let id = workspace.rsplit('/').next().unwrap().to_owned();
        namespaces.push(id.replace('_', "-"));
    }
    namespaces.sort_unstable();

    assert_eq!(server.client().status(TARGETS).await, 401);
    assert_eq!(server.client().with_token("another token of 16").status(TARGETS).await, 401);
    let listed = server.client().with_token(TOKEN).get(TARGETS).await;
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(listed[0]["targets"], json!([metrics]));

    let prometheus = Prometheus::with_config(&json!({
        "global": { "scrape_interval": "1s", "scrape_timeout": "1s" },
        "scrape_configs": [{
            "job_name": "vcluster",
            // A tenant chooses no label of a target even so.
            "honor_labels": true,
            "http_sd_configs": [{
                "url": format!("{}{TARGETS}", server.url),
                "refresh_interval": "1s",
                // Prometheus 2.42 sends the token without a type otherwise.
                "authorization": { "type": "Bearer", "credentials": TOKEN },
            }],
            "relabel_configs": [{
                "source_labels": ["__meta_hexabase_plan"],
                "target_label": "plan",
            }],
        }],
    }));
    let label = |found: &[Value], name: &str| {
        let mut values: Vec<String> =
            found.iter().map(|it| it["metric"][name].as_str().unwrap_or_default().to_owned()).collect();
        values.sort_unstable();
        values
    };
    let up = results(&prometheus, "up == 1", 2).await;
    assert_eq!(label(&up, "namespace"), namespaces);
    let requests = "sum by (job, namespace, endpoint, instance, plan) (apiserver_request_total)";
    let requests = results(&prometheus, requests, 2).await;
    assert_eq!(label(&requests, "namespace"), namespaces);
    assert_eq!(label(&requests, "instance"), namespaces);
    for (name, value) in [("job", "vcluster"), ("endpoint", "apiserver"), ("plan", "starter")] {
        assert_eq!(label(&requests, name), [value, value]);
    }
    assert!(query(&prometheus, "apiserver_audit_event_total").await.is_empty(), "not a metric that is kept");

    // Neither the public port nor an unknown workspace has metrics.
    let path = listed[0]["labels"]["__metrics_path__"].as_str().unwrap();
    assert_eq!(server.client().status(path).await, 404);
    let own_address = server.client().at(&format!("http://{metrics}"));
    assert_eq!(own_address.status(path).await, 200);
    for unknown in ["/metrics/workspaces/ws_00000000000000000000000001", "/metrics/workspaces/x"] {
        assert_eq!(own_address.status(unknown).await, 404, "{unknown}");
    }
    let log = server.stop();
    assert!(!log.contains(TOKEN) && !log.contains("sandbox."), "{log}");
}
