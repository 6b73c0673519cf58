//! Use of the containers of the chart: the main use case on the quick mode, and requests through an upgrade of the distributed
//! mode. Development mode signs users in, because the containers have no sign-in provider.

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hexabase_test_servers::{Nats, Postgres, Redis};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use crate::helm::{Case, high_availability, quick, repository, text};
use crate::server::{MASTER_KEY, Node, start_sandbox};

/// Variables of development mode, and of one without rate limits.
fn development() -> Value {
    json!([
        { "name": "HEXABASE_DEV", "value": "true" },
        { "name": "HEXABASE_REQUESTS_PER_MINUTE", "value": "0" },
        { "name": "HEXABASE_SIGN_INS_PER_MINUTE", "value": "0" },
        { "name": "HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", "value": "0" },
    ])
}

#[test]
fn the_container_of_the_quick_mode_passes_the_walk() {
    let address = format!("127.0.0.1:{}", Nats::free_port());
    let url = format!("http://{address}");
    let case = quick()
        .with("/publicUrl", json!(url))
        .with("/host/type", json!("sandbox"))
        .with("/config/mail_directory", json!("/var/lib/hexabase/mail"))
        .with("/extraEnv", development());
    let node = Node::new(&case, json!({ "hexabase-master-key": { "master-key": MASTER_KEY } }));
    let server = node.start_at("Deployment/", &address);
    let walk = Command::new(repository().join("scripts/walk"))
        .arg(&url)
        .env("HEXABASE_MAIL_DIRECTORY", node.directory("data").join("mail"))
        .output()
        .unwrap();
    assert!(walk.status.success(), "{}", text(&walk));
    server.stop();
}

/// User of the API at several addresses, one of which answers each request.
struct Load {
    http: Client,
    token: String,
    addresses: Mutex<Vec<String>>,
    requests: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    fn sign_in(address: &str) -> Self {
        let http = Client::builder().build().unwrap();
        let user = json!({ "email": "ann@example.com", "name": "ann" });
        let login = http.post(format!("http://{address}/auth/dev/login")).json(&user).send().unwrap();
        let login: Value = login.json().unwrap();
        Self {
            http,
            token: login["access_token"].as_str().unwrap().to_owned(),
            addresses: Mutex::new(vec![address.to_owned()]),
            requests: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Sends a request to the next address. It must succeed.
    fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        // The load balancer waits for requests in progress before a replica is stopped.
        let addresses = self.addresses.lock().unwrap();
        let url = format!("http://{}/api/v1{path}", addresses[number % addresses.len()]);
        let mut request = self.http.request(method, &url).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(body);
        }
        let response = request.send().unwrap();
        let (status, text) = (response.status(), response.text().unwrap());
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Creates, reads and deletes groups of a workspace until it is stopped.
    fn run(&self, workspace: &str) {
        let groups = format!("{workspace}/groups");
        while !self.stop.load(Ordering::Relaxed) {
            let number = self.requests.load(Ordering::Relaxed);
            let group =
                self.send(reqwest::Method::POST, &groups, &json!({ "name": format!("group-{number}") }));
            let path = format!("{groups}/{}", group["id"].as_str().unwrap());
            assert_eq!(self.send(reqwest::Method::GET, &path, &Value::Null)["name"], group["name"]);
            self.send(reqwest::Method::DELETE, &path, &Value::Null);
        }
    }

    /// Waits until further requests have succeeded.
    fn continues(&self, thread: &std::thread::JoinHandle<()>) {
        let target = self.requests.load(Ordering::Relaxed) + 30;
        while self.requests.load(Ordering::Relaxed) < target {
            assert!(!thread.is_finished(), "a request failed");
            std::thread::yield_now();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_of_the_distributed_mode_serve_through_an_upgrade() {
    let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
    let url = postgres.url_of(&postgres.database().await);
    tokio::task::spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let (_cluster, kubeconfig) = start_sandbox(folder.path());
        let host = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap();
        let (sandbox, _) = host.trim_matches('"').split_once("/sandbox/").unwrap();
        let case = high_availability()
            .with(
                "/host",
                json!({ "type": "kubeconfig", "existingSecret": "host", "server": "https://host.invalid" }),
            )
            .with("/config/nats_replicas", json!(1))
            .with("/config/tenant_address", json!(format!("{sandbox}/sandbox/tenants/{{name}}")))
            .with("/config/mail_directory", json!("/tmp/mail"))
            .with("/extraEnv", development());
        let secrets = json!({
            "hexabase-master-key": { "master-key": MASTER_KEY },
            "hexabase-database": { "url": url },
            "hexabase-database-owner": { "url": url },
            "hexabase-redis": { "url": redis.url() },
            "hexabase-nats": { "url": nats.url() },
            "host": { "kubeconfig": kubeconfig },
        });
        let release = |case: &Case| {
            let node = Node::new(case, secrets.clone());
            let job = node.run("Job/", "containers", &[]);
            assert!(job.status.success(), "{}", text(&job));
            node
        };
        let start = |node: &Node| {
            ["api", "worker"].map(|component| {
                let pod = format!("Deployment/main-hexabase-{component}");
                let wait = node.run(&pod, "initContainers", &[]);
                assert!(wait.status.success(), "{}", text(&wait));
                node.start(&pod)
            })
        };
        let old = release(&case);
        let [old_api, old_worker] = start(&old);
        let load = Arc::new(Load::sign_in(old_api.address()));
        let organization = load.send(
            reqwest::Method::POST,
            "/organizations",
            &json!({ "name": "acme", "display_name": "Acme" }),
        );
        let workspaces = format!("/organizations/{}/workspaces", organization["id"].as_str().unwrap());
        let workspace = json!({ "name": "shop", "plan_id": "starter" });
        let workspace = load.send(reqwest::Method::POST, &workspaces, &workspace);
        let workspace = format!("{workspaces}/{}", workspace["id"].as_str().unwrap());
        let thread = std::thread::spawn({
            let (load, workspace) = (load.clone(), workspace.clone());
            move || load.run(&workspace)
        });
        load.continues(&thread);

        // The next release differs in its image and its configuration: its migration runs first, then its pods start, and then
        // the old ones stop.
        let next = case.with("/image/tag", json!("next")).with("/config/product_name", json!("Acme"));
        let new = release(&next);
        load.continues(&thread);
        let [new_api, new_worker] = start(&new);
        load.addresses.lock().unwrap().push(new_api.address().to_owned());
        load.continues(&thread);
        load.addresses.lock().unwrap().remove(0);
        old_api.stop();
        old_worker.stop();
        load.continues(&thread);
        load.stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();

        // The new worker continues the work of the old one.
        while load.send(reqwest::Method::GET, &workspace, &Value::Null)["phase"] != "ready" {
            std::thread::yield_now();
        }
        new_api.stop();
        new_worker.stop();
    })
    .await
    .unwrap();
}
