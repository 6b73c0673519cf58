//! The programs, as an operator starts them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hexabase_test_servers::{Nats, Redis};
use serde_json::{Value, json};

/// A process that ends with whoever started it.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Starts a program, and waits until it says where it listens.
    pub(crate) async fn start(mut command: Command, folder: &Path, said_before: &str) -> (Self, String) {
        let out = tempfile::NamedTempFile::new_in(folder).unwrap();
        let log = tempfile::NamedTempFile::new_in(folder).unwrap();
        command.current_dir(folder).stdin(Stdio::null());
        command.stdout(out.reopen().unwrap()).stderr(log.reopen().unwrap());
        let mut running = Self(command.spawn().unwrap());
        loop {
            let said = std::fs::read_to_string(out.path()).unwrap();
            if let Some((_, address)) = said.split_once(said_before)
                && let Some((address, _)) = address.split_once(['/', ')', '\n'])
            {
                return (running, address.to_owned());
            }
            let ended = running.0.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(log.path()).unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What it weighs, in KiB.
    pub(crate) fn weight(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// The server, beside this program's folder.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("hexabase");
    assert!(program.exists(), "{} is missing: cargo build --release -p hexabase-server", program.display());
    program
}

/// An API replica on a migrated database, and the sandbox that it has for a host.
pub(crate) struct Replica {
    pub(crate) api: Running,
    pub(crate) address: String,
    _sandbox: Running,
}

impl Replica {
    pub(crate) async fn start(folder: &Path, database: &str, redis: &Redis, nats: &Nats) -> Self {
        let environment = [
            ("HEXABASE_DATABASE_URL", database),
            ("HEXABASE_REDIS_URL", redis.url()),
            ("HEXABASE_NATS_URL", nats.url()),
            ("HEXABASE_KUBECONFIG", "sandbox.kubeconfig"),
            ("HEXABASE_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            ("HEXABASE_PUBLIC_URL", "http://127.0.0.1"),
            // Counted like everybody's, and never refused.
            ("HEXABASE_REQUESTS_PER_MINUTE", "100000000"),
            ("HEXABASE_SIGN_INS_PER_MINUTE", "0"),
            ("HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", "100000000"),
            ("HEXABASE_DEV", "true"),
        ];
        let command = |arguments: &[&str]| {
            let mut command = Command::new(program());
            command.args(arguments).envs(environment);
            command
        };
        let sandbox = command(&["sandbox", "--listen", "127.0.0.1:0"]);
        let (sandbox, tenants) = Running::start(sandbox, folder, "ready on http://").await;
        let migrated = command(&["migrate"]).current_dir(folder).stdout(Stdio::null()).status().unwrap();
        assert!(migrated.success());
        let tenants = format!("http://{tenants}/sandbox/tenants/{{name}}");
        let api = command(&["api", "--listen", "127.0.0.1:0", "--tenant-address", &tenants]);
        let (api, address) = Running::start(api, folder, "(listening on ").await;
        Self { api, address, _sandbox: sandbox }
    }
}

/// How many organizations those who ask are of.
const ORGANIZATIONS: usize = 16;

/// A workspace, and somebody of its organization who may see it.
pub(crate) struct Subject {
    pub(crate) organization: String,
    pub(crate) workspace: String,
    pub(crate) user: String,
    pub(crate) token: String,
}

impl Subject {
    /// One of each of several organizations.
    pub(crate) async fn several(address: &str) -> Vec<Self> {
        let mut made = Vec::new();
        for number in 0..ORGANIZATIONS {
            made.push(Self::make(address, number).await);
        }
        made
    }

    async fn make(address: &str, number: usize) -> Self {
        let http = reqwest::Client::builder().build().unwrap();
        let post = async |path: &str, token: &str, body: Value| -> Value {
            let request = http.post(format!("http://{address}{path}")).json(&body);
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
        };
        let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
        let signed_in =
            post("/auth/dev/login", "", json!({ "email": format!("ann-{number}@example.com") })).await;
        let token = signed_in["access_token"].as_str().unwrap().to_owned();
        let organization = json!({ "name": format!("acme-{number}"), "display_name": "Acme" });
        let organization = id(&post("/api/v1/organizations", &token, organization).await);
        let at = format!("/api/v1/organizations/{organization}/workspaces");
        let workspace = id(&post(&at, &token, json!({ "name": "shop", "plan_id": "starter" })).await);
        let me = http.get(format!("http://{address}/auth/me")).bearer_auth(&token).send().await.unwrap();
        Self { organization, workspace, user: id(&me.json().await.unwrap()), token }
    }

    /// What they send to see it.
    pub(crate) fn request(&self, address: &str) -> String {
        let Self { organization, workspace, token, .. } = self;
        let path = format!("/api/v1/organizations/{organization}/workspaces/{workspace}");
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n")
    }
}
