//! Processes of the program, and a client for their API.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hexabase_test_servers::Certificates;
use serde_json::{Value, json};

/// Returns a command that runs the program in a folder, without `HEXABASE_` variables.
pub(crate) fn program(folder: &Path) -> Command {
    program_of(folder, Path::new(env!("CARGO_BIN_EXE_hexabase")))
}

/// Returns a command that runs the previous release, `HEXABASE_TEST_OLD_PROGRAM`; if that is not set, the current
/// program.
pub(crate) fn old_program(folder: &Path) -> Command {
    match std::env::var_os("HEXABASE_TEST_OLD_PROGRAM") {
        Some(file) => program_of(folder, Path::new(&file)),
        None => program(folder),
    }
}

/// Beginnings of the names of variables that change the behaviour of the program.
const FOREIGN: [&str; 3] = ["HEXABASE_", "KUBECONFIG", "ACTIONS_ID_TOKEN_"];

/// Returns a command that runs a file in a folder, without the variables of [`FOREIGN`].
fn program_of(folder: &Path, file: &Path) -> Command {
    let mut command = Command::new(file);
    let variables =
        std::env::vars().filter(|(name, _)| FOREIGN.iter().any(|prefix| name.starts_with(prefix)));
    for (name, _) in variables {
        command.env_remove(name);
    }
    command.current_dir(folder);
    command
}

/// Asserts that a command fails with exactly one error line that contains a text, and returns the line.
pub(crate) fn fails_with(command: &mut Command, expected: &str) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "the command succeeded; expected an error with {expected:?}");
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{errors}");
    assert!(lines[0].contains(expected), "{errors}");
    lines[0].to_owned()
}

/// Running process. It is killed on drop.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pub(crate) url: String,
}

impl Process {
    /// Starts the program, and waits until it prints the address that it listens on.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(arguments[0], folder, program(folder).args(arguments)).await
    }

    /// Starts a command as [`Self::start`] does, with a name for its output files.
    pub(crate) async fn spawn(name: &str, folder: &Path, command: &mut Command) -> Self {
        let (out, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        // The log of a previous process of this name is kept.
        let appended = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(appended)
            .spawn()
            .unwrap();
        loop {
            let output = std::fs::read_to_string(&out).unwrap();
            let line = output.lines().next().filter(|_| output.contains('\n')).unwrap_or_default();
            let listening = line.split_once("(listening on ").map(|(_, rest)| rest.trim_end_matches(')'));
            let sandbox_url = || line.split(' ').find_map(|word| word.strip_prefix("http://"));
            if let Some(address) = listening.or_else(sandbox_url) {
                let url = format!("http://{}", address.split("/sandbox").next().unwrap());
                return Self { child, log, url };
            }
            if child.try_wait().unwrap().is_some() {
                panic!("{name} stopped: {}", std::fs::read_to_string(&log).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts a development server over https at an address of this machine, with a certificate of a new private CA.
    pub(crate) async fn start_with_tls(folder: &Path, address: &str, more: &[&str]) -> (Self, Client) {
        let certificates = Certificates::for_name(address);
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (listen, url) = (format!("{address}:{port}"), format!("https://{address}:{port}"));
        let mut command = program(folder);
        command.args(["serve", "--dev", "--listen", &listen, "--public-url", &url]).args(more);
        command.arg("--tls-cert").arg(certificates.certificate()).arg("--tls-key").arg(certificates.key());
        command.arg("--issuer-ca").arg(certificates.authority());
        let process = Self::spawn("serve", folder, &mut command).await;
        let authority = std::fs::read(certificates.authority()).unwrap();
        let client = process.client().with_tls(&url, &authority);
        (process, client)
    }

    /// Kills the process without a shutdown.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops the process, which must exit successfully, and returns its log.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let status = self.child.wait().unwrap();
        let mut log = String::new();
        std::fs::File::open(&self.log).unwrap().read_to_string(&mut log).unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }

    /// Returns the URL template of the tenant API servers of a sandbox process.
    pub(crate) fn tenant_address(&self) -> String {
        format!("{}/sandbox/tenants/{{name}}", self.url)
    }

    /// Returns a client without credentials.
    pub(crate) fn client(&self) -> Client {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Client { http, url: self.url.clone(), token: None }
    }

    /// Signs in a user and returns a client with the session.
    pub(crate) async fn sign_in(&self, email: &str) -> Client {
        self.client().sign_in(email).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Client for the API of a process.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) url: String,
    token: Option<String>,
}

impl Client {
    /// Returns this client with a token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Returns the token of the session.
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// Signs in a user and returns this client with the session.
    pub(crate) async fn sign_in(&self, email: &str) -> Self {
        let pair = self.post("/auth/dev/login", &json!({ "email": email })).await;
        self.clone().with_token(pair["access_token"].as_str().unwrap())
    }

    /// Returns this client over https, with only this CA trusted.
    pub(crate) fn with_tls(self, url: &str, authority: &[u8]) -> Self {
        let authority = reqwest::Certificate::from_pem(authority).unwrap();
        let builder = reqwest::Client::builder().timeout(Duration::from_secs(10));
        let http = builder.tls_certs_only([authority]).build().unwrap();
        Self { http, url: url.to_owned(), ..self }
    }

    /// Returns this client for another replica.
    pub(crate) fn at(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn send_successfully(&self, request: reqwest::RequestBuilder) -> Value {
        let response = self.send(request).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send_successfully(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.send_successfully(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Creates an organization of this name with the workspace `shop`, and returns the path of the workspace.
    pub(crate) async fn create_workspace(&self, organization: &str) -> String {
        let new = json!({ "name": organization, "display_name": organization });
        let org = self.post("/api/v1/organizations", &new).await["id"].as_str().unwrap().to_owned();
        let workspaces = format!("/api/v1/organizations/{org}/workspaces");
        let ws = self.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
        format!("{workspaces}/{}", ws["id"].as_str().unwrap())
    }

    /// Waits until a workspace is ready.
    pub(crate) async fn wait_until_ready(&self, workspace: &str) {
        while self.get(workspace).await["phase"] != "ready" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a POST with a header.
    pub(crate) async fn post_with(&self, path: &str, (name, value): (&str, &str), body: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).header(name, value).json(body);
        self.send_successfully(request).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        self.send_successfully(self.http.put(format!("{}{path}", self.url)).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        self.send_successfully(self.http.patch(format!("{}{path}", self.url)).json(body)).await
    }

    /// Sends a PATCH and returns the status of the response.
    pub(crate) async fn patch_status(&self, path: &str, body: &Value) -> reqwest::StatusCode {
        self.send(self.http.patch(format!("{}{path}", self.url)).json(body)).await.status()
    }

    pub(crate) async fn delete(&self, path: &str) -> u16 {
        self.send(self.http.delete(format!("{}{path}", self.url))).await.status().as_u16()
    }

    /// Sends a GET and returns status and body of the response, whatever the status.
    pub(crate) async fn get_with_status(&self, path: &str) -> (u16, Value) {
        let response = self.send(self.http.get(format!("{}{path}", self.url))).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.send(self.http.get(format!("{}{path}", self.url))).await.text().await.unwrap()
    }

    /// Reads the first event of a stream.
    pub(crate) async fn first_event(&self, path: &str) -> String {
        let mut response = self.send(self.http.get(format!("{}{path}", self.url))).await;
        let mut text = String::new();
        while !text.contains("\n\n") {
            let chunk = response.chunk().await.unwrap();
            text.push_str(std::str::from_utf8(&chunk.expect("the stream ended before an event")).unwrap());
        }
        text
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.send(self.http.get(format!("{}{path}", self.url))).await.status().as_u16()
    }
}
