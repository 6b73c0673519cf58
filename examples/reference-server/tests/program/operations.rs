//! Operation of an installation: database roles, backup and restore, administration commands, and the compose file.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use hexabase_test_servers::Postgres;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::process::{Process, fails_with, program};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// Runs a script of `deploy`, with PostgreSQL's client programs in the path.
fn script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let tools = Postgres::tool("psql");
    let path = format!("{}:{}", tools.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(deploy(name));
    command.args(arguments).env("PATH", path).envs(environment.iter().copied()).output().unwrap()
}

fn success(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn restored_backup_has_its_data_and_clusters_are_reconciled() {
    let mut installation = Installation::new().await;
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    let ann = api.sign_in("ann@example.com").await;
    let before = ann.create_workspace("before").await;
    ann.wait_until_ready(&before).await;

    let file = installation.folder.path().join("backup");
    let file = file.to_str().unwrap();
    let url = |installation: &Installation, database: &str| installation.postgres.url_of(database);
    success(script("backup", &[&url(&installation, &installation.database), file], &[]));
    let after = ann.create_workspace("after").await;
    ann.wait_until_ready(&after).await;
    api.stop();
    worker.stop();

    let fresh = installation.postgres.database().await;
    success(script("restore", &[file, &url(&installation, &fresh)], &[]));
    let repeated = script("restore", &[file, &url(&installation, &fresh)], &[]);
    assert!(!repeated.status.success(), "a restore into a database that is not empty must fail");
    installation.database = fresh;
    assert!(installation.run(&["migrate"]).contains("up to date"));
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    // The session of before the backup is still valid.
    let ann = ann.at(&api.url);
    ann.wait_until_ready(&before).await;
    assert_eq!(ann.status(&after).await, 404);
    // A new change reaches the cluster.
    ann.post(&format!("{before}/projects"), &json!({ "name": "web" })).await;
    let projects = format!("{before}/projects");
    while ann.get(&projects).await["items"][0]["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.stop();
    api.stop();
}

#[tokio::test]
async fn separate_owner_and_server_roles_suffice() {
    let mut installation = Installation::new().await;
    let postgres = &installation.postgres;
    let port = postgres.url().rsplit_once(':').unwrap().1.to_owned();
    let administrator = [
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", port.as_str()),
        ("PGUSER", "postgres"),
        ("DATABASE_PASSWORD", "x"),
    ];
    // The test server has this role already.
    postgres.execute("postgres", "ALTER ROLE hexabase_app RENAME TO hexabase_app_renamed").await;
    success(script("postgres-roles.sh", &[], &administrator));
    installation.database = "hexabase".to_owned();
    assert!(installation.run_as("hexabase_owner", &["migrate"]).contains("up to date"));
    installation.user = "hexabase_server";
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    let ann = api.sign_in("ann@example.com").await;
    let shop = ann.create_workspace("acme").await;
    ann.wait_until_ready(&shop).await;
    worker.stop();
    api.stop();
}

#[tokio::test]
async fn schema_check_waits_for_the_migration_with_the_url_of_the_server_alone() {
    let mut installation = Installation::new().await;
    assert!(installation.run(&["migrate", "--check"]).contains("up to date"));
    installation.database = installation.postgres.database().await;
    let folder = installation.folder.path();
    let url = installation.postgres.url_as("postgres", &installation.database);
    // Neither a master key nor a public URL is needed to migrate and to check.
    let migrate = |arguments: &[&str]| {
        let mut command = program(folder);
        command.arg("migrate").args(arguments).env("HEXABASE_DATABASE_URL", &url);
        command
    };
    let missing = fails_with(&mut migrate(&["--check"]), "schema of this database is missing");
    assert!(missing.contains("run `hexabase migrate` first"), "{missing}");
    fails_with(&mut migrate(&["--check", "--wait", "1s"]), "schema of this database is missing");

    let mut waiting = migrate(&["--check", "--wait"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(waiting.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("waiting: the schema of this database is missing"), "{line}");
    assert!(success(migrate(&[]).output().unwrap()).contains("up to date"));
    assert!(waiting.wait().unwrap().success());

    let mut sqlite = program(folder);
    sqlite.args(["migrate", "--check"]).env("HEXABASE_DATABASE_URL", "sqlite://hexabase.db");
    fails_with(&mut sqlite, "must be postgres:// for --check");
}

#[tokio::test]
async fn admin_commands_cover_keys_leases_and_dead_letters() {
    let installation = Installation::new().await;
    let api = installation.start("api", "api").await;
    let json = |arguments: &[&str]| -> Value {
        let output = installation.run(&[&["admin", "--json"], arguments].concat());
        serde_json::from_str(&output).unwrap()
    };
    assert_eq!(json(&["keys", "list"]).as_array().unwrap().len(), 1);
    let next = json(&["keys", "rotate"])[0]["kid"].as_str().unwrap().to_owned();
    let published = api.client().get("/.well-known/jwks.json").await;
    let listed: BTreeSet<String> = json(&["keys", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&next), "{published}");

    assert_eq!(json(&["leases", "list"]), json!([]));
    assert_eq!(json(&["dead-letters", "list"]), json!([]));
    let unknown = installation.try_as("postgres", &["admin", "leases", "release", "unknown"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("lease"), "{unknown:?}");
    let unknown = "msg_00000000000000000000000001";
    let unknown = installation.try_as("postgres", &["admin", "dead-letters", "retry", unknown]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("dead letter"), "{unknown:?}");
    api.stop();
}

#[tokio::test]
async fn admin_commands_cover_plans_and_organizations() {
    let installation = Installation::new().await;
    let api = installation.start("api", "api").await;
    let ann = api.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let acme = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let json = |arguments: &[&str]| -> Value {
        let output = installation.run(&[&["admin", "--json"], arguments].concat());
        serde_json::from_str(&output).unwrap()
    };
    let listed = json(&["organizations", "list", "--search", "ACM"]);
    assert_eq!((&listed[0]["organization"]["id"], &listed[0]["members"]), (&json!(acme), &json!(1)));
    json(&["organizations", "suspend", &acme, "--reason", "abuse"]);
    let organization = format!("/api/v1/organizations/{acme}");
    assert_eq!(ann.get(&organization).await["suspension"]["reason"], "abuse");
    json(&["organizations", "resume", &acme]);
    assert_eq!(ann.get(&organization).await["suspension"], Value::Null);

    let plans = json(&["plans", "list"]);
    assert_eq!(plans.as_array().unwrap().len(), 3, "{plans}");
    let file = installation.folder.path().join("plans.toml");
    let text = hexabase_billing::plans::BUILT_IN.replace("name = \"Team\"", "name = \"Crew\"");
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let applied = json(&["plans", "apply", file, "--expected-version", "1"]);
    assert!(applied.to_string().contains("Crew"), "{applied}");
    let stale =
        installation.try_as("postgres", &["admin", "plans", "apply", file, "--expected-version", "1"]);
    assert!(String::from_utf8_lossy(&stale.stderr).contains("the version is 2 now"), "{stale:?}");
    assert_eq!(json(&["plans", "history"])[0]["action"], "plans.replace");
    // The running process reads the plans again after five seconds.
    while !api.client().get("/api/v1/plans").await.to_string().contains("Crew") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    api.stop();
}

#[tokio::test]
async fn master_key_is_rotated_without_losing_data() {
    const OLD: &str = "MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=";
    const NEW: &str = "MjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjIyMjI=";
    // The issuer of tokens stays the same, although the port changes.
    const SERVE: [&str; 6] =
        ["serve", "--dev", "--listen", "127.0.0.1:0", "--public-url", "http://hexabase.localhost"];
    let folder = tempfile::tempdir().unwrap();
    let with_keys = |key: &str, additional: &str, arguments: &[&str]| {
        let mut command = program(folder.path());
        command.args(arguments).env("HEXABASE_MASTER_KEY", key);
        command.env("HEXABASE_ADDITIONAL_MASTER_KEYS", additional);
        command
    };
    let serve = |name: &'static str, key: &'static str, additional: &'static str| {
        let mut command = with_keys(key, additional, &SERVE);
        let folder = folder.path();
        async move { Process::spawn(name, folder, &mut command).await }
    };
    let admin = |action: &str| -> Vec<Value> {
        let output =
            with_keys(NEW, OLD, &["admin", "--dev", "--json", "master-key", action]).output().unwrap();
        serde_json::from_str(&success(output)).unwrap()
    };
    let left = |kinds: &[Value]| kinds.iter().map(|kind| kind["left"].as_u64().unwrap()).sum::<u64>();

    let server = serve("old", OLD, "").await;
    let ann = server.sign_in("ann@example.com").await;
    ann.post("/api/v1/organizations", &json!({ "name": "acme", "display_name": "Acme" })).await;
    server.stop();
    fails_with(&mut with_keys(NEW, "", &SERVE), "--additional-master-key-files");

    let server = serve("both", NEW, OLD).await;
    let organizations = ann.clone().at(&server.url).get("/api/v1/organizations").await;
    assert!(left(&admin("status")) > 0, "the signing key is left");
    let resealed = admin("reseal");
    assert!(resealed[0]["resealed"].as_u64().unwrap() > 0, "{resealed:?}");
    assert_eq!((left(&resealed), left(&admin("status"))), (0, 0));
    server.stop();

    // The session and its tokens stay valid, although the old key is gone.
    let server = serve("new", NEW, "").await;
    assert_eq!(ann.clone().at(&server.url).get("/api/v1/organizations").await, organizations);
    server.stop();
    fails_with(&mut with_keys(OLD, "", &SERVE), "does not decrypt the signing keys");
}

#[test]
fn compose_file_sets_only_known_variables() {
    let text = std::fs::read_to_string(deploy("compose.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let help = |command: &str| {
        let output = program(folder.path()).args([command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let known = help("api");
    let set: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("HEXABASE_"))
        .collect();
    assert!(set.len() >= 8, "{set:?}");
    for name in set {
        assert!(known.contains(name), "{name} is not a variable of the program");
    }
    for command in ["api", "worker", "migrate", "sandbox"] {
        assert!(text.contains(command) && help(command).contains("Usage:"), "{command}");
    }
    for option in ["--listen", "--url", "--kubeconfig"] {
        assert!(help("sandbox").contains(option), "{option}");
    }
}
