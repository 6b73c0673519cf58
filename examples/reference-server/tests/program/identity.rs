//! People sign in with another house's provider in a real browser, and clients of other houses let them sign in here.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use hexabase_test_servers::{CiPeer, OidcPeer, browser, peer};
use serde_json::{Value, json};

use crate::process::{Process, fails_with, program};

/// A server as in production, on which people sign in with another house's provider.
struct House {
    server: Process,
    _provider: OidcPeer,
    _folder: tempfile::TempDir,
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl House {
    async fn start(more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let provider = OidcPeer::start(&[&format!("http://{address}/auth/callback/house")]);
        let mut command = program(folder.path());
        command
            .args(["serve", "--listen", &address, "--public-url", &format!("http://{address}")])
            .env("HEXABASE_MASTER_KEY", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
            .env("HEXABASE_PROVIDERS__HOUSE__ISSUER", provider.issuer())
            .env("HEXABASE_PROVIDERS__HOUSE__CLIENT_ID", "hexabase")
            .env("HEXABASE_PROVIDERS__HOUSE__CLIENT_SECRET", OidcPeer::CLIENT_SECRET)
            .envs(more.iter().copied());
        let server = Process::spawn("serve", folder.path(), &mut command).await;
        Self { server, _provider: provider, _folder: folder }
    }
}

/// Lets the client of another house go through everything, and answers what it saw, step by step.
async fn client(settings: &Value) -> Vec<Value> {
    let (node, script) = peer("client.mjs");
    let mut command = tokio::process::Command::new(node);
    command.arg(script).arg(settings.to_string()).stdin(Stdio::null()).kill_on_drop(true);
    let done = command.output().await.unwrap();
    let (out, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{errors}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn steps(seen: &[Value]) -> Vec<&str> {
    seen.iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn seen<'a>(all: &'a [Value], step: &str) -> &'a Value {
    all.iter().find(|one| one["step"] == step).unwrap()
}

#[tokio::test]
async fn a_foreign_client_signs_people_in_whom_a_foreign_provider_knows() {
    let port = free_port();
    let callback = format!("http://127.0.0.1:{port}/callback");
    let house = House::start(&[
        ("HEXABASE_CLIENTS__GRAFANA__SECRET", "a secret that nobody guesses: +%&/"),
        ("HEXABASE_CLIENTS__GRAFANA__REDIRECT_URIS", &callback),
        ("HEXABASE_CLIENTS__GRAFANA__POST_LOGOUT_REDIRECT_URIS", &callback),
    ])
    .await;
    let all = client(&json!({
        "issuer": house.server.url,
        "clientId": "grafana",
        "clientSecret": "a secret that nobody guesses: +%&/",
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
    assert_eq!(steps(&all), expected);
    let claims = &seen(&all, "code")["claims"];
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!("ann@example.com"), &json!(true)));
    assert_eq!((&claims["aud"], &claims["name"]), (&json!("grafana"), &json!("ann")));
    let group = claims["groups"][0].as_str().unwrap();
    assert!(group.starts_with("personal-") && group.ends_with(":owner"), "{claims}");
    assert_eq!(seen(&all, "userinfo")["info"]["groups"], claims["groups"]);

    let log = house.server.stop();
    for secret in ["a secret that nobody guesses", OidcPeer::CLIENT_SECRET, "code=", "code_verifier", "hxr_"]
    {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// Somebody with a machine of their own, on which they use the command line.
struct Machine {
    home: tempfile::TempDir,
    server: String,
}

impl Machine {
    fn new(server: &Process) -> Self {
        Self { home: tempfile::tempdir().unwrap(), server: server.url.clone() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.home.path());
        command.env("HOME", self.home.path()).env_remove("XDG_CONFIG_HOME").args(arguments);
        command
    }

    fn says(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    fn logins(&self) -> PathBuf {
        self.home.path().join(".config/hexabase/logins.json")
    }

    fn held(&self) -> Value {
        let all: Value = serde_json::from_str(&std::fs::read_to_string(self.logins()).unwrap()).unwrap();
        all[&self.server].clone()
    }

    /// Lets time pass for the token that is held.
    fn grow_old(&self) {
        let mut all: Value = serde_json::from_str(&std::fs::read_to_string(self.logins()).unwrap()).unwrap();
        all[&self.server]["expires_at"] = json!("2020-01-01T00:00:00Z");
        std::fs::write(self.logins(), all.to_string()).unwrap();
    }

    /// Signs in as somebody, who goes to the page that the program names, and answers what it said.
    async fn sign_in(&self, who: &str, more: &[&str], words: &str) -> String {
        let arguments = [&["login", "--server", &self.server, "--no-browser"], more].concat();
        let mut command = self.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let page = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("http")).unwrap();
        let (node, script) = peer("person.mjs");
        let person =
            tokio::process::Command::new(node).arg(script).arg(browser()).args([who, &page, words]).output();
        let person = person.await.unwrap();
        assert!(person.status.success(), "{person:?}");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{done:?}");
        rest.concat()
    }
}

#[tokio::test]
async fn people_sign_in_from_the_command_line_and_kubectl_gets_its_tokens_from_there() {
    let house = House::start(&[]).await;
    let machine = Machine::new(&house.server);
    let nobody = fails_with(
        &mut machine.command(&["credential", "--workspace", "ws_01h455vb4pex5vsknk084sn02q"]),
        "login",
    );
    assert!(nobody.contains("signed in nowhere"), "{nobody}");

    let said = machine.sign_in("ann@example.com", &[], "go back to your terminal").await;
    assert_eq!(said, format!("signed in at {} as ann@example.com", machine.server));
    let mode = std::fs::metadata(machine.logins()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads what is kept");

    let ann = house.server.client().with_token(machine.held()["access_token"].as_str().unwrap());
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let made = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = made["id"].as_str().unwrap();
    while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The kubeconfig is put in among others, once.
    let kubeconfig = machine.home.path().join(".kube/config");
    for _ in 0..2 {
        let said = machine.says(&["kubeconfig", "--workspace", "shop"]);
        assert!(said.contains("hexabase_acme_shop") && said.contains(".kube/config"), "{said}");
    }
    let parsed = kube::config::Kubeconfig::read_from(&kubeconfig).unwrap();
    assert_eq!(parsed.current_context.as_deref(), Some("hexabase_acme_shop"));
    assert_eq!((parsed.clusters.len(), parsed.auth_infos.len(), parsed.contexts.len()), (1, 1, 1));
    let exec = parsed.auth_infos[0].auth_info.clone().unwrap().exec.unwrap();

    // What kubectl would run brings a token that the cluster takes, with the rights of Ann's groups.
    let arguments = exec.args.unwrap();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let credential: Value = serde_json::from_str(&machine.says(&arguments)).unwrap();
    let token = credential["status"]["token"].as_str().unwrap();
    let cluster = house.server.client().with_token(token);
    let namespaces = format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
    assert_eq!(cluster.status(&namespaces).await, 200);

    // Ten at once whose token has ended: one renews it, and the others have what it got.
    machine.grow_old();
    let before = machine.held()["refresh_token"].clone();
    let asking: Vec<_> =
        (0..10).map(|_| machine.command(&arguments).stdout(Stdio::piped()).spawn().unwrap()).collect();
    for child in asking {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_ne!(machine.held()["refresh_token"], before);
    let events = ann.get("/auth/security-events").await.to_string();
    assert_eq!(events.matches("token_refreshed").count(), 1, "{events}");

    // Whoever ends the session elsewhere has ended it here.
    let sessions = ann.get("/auth/sessions").await;
    assert_eq!(
        sessions["items"].as_array().unwrap().len(),
        2,
        "the browser's and the command line's: {sessions}"
    );
    let current = sessions["items"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
    assert_eq!(current["client"], "hexabase");
    assert_eq!(ann.delete(&format!("/auth/sessions/{}", current["id"].as_str().unwrap())).await, 204);
    machine.grow_old();
    fails_with(&mut machine.command(&arguments), "your sign-in there is over");
    assert_eq!(machine.held(), Value::Null);

    // Where there is no browser, one elsewhere does; and signing out ends it.
    let said = machine.sign_in("ann@example.com", &["--device"], "Your device is connected").await;
    assert_eq!(said, format!("signed in at {} as ann@example.com", machine.server));
    let again = house.server.client().with_token(machine.held()["access_token"].as_str().unwrap());
    assert_eq!(again.status("/auth/me").await, 200);
    assert_eq!(machine.says(&["logout"]), format!("signed out at {}\n", machine.server));
    assert_eq!(again.status("/auth/me").await, 401);
    assert_eq!(machine.held(), Value::Null);
}

#[tokio::test]
async fn a_workspace_is_a_client_by_itself_and_its_cluster_takes_its_tokens() {
    let house = House::start(&[]).await;
    let machine = Machine::new(&house.server);
    machine.sign_in("ann@example.com", &[], "go back to your terminal").await;
    let ann = house.server.client().with_token(machine.held()["access_token"].as_str().unwrap());
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let mut made = Vec::new();
    for name in ["shop", "other"] {
        let ws = ann.post(&workspaces, &json!({ "name": name, "plan_id": "starter" })).await;
        made.push(ws["id"].as_str().unwrap().to_owned());
    }
    for ws in &made {
        while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let all = client(&json!({
        "issuer": house.server.url,
        "clientId": made[0],
        "scope": "openid offline_access",
        "person": "ann@example.com",
        "chromium": browser(),
    }))
    .await;
    assert!(steps(&all).ends_with(&["device", "revocation", "logout"]), "{all:?}");
    let code = seen(&all, "code");
    let claims = &code["claims"];
    assert_eq!((&claims["aud"], &claims["org"]), (&json!(made[0]), &json!(org)));
    assert_eq!(claims["groups"], json!(["WSAdmins", "WorkspaceMembers"]));
    let life = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(life, 600, "{claims}");
    for token in [code, seen(&all, "refresh")] {
        let cluster = house.server.client().with_token(token["idToken"].as_str().unwrap());
        let namespaces = |ws: &str| format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
        assert_eq!(cluster.status(&namespaces(&made[0])).await, 200);
        assert_eq!(cluster.status(&namespaces(&made[1])).await, 401);
        assert_eq!(cluster.status("/api/v1/organizations").await, 401, "it is not for the API");
    }
    let kubeconfig = ann.text(&format!("{workspaces}/{}/kubeconfig?auth=kubelogin", made[0])).await;
    for part in ["oidc-login", &format!("--oidc-issuer-url={}", house.server.url), &made[0]] {
        assert!(kubeconfig.contains(part), "{kubeconfig}");
    }
}

#[tokio::test]
async fn a_job_of_a_ci_system_gets_into_a_cluster_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = ["serve", "--dev", "--listen", &address];
    let server = Process::start(folder.path(), &arguments).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let made = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = made["id"].as_str().unwrap();
    let accounts = format!("/api/v1/organizations/{org}/service-accounts");
    let account = ann.post(&accounts, &json!({ "name": "deployer", "role": "member" })).await;
    let account = account["id"].as_str().unwrap();
    let groups = ann.get(&format!("{workspaces}/{ws}/groups")).await;
    let admins =
        groups["items"].as_array().unwrap().iter().find(|group| group["name"] == "WSAdmins").unwrap();
    let place = format!("groups/{}/members/{account}", admins["id"].as_str().unwrap());
    ann.put(&format!("{workspaces}/{ws}/{place}"), &Value::Null).await;
    server.stop();

    // From now on a repository's jobs are the service account.
    let ci = CiPeer::start();
    let mut command = program(folder.path());
    command
        .args(arguments)
        .env("HEXABASE_TRUSTS__CI__ISSUER", ci.issuer())
        .env("HEXABASE_TRUSTS__CI__AUDIENCE", format!("http://{address}"))
        .env("HEXABASE_TRUSTS__CI__CLAIMS", "repository=acme/shop")
        .env("HEXABASE_TRUSTS__CI__SERVICE_ACCOUNT", account);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let ann = server.sign_in("ann@example.com").await;
    let namespaces = format!("/sandbox/tenants/{}/api/v1/namespaces", ws.replace('_', "-"));
    let namespaces_as = async |token: &str| server.client().with_token(token).status(&namespaces).await;
    while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let machine = Machine::new(&server);
    let job = |repository: &str| {
        let mut command = machine.command(&["credential", "--server", &machine.server, "--workspace", ws]);
        command
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", ci.request_url(repository))
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", CiPeer::REQUEST_TOKEN);
        command
    };
    let done = job("acme/shop").output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let credential: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(namespaces_as(credential["status"]["token"].as_str().unwrap()).await, 200);
    fails_with(&mut job("evil/shop"), "the subject_token is not valid");

    // Others hand a job its token in a variable.
    let own = ci.token("acme/shop", &machine.server).await;
    let mut handed = machine.command(&["credential", "--server", &machine.server, "--workspace", ws]);
    let done = handed.env("HEXABASE_ID_TOKEN", &own).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(namespaces_as(&own).await, 401, "the cluster knows nobody but us");
    assert_eq!(server.client().with_token(&own).status("/auth/me").await, 401, "and it is not for the API");
    let elsewhere = ci.token("acme/shop", "https://elsewhere.example").await;
    fails_with(handed.env("HEXABASE_ID_TOKEN", &elsewhere), "the subject_token is not valid");
}
