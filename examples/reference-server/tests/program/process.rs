//! Programs that are started and stopped, and a client to speak to them.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hexabase_test_servers::Certificates;
use serde_json::{Value, json};

/// The program in a folder, with an environment in which nothing is set.
pub(crate) fn program(folder: &Path) -> Command {
    program_of(folder, Path::new(env!("CARGO_BIN_EXE_hexabase")))
}

/// The release before this one, which `HEXABASE_TEST_OLD_PROGRAM` names; without it this one once more.
pub(crate) fn old_program(folder: &Path) -> Command {
    match std::env::var_os("HEXABASE_TEST_OLD_PROGRAM") {
        Some(file) => program_of(folder, Path::new(&file)),
        None => program(folder),
    }
}

/// The same of another release.
fn program_of(folder: &Path, file: &Path) -> Command {
    let mut command = Command::new(file);
    let settings = std::env::vars().filter(|(name, _)| name.starts_with("HEXABASE_") || name == "KUBECONFIG");
    for (name, _) in settings {
        command.env_remove(name);
    }
    command.current_dir(folder);
    command
}

/// Asserts that a command fails with one line that contains a word, and answers the line.
pub(crate) fn fails_with(command: &mut Command, word: &str) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8(done.stderr).unwrap();
    assert!(!done.status.success(), "it succeeded, without a word of {word}");
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{errors}");
    assert!(lines[0].contains(word), "{errors}");
    lines[0].to_owned()
}

/// A program that runs. It dies with this.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    pub(crate) url: String,
}

impl Process {
    /// Starts the program, and waits for the line that says where it listens.
    pub(crate) async fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::spawn(arguments[0], folder, program(folder).args(arguments)).await
    }

    /// As [`Self::start`], under a name of its own.
    pub(crate) async fn spawn(name: &str, folder: &Path, command: &mut Command) -> Self {
        let (out, log) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.log")));
        // What a predecessor of the same name logged stays.
        let appended = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(&out).unwrap())
            .stderr(appended)
            .spawn()
            .unwrap();
        loop {
            let said = std::fs::read_to_string(&out).unwrap();
            let line = said.lines().next().filter(|_| said.contains('\n')).unwrap_or_default();
            let listening = line.split_once("(listening on ").map(|(_, rest)| rest.trim_end_matches(')'));
            let named = || line.split(' ').find_map(|word| word.strip_prefix("http://"));
            if let Some(address) = listening.or_else(named) {
                let url = format!("http://{}", address.split("/sandbox").next().unwrap());
                return Self { child, log, url };
            }
            if child.try_wait().unwrap().is_some() {
                panic!("{name} stopped: {}", std::fs::read_to_string(&log).unwrap());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts the server at an address of this machine, speaking https with a certificate of an authority of its own.
    pub(crate) async fn over_tls(folder: &Path, address: &str, more: &[&str]) -> (Self, Client) {
        let certificates = Certificates::naming(address);
        let port = TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (listen, url) = (format!("{address}:{port}"), format!("https://{address}:{port}"));
        let mut command = program(folder);
        command.args(["serve", "--dev", "--listen", &listen, "--public-url", &url]).args(more);
        command.arg("--tls-cert").arg(certificates.certificate()).arg("--tls-key").arg(certificates.key());
        command.arg("--issuer-ca").arg(certificates.authority());
        let process = Self::spawn("serve", folder, &mut command).await;
        let authority = std::fs::read(certificates.authority()).unwrap();
        let client = process.client().over_tls(&url, &authority);
        (process, client)
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop, which it must do well, and answers what it logged.
    pub(crate) fn stop(mut self) -> String {
        self.signal("TERM");
        let done = self.child.wait().unwrap();
        let mut log = String::new();
        std::fs::File::open(&self.log).unwrap().read_to_string(&mut log).unwrap();
        assert!(done.success(), "{done}: {log}");
        log
    }

    /// Where a sandbox has its tenants, as a server is told.
    pub(crate) fn tenant_address(&self) -> String {
        format!("{}/sandbox/tenants/{{name}}", self.url)
    }

    /// Speaks to it without credentials.
    pub(crate) fn client(&self) -> Client {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Client { http, url: self.url.clone(), token: None }
    }

    /// Speaks to it as somebody.
    pub(crate) async fn sign_in(&self, email: &str) -> Client {
        self.client().sign_in(email).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Speaks to a process.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

impl Client {
    /// The same with a token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The same as somebody.
    pub(crate) async fn sign_in(&self, email: &str) -> Self {
        let pair = self.post("/auth/dev/login", &json!({ "email": email })).await;
        self.clone().with_token(pair["access_token"].as_str().unwrap())
    }

    /// The same over https, trusting this authority alone.
    pub(crate) fn over_tls(self, url: &str, authority: &[u8]) -> Self {
        let authority = reqwest::Certificate::from_pem(authority).unwrap();
        let builder = reqwest::Client::builder().timeout(Duration::from_secs(10));
        let http = builder.tls_certs_only([authority]).build().unwrap();
        Self { http, url: url.to_owned(), ..self }
    }

    /// The same at another replica.
    pub(crate) fn at(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = self.answer(request).await;
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Value {
        self.send(self.http.put(format!("{}{path}", self.url)).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Value {
        self.send(self.http.patch(format!("{}{path}", self.url)).json(body)).await
    }

    /// The status with which a change is answered.
    pub(crate) async fn patched(&self, path: &str, body: &Value) -> reqwest::StatusCode {
        self.answer(self.http.patch(format!("{}{path}", self.url)).json(body)).await.status()
    }

    pub(crate) async fn delete(&self, path: &str) -> u16 {
        self.answer(self.http.delete(format!("{}{path}", self.url))).await.status().as_u16()
    }

    /// Whatever is answered, with its status.
    pub(crate) async fn answer_of(&self, path: &str) -> (u16, Value) {
        let answer = self.answer(self.http.get(format!("{}{path}", self.url))).await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.answer(self.http.get(format!("{}{path}", self.url))).await.text().await.unwrap()
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.answer(self.http.get(format!("{}{path}", self.url))).await.status().as_u16()
    }
}
