//! An upgrade while tenants go on: the database first, then one process after the other.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::installation::Installation;
use crate::process::Client;

/// What a later release adds, as migrations do: programs of today know nothing of it.
const LATER: &str = "SET lock_timeout = '5s'; \
    ALTER TABLE workspaces ADD COLUMN later text; \
    ALTER TABLE tasks ADD COLUMN later bigint NOT NULL DEFAULT 7; \
    CREATE TABLE later (organization_id text NOT NULL, id text NOT NULL, PRIMARY KEY (organization_id, id)); \
    CREATE INDEX workspaces_later ON workspaces (organization_id, later); \
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    VALUES (900, 'later', true, '\\x00', 0)";

/// Somebody who never stops changing things and reading them again, through whichever replica is there.
struct Load {
    replicas: Arc<Mutex<Vec<Client>>>,
    over: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Load {
    /// Works until it is over, and answers the ids of what it made.
    async fn run(self, workspace: String) -> Vec<String> {
        let mut made = Vec::new();
        for number in 0_usize.. {
            if self.over.load(Ordering::Relaxed) {
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
            if made.len() > 3 {
                let old: String = made.remove(0);
                assert_eq!(replica.delete(&format!("{workspace}/projects/{old}")).await, 204);
            }
            made.push(id);
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        made
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_and_new_programs_work_side_by_side_while_tenants_go_on() {
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
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = Load { replicas: replicas.clone(), over: over.clone(), done: done.clone() };
    let loading = tokio::spawn(load.run(workspace.clone()));
    let goes_on = async || {
        let enough = done.load(Ordering::Relaxed) + 20;
        while done.load(Ordering::Relaxed) < enough {
            assert!(!loading.is_finished(), "somebody was not served");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    goes_on().await;
    assert!(installation.run(&["migrate"]).contains("up to date"));
    installation.postgres.execute(&installation.database, LATER).await;
    goes_on().await;

    let new_api = installation.start("new-api", "api").await;
    let new_worker = installation.start("new-worker", "worker").await;
    replicas.lock().unwrap().push(ann.clone().at(&new_api.url));
    goes_on().await;

    // A load balancer takes it out first.
    replicas.lock().unwrap().remove(0);
    goes_on().await;
    old_worker.stop();
    old_api.stop();
    goes_on().await;
    over.store(true, Ordering::Relaxed);
    let left = loading.await.unwrap();

    let ann = ann.at(&new_api.url);
    let found = async || {
        let page = ann.get(&format!("{workspace}/projects")).await;
        let items = page["items"].as_array().unwrap().clone();
        let ready = items.iter().all(|project| project["phase"] == "ready");
        let ids: Vec<String> =
            items.iter().map(|project| project["id"].as_str().unwrap().to_owned()).collect();
        (ids, ready)
    };
    while !found().await.1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(found().await.0, left);
    new_worker.stop();
    new_api.stop();
}
