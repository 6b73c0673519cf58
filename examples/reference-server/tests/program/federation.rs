//! A Prometheus of a tenant scrapes the series of its workspace with an API token.

use std::time::Duration;

use hexabase_test_servers::Prometheus;
use serde_json::json;

use crate::process::Process;
use crate::tenant_scraping::results;

#[tokio::test]
async fn the_prometheus_of_a_tenant_scrapes_its_workspace_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let ann = server.sign_in("ann@example.com").await;
    let workspace = ann.create_workspace("acme").await;
    ann.wait_until_ready(&workspace).await;
    ann.post(&format!("{workspace}/projects"), &json!({ "name": "web" })).await;
    let token = json!({ "name": "prometheus", "scopes": ["projects:read"] });
    let token = ann.post("/api/v1/me/tokens", &token).await;
    let text = ann.text(&format!("{workspace}/metrics/federate")).await;
    assert!(text.starts_with("# sandbox: "), "{text}");
    let prometheus = Prometheus::with_config(&json!({
        "scrape_configs": [{
            "job_name": "hexabase",
            "honor_labels": true,
            "honor_timestamps": true,
            "scrape_interval": "1s",
            "scrape_timeout": "1s",
            "metrics_path": format!("{workspace}/metrics/federate"),
            "authorization": { "credentials": token["secret"] },
            "static_configs": [{ "targets": [server.url.trim_start_matches("http://")] }],
        }],
    }));
    let expression = "container_memory_working_set_bytes{namespace=\"web\",container!=\"\"}";
    let found = results(&prometheus, expression, 2).await;
    for series in &found {
        let pod = series["metric"]["pod"].as_str().unwrap();
        assert!(pod.starts_with("web-") || pod.starts_with("worker-"), "{series}");
    }
    tokio::time::timeout(Duration::from_secs(30), results(&prometheus, "up == 1", 1)).await.unwrap();
    server.stop();
}
