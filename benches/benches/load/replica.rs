//! Server processes, started as an operator starts them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hexabase_test_servers::{Nats, Redis, resident_memory_kib};
use serde_json::{Value, json};

/// Process that is killed when it is dropped.
pub(crate) struct RunningProcess(Child);

impl Drop for RunningProcess {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RunningProcess {
    /// Starts a program and waits until it prints its address, which follows `prefix`.
    pub(crate) async fn start(mut command: Command, directory: &Path, prefix: &str) -> (Self, String) {
        let out = tempfile::NamedTempFile::new_in(directory).unwrap();
        let log = tempfile::NamedTempFile::new_in(directory).unwrap();
        command.current_dir(directory).stdin(Stdio::null());
        command.stdout(out.reopen().unwrap()).stderr(log.reopen().unwrap());
        let mut process = Self(command.spawn().unwrap());
        loop {
            let output = std::fs::read_to_string(out.path()).unwrap();
            if let Some((_, address)) = output.split_once(prefix)
                && let Some((address, _)) = address.split_once(['/', ')', '\n'])
            {
                return (process, address.to_owned());
            }
            let ended = process.0.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(log.path()).unwrap());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Resident memory, in KiB.
    pub(crate) fn memory(&self) -> u64 {
        resident_memory_kib(self.0.id())
    }
}

/// Path of the server: next to the folder of this program.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("hexabase");
    assert!(program.exists(), "{} is missing: cargo build --release -p hexabase-server", program.display());
    program
}

/// API replica on a migrated database, with a sandbox as its host cluster.
pub(crate) struct Replica {
    pub(crate) api: RunningProcess,
    pub(crate) address: String,
    _sandbox: RunningProcess,
}

impl Replica {
    pub(crate) async fn start(directory: &Path, database: &str, redis: &Redis, nats: &Nats) -> Self {
        let environment = [
            ("HEXABASE_DATABASE_URL", database),
            ("HEXABASE_REDIS_URL", redis.url()),
            ("HEXABASE_NATS_URL", nats.url()),
            ("HEXABASE_KUBECONFIG", "sandbox.kubeconfig"),
            ("HEXABASE_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            ("HEXABASE_PUBLIC_URL", "http://127.0.0.1"),
            // Requests are counted, but never rejected.
            ("HEXABASE_REQUESTS_PER_MINUTE", "100000000"),
            ("HEXABASE_SIGN_INS_PER_MINUTE", "0"),
            ("HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", "100000000"),
            ("HEXABASE_MAX_OWNED_ORGANIZATIONS", "0"),
            ("HEXABASE_MAX_FREE_WORKSPACES_PER_USER", "0"),
            ("HEXABASE_DEV", "true"),
        ];
        let command = |arguments: &[&str]| {
            let mut command = Command::new(program());
            command.args(arguments).envs(environment);
            command
        };
        let sandbox = command(&["sandbox", "--listen", "127.0.0.1:0"]);
        let (sandbox, tenants) = RunningProcess::start(sandbox, directory, "ready on http://").await;
        let migrated = command(&["migrate"]).current_dir(directory).stdout(Stdio::null()).status().unwrap();
        assert!(migrated.success());
        let tenants = format!("http://{tenants}/sandbox/tenants/{{name}}");
        let api = command(&["api", "--listen", "127.0.0.1:0", "--tenant-address", &tenants]);
        let (api, address) = RunningProcess::start(api, directory, "(listening on ").await;
        Self { api, address, _sandbox: sandbox }
    }
}

/// Number of organizations of the clients.
const ORGANIZATIONS: usize = 16;

/// Workspace, and a user of its organization who may read it.
pub(crate) struct Subject {
    pub(crate) organization: String,
    pub(crate) workspace: String,
    pub(crate) user: String,
    pub(crate) token: String,
}

impl Subject {
    /// Creates one subject in each of several organizations.
    pub(crate) async fn create_all(address: &str) -> Vec<Self> {
        let mut created = Vec::new();
        for number in 0..ORGANIZATIONS {
            created.push(Self::create(address, number).await);
        }
        created
    }

    async fn create(address: &str, number: usize) -> Self {
        let http = reqwest::Client::builder().build().unwrap();
        let post = async |path: &str, token: &str, body: Value| -> Value {
            let request = http.post(format!("http://{address}{path}")).json(&body);
            let request = if token.is_empty() { request } else { request.bearer_auth(token) };
            request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
        };
        let id = |created: &Value| created["id"].as_str().unwrap().to_owned();
        let signed_in =
            post("/auth/dev/login", "", json!({ "email": format!("ann-{number}@example.com") })).await;
        let token = signed_in["access_token"].as_str().unwrap().to_owned();
        let organization = json!({ "name": format!("acme-{number}"), "display_name": "Acme" });
        let organization = id(&post("/api/v1/organizations", &token, organization).await);
        let path = format!("/api/v1/organizations/{organization}/workspaces");
        let workspace = id(&post(&path, &token, json!({ "name": "shop", "plan_id": "starter" })).await);
        let me = http.get(format!("http://{address}/auth/me")).bearer_auth(&token).send().await.unwrap();
        Self { organization, workspace, user: id(&me.json().await.unwrap()), token }
    }

    /// Request that reads the workspace.
    pub(crate) fn request(&self, address: &str) -> String {
        let Self { organization, workspace, token, .. } = self;
        let path = format!("/api/v1/organizations/{organization}/workspaces/{workspace}");
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n")
    }
}
