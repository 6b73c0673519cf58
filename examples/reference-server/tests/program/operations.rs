//! What operators do besides running the programs: roles, backups, looking after keys, dead letters and leases.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use hexabase_test_servers::Postgres;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::process::{Client, program};

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(name)
}

/// Runs a script of `deploy`, with PostgreSQL's own programs at hand.
fn script(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let tools = Postgres::tool("psql");
    let path = format!("{}:{}", tools.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(deploy(name));
    command.args(arguments).env("PATH", path).envs(environment.iter().copied()).output().unwrap()
}

fn succeeds(done: Output) -> String {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

async fn workspace(ann: &Client, name: &str) -> String {
    let organization = json!({ "name": name, "display_name": name });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/organizations/{org}/workspaces");
    let ws = ann.post(&workspaces, &json!({ "name": "shop", "plan_id": "starter" })).await;
    format!("{workspaces}/{}", ws["id"].as_str().unwrap())
}

async fn ready(ann: &Client, path: &str) {
    while ann.get(path).await["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_was_backed_up_is_there_after_a_restore_and_the_clusters_follow() {
    let mut installation = Installation::new().await;
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    let ann = api.sign_in("ann@example.com").await;
    let before = workspace(&ann, "before").await;
    ready(&ann, &before).await;

    let file = installation.folder.path().join("backup");
    let file = file.to_str().unwrap();
    let url = |installation: &Installation, database: &str| installation.postgres.url_of(database);
    succeeds(script("backup", &[&url(&installation, &installation.database), file], &[]));
    let too_late = workspace(&ann, "too-late").await;
    ready(&ann, &too_late).await;
    api.stop();
    worker.stop();

    let fresh = installation.postgres.database().await;
    succeeds(script("restore", &[file, &url(&installation, &fresh)], &[]));
    let again = script("restore", &[file, &url(&installation, &fresh)], &[]);
    assert!(!again.status.success(), "a database that is not empty is left alone");
    installation.database = fresh;
    assert!(installation.run(&["migrate"]).contains("up to date"));
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    // Whoever was signed in still is.
    let ann = ann.at(&api.url);
    ready(&ann, &before).await;
    assert_eq!(ann.status(&too_late).await, 404);
    // Everything goes on: something is changed and reaches the cluster.
    ann.post(&format!("{before}/projects"), &json!({ "name": "web" })).await;
    let project = format!("{before}/projects");
    while ann.get(&project).await["items"][0]["phase"] != "ready" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.stop();
    api.stop();
}

#[tokio::test]
async fn an_owner_and_a_server_with_few_rights_are_enough() {
    let mut installation = Installation::new().await;
    let postgres = &installation.postgres;
    let place = postgres.url().rsplit_once(':').unwrap().1.to_owned();
    let administrator = [
        ("PGHOST", "127.0.0.1"),
        ("PGPORT", place.as_str()),
        ("PGUSER", "postgres"),
        ("DATABASE_PASSWORD", "x"),
    ];
    // The test server has the role already.
    postgres.execute("postgres", "ALTER ROLE hexabase_app RENAME TO hexabase_app_of_another").await;
    succeeds(script("postgres-roles.sh", &[], &administrator));
    installation.database = "hexabase".to_owned();
    assert!(installation.run_as("hexabase_owner", &["migrate"]).contains("up to date"));
    installation.user = "hexabase_server";
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    let ann = api.sign_in("ann@example.com").await;
    let shop = workspace(&ann, "acme").await;
    ready(&ann, &shop).await;
    worker.stop();
    api.stop();
}

#[tokio::test]
async fn keys_leases_and_dead_letters_are_looked_after() {
    let installation = Installation::new().await;
    let api = installation.start("api", "api").await;
    let json = |arguments: &[&str]| -> Value {
        let said = installation.run(&[&["admin", "--json"], arguments].concat());
        serde_json::from_str(&said).unwrap()
    };
    assert_eq!(json(&["keys", "list"]).as_array().unwrap().len(), 1);
    let next = json(&["keys", "rotate"])[0]["kid"].as_str().unwrap().to_owned();
    let shown = api.client().get("/.well-known/jwks.json").await;
    let listed: BTreeSet<String> = json(&["keys", "list"])
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&next), "{shown}");

    assert_eq!(json(&["leases", "list"]), json!([]));
    assert_eq!(json(&["dead-letters", "list"]), json!([]));
    let unknown = installation.try_as("postgres", &["admin", "leases", "release", "nobody's"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("lease"), "{unknown:?}");
    let unknown = "msg_00000000000000000000000001";
    let unknown = installation.try_as("postgres", &["admin", "dead-letters", "retry", unknown]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("dead letter"), "{unknown:?}");
    api.stop();
}

#[test]
fn the_compose_file_sets_what_the_programs_know() {
    let text = std::fs::read_to_string(deploy("compose.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let help = |command: &str| {
        let done = program(folder.path()).args([command, "--help"]).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
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
        assert!(known.contains(name), "{name} is no setting");
    }
    for command in ["api", "worker", "migrate", "sandbox"] {
        assert!(text.contains(command) && help(command).contains("Usage:"), "{command}");
    }
    for option in ["--listen", "--url", "--kubeconfig"] {
        assert!(help("sandbox").contains(option), "{option}");
    }
}
