//! Host clusters that are registered while the server runs.

use std::time::Duration;

use serde_json::json;

use crate::process::Process;

#[tokio::test]
async fn a_cluster_that_was_registered_a_moment_ago_carries_workspaces() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Process::start(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"]).await;
    let operators = ["--platform-admins", "operator@example.com"];
    let serve = [&["serve", "--dev", "--listen", "127.0.0.1:0"], &operators[..]].concat();
    let server = Process::start(folder.path(), &serve).await;

    let operator = server.sign_in("operator@example.com").await;
    let kubeconfig = std::fs::read_to_string(folder.path().join("sandbox.kubeconfig")).unwrap();
    let settings = json!({ "tenant_address": cluster.tenant_address() });
    let fra = json!({ "name": "fra-1", "region": "eu", "kubeconfig": kubeconfig, "settings": settings });
    operator.post("/api/v1/admin/clusters", &fra).await;

    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let wanted = json!({ "name": "shop", "plan_id": "starter", "region": "eu" });
    let id = ann.post(&workspaces, &wanted).await["id"].as_str().unwrap().to_owned();
    let workspace = format!("{workspaces}/{id}");
    while ann.get(&workspace).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ann.get(&workspace).await["host_cluster"], "fra-1");
    let there = cluster.client().get("/sandbox/host/api/v1/namespaces").await.to_string();
    assert!(there.contains(&id.replace('_', "-")), "it is somewhere else");
    while operator.get("/api/v1/admin/clusters/fra-1").await["registration"]["health"] != "healthy" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = server.stop();
    assert!(!log.contains("certificate-authority-data") && !log.contains(kubeconfig.trim()), "{log}");
}
