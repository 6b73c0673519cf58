//! Rolling upgrade under load: the database first, then one process after another.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::installation::Installation;
use crate::process::Client;

/// Schema changes of a later release, which the current program does not know.
const LATER_SCHEMA: &str = "SET lock_timeout = '5s'; \
    ALTER TABLE workspaces ADD COLUMN later text; \
    ALTER TABLE tasks ADD COLUMN later bigint NOT NULL DEFAULT 7; \
    CREATE TABLE later (organization_id text NOT NULL, id text NOT NULL, PRIMARY KEY (organization_id, id)); \
    CREATE INDEX workspaces_later ON workspaces (organization_id, later); \
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    VALUES (900, 'later', true, '\\x00', 0)";

/// Load that continuously creates, reads and deletes projects, through all replicas in turn.
struct Load {
    replicas: Arc<Mutex<Vec<Client>>>,
    stop: Arc<AtomicBool>,
    iterations: Arc<AtomicUsize>,
}

impl Load {
    /// Runs until it is stopped, and returns the ids of the remaining projects.
    async fn run(self, workspace: String) -> Vec<String> {
        let mut remaining = Vec::new();
        for number in 0_usize.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let replica = {
                let replicas = self.replicas.lock().unwrap();
                replicas[number % replicas.len()].clone()
            };
            let name = format!("p-{number}");
            let project = replica.post(&format!("{workspace}/projects"), &json!({ "name": name })).await;
            let id = project["id"].as_str().unwrap().to_owned();
            let path = format!("{workspace}/projects/{id}");
            assert_eq!(replica.get(&path).await["name"], name);
            if remaining.len() > 3 {
                let old: String = remaining.remove(0);
                assert_eq!(replica.delete(&format!("{workspace}/projects/{old}")).await, 204);
            }
            remaining.push(id);
            self.iterations.fetch_add(1, Ordering::Relaxed);
        }
        remaining
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_two_releases_serve_tenants_together() {
    let installation = Installation::new().await;
    let old_api = installation.start_old("old-api", "api").await;
    let old_worker = installation.start_old("old-worker", "worker").await;
    let ann = old_api.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "team" })).await;
    let workspace = format!("{workspaces}/{}", ws["id"].as_str().unwrap());

    let replicas = Arc::new(Mutex::new(vec![ann.clone()]));
    let (stop, iterations) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = Load { replicas: replicas.clone(), stop: stop.clone(), iterations: iterations.clone() };
    let load = tokio::spawn(load.run(workspace.clone()));
    let load_continues = async || {
        let target = iterations.load(Ordering::Relaxed) + 20;
        while iterations.load(Ordering::Relaxed) < target {
            assert!(!load.is_finished(), "a request failed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    load_continues().await;
    assert!(installation.run(&["migrate"]).contains("up to date"));
    installation.postgres.execute(&installation.database, LATER_SCHEMA).await;
    load_continues().await;

    let new_api = installation.start("new-api", "api").await;
    let new_worker = installation.start("new-worker", "worker").await;
    replicas.lock().unwrap().push(ann.clone().at(&new_api.url));
    load_continues().await;

    // The load balancer removes a replica before it is stopped.
    replicas.lock().unwrap().remove(0);
    load_continues().await;
    old_worker.stop();
    old_api.stop();
    load_continues().await;
    stop.store(true, Ordering::Relaxed);
    let expected = load.await.unwrap();

    let ann = ann.at(&new_api.url);
    let projects = async || {
        let page = ann.get(&format!("{workspace}/projects")).await;
        let items = page["items"].as_array().unwrap().clone();
        let ready = items.iter().all(|project| project["phase"] == "ready");
        let ids: Vec<String> =
            items.iter().map(|project| project["id"].as_str().unwrap().to_owned()).collect();
        (ids, ready)
    };
    while !projects().await.1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(projects().await.0, expected);
    new_worker.stop();
    new_api.stop();
}
