//! Tests of the program `hexabase`, run as processes as in production.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "load tests print their progress")]

mod abusive_tenant;
mod billing;
mod chaos;
mod clusters;
mod command_line;
mod console;
mod declarative;
mod demonstration;
mod federation;
mod generated_client;
mod healthcheck;
mod identity;
mod installation;
mod kubeconfig;
mod kubectl;
mod metrics;
mod operations;
mod process;
mod real_cluster;
mod rolling_upgrade;
mod sessions;
mod tenant_scraping;
mod traces;
mod workload_identity;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hexabase_test_servers::Certificates;
use installation::Installation;
use process::{Process, fails_with, program};
use serde_json::{Value, json};

#[test]
fn the_main_job_succeeds_on_an_empty_and_on_an_existing_database() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/walk-twice");
    let output = Command::new(script).arg(env!("CARGO_BIN_EXE_hexabase")).output().unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{errors}");
    assert_eq!(out.matches("walk completed: all steps passed").count(), 2, "{out}");
}

#[tokio::test]
async fn provisioning_continues_without_duplicates_after_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    // The cluster is a separate process, as in production, and survives the server.
    let cluster = Process::start(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"]).await;
    let tenants = cluster.tenant_address();
    let host_options = ["--kubeconfig", "sandbox.kubeconfig", "--tenant-address", &tenants];
    let serve = [&["serve", "--dev", "--listen", "127.0.0.1:0"], &host_options[..]].concat();

    let server = Process::start(folder.path(), &serve).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let mut ids = BTreeSet::new();
    for name in ["one", "two", "three"] {
        let workspace = ann.post(&workspaces, &json!({ "name": name, "plan_id": "starter" })).await;
        ids.insert(workspace["id"].as_str().unwrap().to_owned());
    }
    // Provisioning has started once the host has the first namespace.
    let host = cluster.client();
    let namespaces = async || {
        let all = host.get("/sandbox/host/api/v1/namespaces").await;
        let names = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap().replace('-', "_"));
        names.filter(|name| name.starts_with("ws_")).collect::<BTreeSet<String>>()
    };
    while namespaces().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let phases = |all: &Value| -> Vec<String> {
        all["items"].as_array().unwrap().iter().map(|one| one["phase"].as_str().unwrap().to_owned()).collect()
    };
    server.kill();

    let server = Process::start(folder.path(), &serve).await;
    let ann = server.sign_in("ann@example.com").await;
    while phases(&ann.get(&workspaces).await) != ["ready", "ready", "ready"] {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(namespaces().await, ids);
    let control_planes = host.get("/sandbox/host/apis/apps/v1/statefulsets").await;
    assert_eq!(control_planes["items"].as_array().unwrap().len(), 3);
    let log = ann.get(&format!("/api/v1/organizations/{org}/audit-events?action=workspace.create")).await;
    assert_eq!(log["items"].as_array().unwrap().len(), 3, "{log}");
    server.stop();
}

#[tokio::test]
async fn metrics_are_served_on_their_own_address_or_to_the_same_machine() {
    let folder = tempfile::tempdir().unwrap();
    let serve = ["serve", "--dev", "--listen", "127.0.0.1:0"];
    let server = Process::start(folder.path(), &serve).await;
    let metrics = format!("{}/metrics", server.url);
    let http = reqwest::Client::builder().build().unwrap();
    assert_eq!(http.get(&metrics).send().await.unwrap().status(), 200);
    let forwarded = http.get(&metrics).header("x-forwarded-for", "203.0.113.7").send().await.unwrap();
    assert_eq!(forwarded.status(), 404);
    server.stop();

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let own = format!("127.0.0.1:{port}");
    let server = Process::start(folder.path(), &[&serve[..], &["--metrics-listen", &own]].concat()).await;
    for path in ["/metrics", "/metrics/alert-rules"] {
        assert_eq!(server.client().status(path).await, 404, "{path}");
    }
    let own_address = server.client().at(&format!("http://{own}"));
    assert!(own_address.text("/metrics").await.contains("hexabase_"), "the metrics of the process");
    assert_eq!(own_address.status("/metrics/alert-rules").await, 200);
    for path in ["/healthz", "/readyz", "/api/v1/info", "/api/v1/plans"] {
        assert_eq!(own_address.status(path).await, 404, "{path}");
    }
    server.stop();
}

#[tokio::test]
async fn several_api_and_worker_processes_share_real_backends() {
    let installation = Installation::new().await;
    let apis = [installation.start("api-1", "api").await, installation.start("api-2", "api").await];
    let workers =
        [installation.start("worker-1", "worker").await, installation.start("worker-2", "worker").await];
    let ann = apis[0].sign_in("ann@example.com").await;
    let ann_at_second = ann.clone().at(&apis[1].url);
    let path = ann.create_workspace("acme").await;
    ann_at_second.wait_until_ready(&path).await;
    for process in apis.iter().chain(&workers) {
        let ready = process.client().get("/readyz").await;
        assert_eq!(ready["backends"]["store"], "ok", "{ready}");
    }
    let backends = &ann_at_second.get("/api/v1/info").await["backends"];
    assert_eq!((&backends["store"], &backends["queue"]), (&json!("postgres"), &json!("nats")));
    assert_eq!(workers[0].client().status("/api/v1/plans").await, 404, "a worker serves no API");

    // A logout at one replica applies to all of them.
    ann.post("/auth/logout", &Value::Null).await;
    assert_eq!(ann_at_second.status(&path).await, 401);
    for process in workers.into_iter().chain(apis) {
        process.stop();
    }
}

#[tokio::test]
async fn readyz_names_unavailable_backends_and_requests_fail_fast() {
    let mut installation = Installation::new().await;
    let api = installation.start("api", "api").await;
    let ann = api.sign_in("ann@example.com").await;
    let ready = async || {
        let (status, body) = api.client().get_with_status("/readyz").await;
        (status, body["backends"].clone())
    };
    installation.redis.stop();
    assert_eq!(ann.status("/api/v1/organizations").await, 503, "revoked sessions are unknown without Redis");
    let (status, backends) = ready().await;
    assert_eq!(
        (status, &backends["ephemeral"], &backends["store"]),
        (503, &json!("unavailable"), &json!("ok"))
    );
    installation.redis.resume();
    while ready().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ann.status("/api/v1/organizations").await, 200);

    installation.nats.stop();
    while ready().await.1["queue"] != "unavailable" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ready().await.0, 200, "requests do not need the queue");
    // Without NATS, changes are accepted and their messages wait in the outbox.
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    ann.post("/api/v1/organizations", &organization).await;
    installation.postgres.stop(true);
    assert_eq!(ann.status("/api/v1/organizations").await, 503);
    assert_eq!(ready().await.1["store"], "unavailable");
    installation.postgres.resume();
    installation.nats.resume();
    while ready().await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let organizations = ann.get("/api/v1/organizations").await;
    assert!(
        organizations["items"].as_array().unwrap().iter().any(|one| one["name"] == "acme"),
        "{organizations}"
    );
}

#[tokio::test]
async fn kubectl_trusts_a_server_with_a_certificate_of_a_private_ca() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, anonymous) = Process::start_with_tls(folder.path(), "127.0.0.1", &[]).await;
    let ann = anonymous.sign_in("ann@example.com").await;
    let shop = ann.create_workspace("acme").await;
    ann.wait_until_ready(&shop).await;
    let kubeconfig = ann.text(&format!("{shop}/kubeconfig?auth=exec")).await;
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&kubeconfig).unwrap();
    let exec = kubeconfig.auth_infos[0].auth_info.as_ref().unwrap().exec.clone().unwrap();
    let token =
        ann.post("/api/v1/me/tokens", &json!({ "name": "kubectl", "scopes": ["clusters:access"] })).await;
    let output = program(folder.path())
        .args(exec.args.unwrap())
        .env("HEXABASE_TOKEN", token["secret"].as_str().unwrap())
        .output()
        .unwrap();
    let credential: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(credential["kind"], "ExecCredential");
}

#[tokio::test]
async fn renewed_certificate_is_used_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Certificates::new(), Certificates::new());
    let (chain, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
    let install = |certificates: &Certificates| {
        std::fs::copy(certificates.certificate(), &chain).unwrap();
        std::fs::copy(certificates.key(), &key).unwrap();
    };
    install(&old);
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("https://127.0.0.1:{port}"));
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", &listen, "--public-url", &url]);
    command.arg("--tls-cert").arg(&chain).arg("--tls-key").arg(&key);
    let _server = Process::spawn("serve", folder.path(), &mut command).await;
    let is_used = async |certificates: &Certificates| {
        let authority =
            reqwest::Certificate::from_pem(&std::fs::read(certificates.authority()).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([authority]).build().unwrap();
        client.get(format!("{url}/healthz")).send().await.is_ok()
    };
    assert!(is_used(&old).await && !is_used(&new).await);
    install(&new);
    while !is_used(&new).await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_used(&old).await);
}

#[tokio::test]
async fn credential_command_prints_cluster_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let workspace = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = workspace["id"].as_str().unwrap();
    while ann.get(&format!("{workspaces}/{ws}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let token =
        ann.post("/api/v1/me/tokens", &json!({ "name": "kubectl", "scopes": ["clusters:access"] })).await;
    let output = program(folder.path())
        .args(["credential", "--server", &server.url, "--workspace", ws])
        .env("HEXABASE_TOKEN", token["secret"].as_str().unwrap())
        .output()
        .unwrap();
    let credential: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(credential["kind"], "ExecCredential");
    assert!(credential["status"]["expirationTimestamp"].as_str().unwrap().ends_with('Z'), "{credential}");

    // The token is valid for the cluster of its workspace only.
    let other = ann.post(&workspaces, &json!({ "name": "other", "plan_id": "starter" })).await;
    let other = other["id"].as_str().unwrap();
    while ann.get(&format!("{workspaces}/{other}")).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let namespaces =
        |workspace: &str| format!("/sandbox/tenants/{}/api/v1/namespaces", workspace.replace('_', "-"));
    let bearer = server.client().with_token(credential["status"]["token"].as_str().unwrap());
    assert_eq!(bearer.status(&namespaces(ws)).await, 200);
    assert_eq!(bearer.status(&namespaces(other)).await, 401);
    assert_eq!(server.client().status(&namespaces(ws)).await, 403, "anonymous callers have no permissions");

    let mut rejected = program(folder.path());
    rejected.args(["credential", "--server", &server.url, "--workspace", ws]);
    fails_with(rejected.env("HEXABASE_TOKEN", "hxb_forged"), "invalid or has expired");
    let mut unset = program(folder.path());
    fails_with(unset.args(["credential", "--server", &server.url, "--workspace", ws]), "hexabase login");
}

#[test]
fn configuration_errors_are_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let with = |arguments: &[&str]| {
        let mut command = program(path);
        command.args(arguments);
        command
    };
    fails_with(&mut with(&["serve"]), "public_url");
    fails_with(&mut with(&["serve", "--public-url", "https://hexabase.example"]), "HEXABASE_MASTER_KEY");
    fails_with(&mut with(&["api", "--dev"]), "redis_url");
    fails_with(&mut with(&["serve", "--dev", "--database-url", "mysql://db"]), "sqlite://");
    let unreachable = "postgres://ann:hunter2@127.0.0.1:1/db";
    let line = fails_with(&mut with(&["serve", "--dev", "--database-url", unreachable]), "database");
    assert!(!line.contains("hunter2"), "{line}");
    fails_with(&mut with(&["serve", "--dev", "--plans", "missing.toml"]), "missing.toml");
    fails_with(&mut with(&["serve", "--dev", "--kubeconfig", "missing.yaml"]), "missing.yaml");
    let line =
        fails_with(with(&["serve", "--dev"]).env("HEXABASE_LISTENN", "127.0.0.1:0"), "HEXABASE_LISTENN");
    assert!(line.contains("the closest one is HEXABASE_LISTEN;"), "{line}");
    std::fs::write(path.join("hexabase.toml"), "dev = true\nlisten_on = \"127.0.0.1:0\"\n").unwrap();
    fails_with(&mut with(&["serve", "--config", "hexabase.toml"]), "line 2");
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap().to_string();
    fails_with(&mut with(&["serve", "--dev", "--listen", &address]), "--listen");
}

#[tokio::test]
async fn a_kubernetes_service_named_hexabase_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0"]).envs([
        ("HEXABASE_SERVICE_HOST", "10.96.7.1"),
        ("HEXABASE_SERVICE_PORT", "8080"),
        ("HEXABASE_SERVICE_PORT_HTTP", "8080"),
        ("HEXABASE_PORT", "tcp://10.96.7.1:8080"),
        ("HEXABASE_PORT_8080_TCP", "tcp://10.96.7.1:8080"),
        ("HEXABASE_PORT_8080_TCP_PROTO", "tcp"),
        ("HEXABASE_PORT_8080_TCP_PORT", "8080"),
        ("HEXABASE_PORT_8080_TCP_ADDR", "10.96.7.1"),
        ("HEXABASE_API_SERVICE_HOST", "10.96.7.2"),
    ]);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    assert_eq!(server.client().get("/healthz").await["status"], "ok");
    server.stop();
}

#[test]
fn invalid_master_key_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command
        .args(["serve", "--public-url", "https://hexabase.example"])
        .env("HEXABASE_MASTER_KEY", "not-a-key-9000");
    let line = fails_with(&mut command, "key");
    assert!(!line.contains("9000"), "{line}");
}

#[tokio::test]
async fn configuration_file_sets_options() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("hexabase.toml"),
        "dev = true\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n",
    )
    .unwrap();
    let server = Process::start(folder.path(), &["serve", "--config", "hexabase.toml"]).await;
    assert_eq!(server.client().get("/healthz").await["status"], "ok");
    let log = server.stop();
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    assert!(log.contains("DEVELOPMENT MODE"), "{log}");
}

#[test]
fn program_describes_its_commands_and_api() {
    let folder = tempfile::tempdir().unwrap();
    let out = |arguments: &[&str]| {
        let output = program(folder.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(out(&["version"]), format!("hexabase {}\n", env!("CARGO_PKG_VERSION")));
    let document: Value = serde_json::from_str(&out(&["openapi"])).unwrap();
    assert!(
        document["paths"]["/auth/dev/login"].is_null(),
        "the development provider is not part of the API"
    );
    for command in
        ["serve", "api", "worker", "migrate", "openapi", "credential", "sandbox", "healthcheck", "version"]
    {
        assert!(out(&["--help"]).contains(command), "{command}");
        assert!(out(&[command, "--help"]).contains("Usage:"), "{command}");
    }
    assert!(out(&["migrate", "--dev"]).contains("up to date"));
}

#[test]
fn host_setup_prints_the_manifest_of_a_host_cluster() {
    let run = |arguments: &[&str]| {
        let output = program(Path::new(".")).arg("host-setup").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let manifest = run(&[]);
    let kinds: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(manifest.matches("---\n").count(), kinds.len());
    assert_eq!(kinds[..3], ["Namespace", "ServiceAccount", "ClusterRole"]);
    let with_kyverno = run(&["--kyverno"]);
    // The policy on Hexabase itself, `hexabase-scope`, is for the API server only.
    let tenant_policies = manifest.matches("kind: ValidatingAdmissionPolicy\n").count() - 1;
    assert!(tenant_policies > 0 && manifest.contains("name: hexabase-scope\n"));
    assert_eq!(with_kyverno.matches("kind: ValidatingPolicy\n").count(), tenant_policies);
    assert!(with_kyverno.starts_with(manifest.trim_end()));
    let other = run(&["--host-service-account", "platform/tenants"]);
    assert!(other.contains("system:serviceaccount:platform:tenants") && !other.contains("hexabase-system"));
    let branded = run(&["--label-domain", "k8s.acme.example", "--kyverno"]);
    assert!(branded.contains("k8s.acme.example/host-setup:") && !branded.contains("hexabase.ai"));
    let scraping = run(&["--scrape-tenants", "service-monitor"]);
    assert!(scraping.contains("servicemonitors") && !manifest.contains("servicemonitors"));
    let invalid =
        program(Path::new(".")).args(["host-setup", "--label-domain", "kubernetes.io"]).output().unwrap();
    assert!(String::from_utf8_lossy(&invalid.stderr).contains("must be a DNS subdomain"));
}
