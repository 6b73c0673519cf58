//! Sign-in with an upstream provider and a real browser, third-party OpenID Connect clients, and the command-line client.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use hexabase_test_servers::{OidcPeer, browser, peer};
use serde_json::{Value, json};

use crate::process::{Process, fails_with, program};

/// Settings of a server as in production, with upstream OpenID Connect providers.
struct ProviderSetup {
    folder: tempfile::TempDir,
    address: String,
    variables: Vec<(String, String)>,
    providers: Vec<OidcPeer>,
}

/// Server as in production, with the upstream OpenID Connect provider `upstream`.
struct ServerWithProvider {
    server: Process,
    settings: ProviderSetup,
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl ProviderSetup {
    /// Starts these providers, each on a loopback address, for a server with these variables in addition.
    fn new(providers: &[(&str, &'static str)], variables: &[(&str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut variables: Vec<_> = variables.iter().map(owned).collect();
        let mut peers = Vec::new();
        for (name, host) in providers {
            let callback = format!("http://{address}/auth/callback/{name}");
            let provider = OidcPeer::start_on(host, &[&callback]);
            for (key, value) in [
                ("ISSUER", provider.issuer()),
                ("CLIENT_ID", "hexabase".to_owned()),
                ("CLIENT_SECRET", OidcPeer::CLIENT_SECRET.to_owned()),
            ] {
                let table = name.to_ascii_uppercase();
                variables.push((format!("HEXABASE_PROVIDERS__{table}__{key}"), value));
            }
            peers.push(provider);
        }
        Self { folder: tempfile::tempdir().unwrap(), address, variables, providers: peers }
    }

    /// Returns a command with the settings.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command
            .args(arguments)
            .env("HEXABASE_LISTEN", &self.address)
            .env("HEXABASE_PUBLIC_URL", format!("http://{}", self.address))
            .env("HEXABASE_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
            .envs(self.variables.iter().cloned());
        command
    }

    async fn serve(&self) -> Process {
        Process::spawn("serve", self.folder.path(), &mut self.command(&["serve"])).await
    }

    /// Runs an administration command, and returns its result.
    fn admin(&self, arguments: &[&str]) -> Value {
        let output = self.command(&[&["admin", "--json"], arguments].concat()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }
}

impl ServerWithProvider {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let settings = ProviderSetup::new(&[("upstream", "127.0.0.1")], variables);
        Self { server: settings.serve().await, settings }
    }
}

/// Runs a third-party client with a browser, and returns the steps that it reports.
async fn run_client(settings: &Value) -> Vec<Value> {
    run_browser("client.mjs", settings).await
}

/// Runs a script that drives a browser, and returns the steps that it reports.
async fn run_browser(script: &str, settings: &Value) -> Vec<Value> {
    let (node, script) = peer(script);
    let mut command = tokio::process::Command::new(node);
    command.arg(script).arg(settings.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn step_names(steps: &[Value]) -> Vec<&str> {
    steps.iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn find_step<'a>(steps: &'a [Value], name: &str) -> &'a Value {
    steps.iter().find(|step| step["step"] == name).unwrap()
}

#[tokio::test]
async fn third_party_client_signs_in_users_of_an_upstream_provider() {
    let port = free_port();
    let callback = format!("http://127.0.0.1:{port}/callback");
    let setup = ServerWithProvider::start(&[
        ("HEXABASE_CLIENTS__GRAFANA__SECRET", "a client secret: +%&/"),
        ("HEXABASE_CLIENTS__GRAFANA__REDIRECT_URIS", &callback),
        ("HEXABASE_CLIENTS__GRAFANA__POST_LOGOUT_REDIRECT_URIS", &callback),
    ])
    .await;
    let steps = run_client(&json!({
        "issuer": setup.server.url,
        "clientId": "grafana",
        "clientSecret": "a client secret: +%&/",
        "scope": "openid email profile groups offline_access",
        "port": port,
        "person": "ann@example.com",
        "chromium": browser(),
    }))
    .await;
    let expected = [
        "discovered",
        "code",
        "prompt none",
        "max_age",
        "userinfo",
        "refresh",
        "tampered token refused",
        "device",
        "introspection",
        "revocation",
        "logout",
    ];
    assert_eq!(step_names(&steps), expected);
    let claims = &find_step(&steps, "code")["claims"];
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("ann@example.com"), &json!(true)));
    assert_eq!((&claims["aud"], &claims["name"]), (&json!("grafana"), &json!("ann")));
    let group = claims["groups"][0].as_str().unwrap();
    assert!(group.starts_with("personal-") && group.ends_with(":owner"), "{claims}");
    assert_eq!(find_step(&steps, "userinfo")["info"]["groups"], claims["groups"]);

    let log = setup.server.stop();
    for secret in ["a client secret", OidcPeer::CLIENT_SECRET, "code=", "code_verifier", "hxr_"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// Response that a browser receives.
struct BrowserPage {
    status: u16,
    media_type: String,
    /// Request id of the response header.
    request_id: String,
    text: String,
}

/// Opens a URL as a browser with these cookies does.
async fn open(http: &reqwest::Client, url: &str, cookies: &str) -> BrowserPage {
    let response =
        http.get(url).header("accept", "text/html").header("cookie", cookies).send().await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let (status, media_type, request_id) =
        (response.status().as_u16(), header("content-type"), header("x-request-id"));
    BrowserPage { status, media_type, request_id, text: response.text().await.unwrap() }
}

/// Returns the only line of a JSON log with this message and request id.
fn find_log_line(log: &str, message: &str, request_id: &str) -> Value {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found = lines.filter(|line| line["message"] == message && line["span"]["id"] == request_id);
    let line = found.next().unwrap_or_else(|| panic!("no line {message:?} of request {request_id} in {log}"));
    assert_eq!(found.next(), None, "{log}");
    line
}

#[tokio::test]
async fn a_failed_sign_in_shows_a_page_whose_request_id_leads_to_the_cause_in_the_log() {
    let mut settings = ProviderSetup::new(&[("upstream", "127.0.0.1")], &[("HEXABASE_LOG", "json")]);
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();

    // The second attempt is during the cooldown after the first.
    settings.providers[0].stop();
    let server = settings.serve().await;
    let login = format!("{}/auth/login/upstream", server.url);
    let not_started = [open(&http, &login, "").await, open(&http, &login, "").await];
    server.stop();
    settings.providers[0].resume();
    let server = settings.serve().await;
    let started = http.get(&login).send().await.unwrap();
    let cookies = started.headers().get_all("set-cookie").iter();
    let cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    let authorization_url = started.headers()["location"].to_str().unwrap();
    let callback = settings.providers[0].approve(authorization_url, "ann@example.com").await;
    for parameter in ["code=", "state=", "iss="] {
        assert!(callback.contains(parameter), "{callback}");
    }

    let foreign = open(&http, &callback, "").await;
    let denied = open(&http, &format!("{}/auth/callback/upstream?error=access_denied", server.url), "").await;
    let incomplete = open(&http, &format!("{}/auth/callback/upstream", server.url), "").await;
    settings.providers[0].stop();
    let unavailable = open(&http, &callback, &cookies).await;

    let log = server.stop();
    let (failed, not_requested) = ("sign-in failed", "request failed; backend unavailable");
    for (page, status, message, cause) in [
        (&not_started[0], 503, not_requested, "Connection refused"),
        (&not_started[1], 503, not_requested, "Connection refused"),
        (&foreign, 401, failed, "the browser has no cookie of a sign-in with this state"),
        (&denied, 401, "sign-in failed; the provider sent an error", "access_denied"),
        (&incomplete, 401, "sign-in failed; the provider sent no code or no state", ""),
        (&unavailable, 503, failed, "Connection refused"),
    ] {
        assert_eq!(
            (page.status, page.media_type.as_str()),
            (status, "text/html; charset=utf-8"),
            "{message}"
        );
        let shown = format!("<code>{}</code>", page.request_id);
        assert!(page.text.contains(&shown), "{}", page.text);
        let line = find_log_line(&log, message, &page.request_id);
        assert_eq!(line["level"], "WARN", "{line}");
        assert!(line["error"].as_str().unwrap_or_default().contains(cause), "{line}");
        assert!(cause.is_empty() || !page.text.contains(cause), "the page names the cause: {}", page.text);
    }
    for secret in
        [OidcPeer::CLIENT_SECRET, callback.split("code=").nth(1).unwrap().split('&').next().unwrap()]
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// Machine of a user of the command-line client, with its own home directory.
pub(crate) struct Machine {
    home: tempfile::TempDir,
    pub(crate) server: String,
}

impl Machine {
    pub(crate) fn new(server: &Process) -> Self {
        Self { home: tempfile::tempdir().unwrap(), server: server.url.clone() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.home.path());
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn logins_file(&self) -> PathBuf {
        self.home.path().join(".config/hexabase/logins.json")
    }

    fn saved_login(&self) -> Value {
        let all: Value = serde_json::from_str(&std::fs::read_to_string(self.logins_file()).unwrap()).unwrap();
        all[&self.server].clone()
    }

    /// Replaces the saved access token; its expiry stays.
    fn replace_token(&self, token: &str) {
        let mut all: Value =
            serde_json::from_str(&std::fs::read_to_string(self.logins_file()).unwrap()).unwrap();
        all[&self.server]["access_token"] = json!(token);
        std::fs::write(self.logins_file(), all.to_string()).unwrap();
    }

    /// Marks the saved access token as expired.
    fn expire_token(&self) {
        let mut all: Value =
            serde_json::from_str(&std::fs::read_to_string(self.logins_file()).unwrap()).unwrap();
        all[&self.server]["expires_at"] = json!("2020-01-01T00:00:00Z");
        std::fs::write(self.logins_file(), all.to_string()).unwrap();
    }

    /// Runs `login` while a user opens the page that it prints, until the page contains a text. Returns the rest of
    /// its output.
    async fn sign_in(&self, user: &str, more: &[&str], page_text: &str) -> String {
        let arguments = [&["login", "--server", &self.server, "--no-browser"], more].concat();
        let mut command = self.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let page = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("http")).unwrap();
        let (node, script) = peer("person.mjs");
        let person = tokio::process::Command::new(node)
            .arg(script)
            .arg(browser())
            .args([user, &page, page_text])
            .output()
            .await
            .unwrap();
        assert!(person.status.success(), "{person:?}");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        rest.concat()
    }
}

#[tokio::test]
async fn command_line_login_gives_kubectl_its_tokens() {
    let setup = ServerWithProvider::start(&[]).await;
    let machine = Machine::new(&setup.server);
    let signed_out = fails_with(
        &mut machine.command(&["credential", "--workspace", "ws_01h455vb4pex5vsknk084sn02q"]),
        "login",
    );
    assert!(signed_out.contains("not signed in to any server"), "{signed_out}");

    let output = machine.sign_in("ann@example.com", &[], "go back to your terminal").await;
    assert_eq!(output, format!("signed in to {} as ann@example.com", machine.server));
    let mode = std::fs::metadata(machine.logins_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "only the owner can read the tokens");

    let ann = setup.server.client().with_token(machine.saved_login()["access_token"].as_str().unwrap());
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let workspace = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = workspace["id"].as_str().unwrap();
    while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The second run replaces the entries of the first.
    let kubeconfig = machine.home.path().join(".kube/config");
    for _ in 0..2 {
        let output = machine.run(&["kubeconfig", "--workspace", "shop"]);
        assert!(output.contains("hexabase_acme_shop") && output.contains(".kube/config"), "{output}");
    }
    let parsed = kube::config::Kubeconfig::read_from(&kubeconfig).unwrap();
    assert_eq!(parsed.current_context.as_deref(), Some("hexabase_acme_shop"));
    assert_eq!((parsed.clusters.len(), parsed.auth_infos.len(), parsed.contexts.len()), (1, 1, 1));
    let exec = parsed.auth_infos[0].auth_info.clone().unwrap().exec.unwrap();

    // The exec command of the kubeconfig prints a token that the cluster accepts, with the permissions of Ann's
    // groups.
    let arguments = exec.args.unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let credential: Value = serde_json::from_str(&machine.run(&arguments)).unwrap();
    let token = credential["status"]["token"].as_str().unwrap();
    let cluster = setup.server.client().with_token(token);
    let namespaces = format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
    assert_eq!(cluster.status(&namespaces).await, 200);

    // Of ten concurrent processes with an expired token, one refreshes it and the others use the result.
    machine.expire_token();
    let before = machine.saved_login()["refresh_token"].clone();
    let processes: Vec<_> =
        (0..10).map(|_| machine.command(&arguments).stdout(Stdio::piped()).spawn().unwrap()).collect();
    for child in processes {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_ne!(machine.saved_login()["refresh_token"], before);
    let events = ann.get("/auth/security-events").await.to_string();
    assert_eq!(events.matches("token_refreshed").count(), 1, "{events}");

    // A session that is ended elsewhere is no longer valid for the command line.
    let sessions = ann.get("/auth/sessions").await;
    assert_eq!(
        sessions["items"].as_array().unwrap().len(),
        2,
        "those of the browser and of the command line: {sessions}"
    );
    let current = sessions["items"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
    assert_eq!(current["client"], "hexabase");
    assert_eq!(ann.delete(&format!("/auth/sessions/{}", current["id"].as_str().unwrap())).await, 204);
    machine.expire_token();
    fails_with(&mut machine.command(&arguments), "your session has ended");
    assert_eq!(machine.saved_login(), Value::Null);

    // Sign-in with a browser on another machine, and logout.
    let output = machine.sign_in("ann@example.com", &["--device"], "Your device is connected").await;
    assert_eq!(output, format!("signed in to {} as ann@example.com", machine.server));
    let client = setup.server.client().with_token(machine.saved_login()["access_token"].as_str().unwrap());
    assert_eq!(client.status("/auth/me").await, 200);
    assert_eq!(machine.run(&["logout"]), format!("signed out of {}\n", machine.server));
    assert_eq!(client.status("/auth/me").await, 401);
    assert_eq!(machine.saved_login(), Value::Null);
}

#[tokio::test]
async fn a_token_that_is_rejected_before_it_expires_is_refreshed() {
    let ServerWithProvider { server, settings } = ServerWithProvider::start(&[]).await;
    let machine = Machine::new(&server);
    machine.sign_in("ann@example.com", &[], "go back to your terminal").await;
    let saved_token = || machine.saved_login()["access_token"].as_str().unwrap().to_owned();
    let ann = server.client().with_token(&saved_token());
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let workspace = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = workspace["id"].as_str().unwrap();
    while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let credential = ["credential", "--server", &machine.server, "--workspace", ws];
    machine.run(&credential);

    // The key that signed the saved token is retired.
    server.stop();
    let keys = settings.admin(&["keys", "list"]);
    settings.admin(&["keys", "rotate"]);
    for key in keys.as_array().unwrap() {
        settings.admin(&["keys", "retire", key["kid"].as_str().unwrap()]);
    }
    let server = settings.serve().await;
    let retired = saved_token();
    assert_eq!(server.client().with_token(&retired).status("/auth/me").await, 401);
    machine.run(&credential);
    assert_ne!(saved_token(), retired, "the token is refreshed");

    // The command kubeconfig does the same.
    machine.replace_token(&retired);
    let kubeconfig = machine.run(&["kubeconfig", "--workspace", "shop", "--stdout"]);
    assert!(kubeconfig.contains(ws), "{kubeconfig}");
    assert_ne!(saved_token(), retired, "the token is refreshed");

    // A session that was ended elsewhere cannot be refreshed.
    let ann = server.client().with_token(&saved_token());
    let sessions = ann.get("/auth/sessions").await;
    let current = sessions["items"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
    assert_eq!(ann.delete(&format!("/auth/sessions/{}", current["id"].as_str().unwrap())).await, 204);
    let error = fails_with(&mut machine.command(&credential), "your session has ended");
    assert!(error.contains(&format!("run hexabase login --server {}", machine.server)), "{error}");
}

#[tokio::test]
async fn concurrent_sign_ins_of_one_browser_all_succeed() {
    let ports = [free_port(), free_port()];
    let callbacks = ports.map(|port| format!("http://127.0.0.1:{port}/callback"));
    // Browsers share cookies between the ports of a host, so that each provider has a host of its own.
    let settings = ProviderSetup::new(
        &[("one", "127.0.0.2"), ("two", "127.0.0.3")],
        &[
            ("HEXABASE_CLIENTS__GRAFANA__SECRET", "the secret of grafana"),
            ("HEXABASE_CLIENTS__GRAFANA__REDIRECT_URIS", &callbacks[0]),
            ("HEXABASE_CLIENTS__ARGO__SECRET", "the secret of argo"),
            ("HEXABASE_CLIENTS__ARGO__REDIRECT_URIS", &callbacks[1]),
        ],
    );
    let server = settings.serve().await;
    let steps = run_browser(
        "concurrent.mjs",
        &json!({
            "server": server.url,
            "providers": ["one", "two"],
            "clients": [
                { "id": "grafana", "secret": "the secret of grafana", "port": ports[0] },
                { "id": "argo", "secret": "the secret of argo", "port": ports[1] },
            ],
            "person": "ann@example.com",
            "chromium": browser(),
        }),
    )
    .await;
    assert_eq!(step_names(&steps), ["ten tabs", "two applications", "callback in another browser"]);
}

#[tokio::test]
async fn workspace_is_a_built_in_client_whose_tokens_its_cluster_accepts() {
    let setup = ServerWithProvider::start(&[]).await;
    let machine = Machine::new(&setup.server);
    machine.sign_in("ann@example.com", &[], "go back to your terminal").await;
    let ann = setup.server.client().with_token(machine.saved_login()["access_token"].as_str().unwrap());
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let mut ids = Vec::new();
    for name in ["shop", "other"] {
        let ws = ann.post(&workspaces, &json!({ "name": name, "plan_id": "starter" })).await;
        ids.push(ws["id"].as_str().unwrap().to_owned());
    }
    for ws in &ids {
        while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let steps = run_client(&json!({
        "issuer": setup.server.url,
        "clientId": ids[0],
        "scope": "openid offline_access",
        "person": "ann@example.com",
        "chromium": browser(),
    }))
    .await;
    assert!(step_names(&steps).ends_with(&["device", "revocation", "logout"]), "{steps:?}");
    let code = find_step(&steps, "code");
    let claims = &code["claims"];
    assert_eq!((&claims["aud"], &claims["org"]), (&json!(ids[0]), &json!(org)));
    assert_eq!(claims["groups"], json!(["WSAdmins", "WorkspaceMembers"]));
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 600, "{claims}");
    for token in [code, find_step(&steps, "refresh")] {
        let cluster = setup.server.client().with_token(token["idToken"].as_str().unwrap());
        let namespaces = |ws: &str| format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
        assert_eq!(cluster.status(&namespaces(&ids[0])).await, 200);
        assert_eq!(cluster.status(&namespaces(&ids[1])).await, 401);
        assert_eq!(cluster.status("/api/v1/organizations").await, 401, "the API rejects cluster tokens");
    }
    let kubeconfig = ann.text(&format!("{workspaces}/{}/kubeconfig?auth=kubelogin", ids[0])).await;
    for part in ["oidc-login", &format!("--oidc-issuer-url={}", setup.server.url), &ids[0]] {
        assert!(kubeconfig.contains(part), "{kubeconfig}");
    }
}
