//! Registered host clusters, and access revocation in tenant clusters.

use std::time::Duration;

use hexabase_core::secret::ExposeSecret as _;
use serde_json::{Value, json};

use crate::process::{Client, Process};

#[tokio::test]
async fn newly_registered_host_cluster_runs_workspaces() {
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
    let shop = json!({ "name": "shop", "plan_id": "starter", "region": "eu" });
    let id = ann.post(&workspaces, &shop).await["id"].as_str().unwrap().to_owned();
    let workspace = format!("{workspaces}/{id}");
    while ann.get(&workspace).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ann.get(&workspace).await["host_cluster"], "fra-1");
    let namespaces = cluster.client().get("/sandbox/host/api/v1/namespaces").await.to_string();
    assert!(namespaces.contains(&id.replace('_', "-")), "the workspace is not on the registered host");
    while operator.get("/api/v1/admin/clusters/fra-1").await["registration"]["health"] != "healthy" {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = server.stop();
    assert!(!log.contains("certificate-authority-data") && !log.contains(kubeconfig.trim()), "{log}");
}

#[tokio::test]
async fn immediate_access_revocation_applies_to_existing_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let org = format!("/api/v1/organizations/{org}");
    let shop = json!({ "name": "shop", "plan_id": "starter" });
    let ws = ann.post(&format!("{org}/workspaces"), &shop).await["id"].as_str().unwrap().to_owned();
    let workspace = format!("{org}/workspaces/{ws}");
    let accounts = format!("{org}/service-accounts");
    let robot = ann.post(&accounts, &json!({ "name": "robot", "role": "member" })).await;
    let robot = robot["id"].as_str().unwrap();
    let token = json!({ "name": "it", "scopes": ["all"] });
    let token = ann.post(&format!("{accounts}/{robot}/tokens"), &token).await;
    let groups = ann.get(&format!("{workspace}/groups")).await;
    let admins =
        groups["items"].as_array().unwrap().iter().find(|group| group["name"] == "WSAdmins").unwrap();
    let membership = format!("{workspace}/groups/{}/members/{robot}", admins["id"].as_str().unwrap());
    ann.put(&membership, &Value::Null).await;
    while ann.get(&workspace).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let namespaces = format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
    let cluster_client = async |client: &Client| {
        let kubeconfig = client.text(&format!("{workspace}/kubeconfig?auth=token")).await;
        let kubeconfig = kube::config::Kubeconfig::from_yaml(&kubeconfig).unwrap();
        let token = kubeconfig.auth_infos[0].auth_info.as_ref().unwrap().token.as_ref().unwrap();
        server.client().with_token(token.expose_secret())
    };
    let robot_client = server.client().with_token(token["secret"].as_str().unwrap());
    let (robot_in_cluster, ann_in_cluster) =
        (cluster_client(&robot_client).await, cluster_client(&ann).await);
    for client in [&robot_in_cluster, &ann_in_cluster] {
        while client.status(&namespaces).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert_eq!(ann.delete(&format!("{workspace}/members/{robot}?now=true")).await, 204);
    while robot_in_cluster.status(&namespaces).await != 403 {
        assert_eq!(ann_in_cluster.status(&namespaces).await, 200, "other users keep their access");
    }
    assert_eq!(ann_in_cluster.status(&namespaces).await, 200);
    let log = ann.get(&format!("{org}/audit-events")).await.to_string();
    assert!(log.contains("workspace_member.remove"), "{log}");
}
