//! Commands `apply` and `export` against running servers.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::process::{Client, Process, program};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../declarative-tenants")
}

async fn start(folder: &Path) -> (Process, Client) {
    let server = Process::start(folder, &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let ann = server.sign_in("ann@example.com").await;
    (server, ann)
}

/// Command of the program as a user of a server.
fn command(folder: &Path, user: &Client, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.args(arguments).env("HEXABASE_SERVER", &user.url).env("HEXABASE_TOKEN", user.token());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command, and returns its exit code and its output.
fn run(folder: &Path, user: &Client, arguments: &[&str]) -> (i32, String) {
    let output = command(folder, user, arguments).output().unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code().unwrap(), if output.status.success() { out } else { out + &errors })
}

/// Path of the only workspace of an organization.
async fn workspace(user: &Client) -> String {
    let organizations = user.get("/api/v1/organizations").await;
    let acme = organizations["items"].as_array().unwrap().iter().find(|one| one["name"] == "acme").unwrap();
    let workspaces = format!("/api/v1/organizations/{}/workspaces", acme["id"].as_str().unwrap());
    let id = user.get(&workspaces).await["items"][0]["id"].as_str().unwrap().to_owned();
    format!("{workspaces}/{id}")
}

async fn names(user: &Client, path: &str) -> Vec<String> {
    let list = user.get(path).await;
    list["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn documents_are_applied_exported_and_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ann) = start(folder.path()).await;
    let documents = folder.path().join("tenants");
    std::fs::create_dir(&documents).unwrap();
    for file in ["organization.yaml", "shop/workspace.yaml", "shop/access.yaml"] {
        std::fs::create_dir_all(documents.join("shop")).unwrap();
        std::fs::copy(example().join(file), documents.join(file)).unwrap();
    }
    let apply = |more: &[&str]| run(folder.path(), &ann, &[&["apply", "-f", "tenants"], more].concat());
    let (code, out) = apply(&["--dry-run"]);
    assert_eq!(code, 3, "{out}");
    assert!(
        out.contains("+ Workspace acme/shop\n") && out.contains("12 to create, 0 to change, 0 to delete"),
        "{out}"
    );
    assert!(
        names(&ann, "/api/v1/organizations").await.iter().all(|name| name != "acme"),
        "a dry run changes nothing"
    );
    let (code, out) = apply(&[]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("created Role acme/shop/web/rollout"), "{out}");
    assert!(out.contains("pending: Member acme/bob@example.com"), "{out}");
    let shop = workspace(&ann).await;
    assert_eq!(ann.get(&shop).await["phase"], "ready", "apply waits for workspaces");
    for arguments in [&["--dry-run"][..], &["--prune", "--dry-run"], &["--prune"]] {
        let (code, out) = apply(arguments);
        assert!(
            code == 0 && out.contains("0 to create, 0 to change, 0 to delete"),
            "{arguments:?}: {code} {out}"
        );
    }

    // An export describes everything, including the administrator of the workspace.
    let (code, exported) = run(folder.path(), &ann, &["export", "--organization", "acme"]);
    assert_eq!((code, exported.matches("kind: ").count()), (0, 14), "{exported}");
    std::fs::write(folder.path().join("exported.yaml"), &exported).unwrap();
    let (code, out) = run(folder.path(), &ann, &["apply", "-f", "exported.yaml", "--prune", "--dry-run"]);
    assert!(code == 0 && out.contains("0 to create, 0 to change, 0 to delete"), "{out}");

    // Changes of others are found and reverted; their objects stay.
    let projects = format!("{shop}/projects");
    let web = ann.get(&projects).await["items"][0]["id"].as_str().unwrap().to_owned();
    ann.patch(&format!("{projects}/{web}"), &json!({ "display_name": "Changed" })).await;
    ann.post(&projects, &json!({ "name": "hand-made" })).await;
    let (code, out) = apply(&["--prune", "--dry-run"]);
    assert!(code == 3 && out.contains("display_name: \"Changed\" -> \"Web shop\""), "{code} {out}");
    assert!(out.contains("0 to create, 1 to change, 0 to delete"), "{out}");
    assert_eq!(apply(&["--prune"]).0, 0);
    assert_eq!(ann.get(&format!("{projects}/{web}")).await["display_name"], "Web shop");

    // Objects without documents are deleted, except the workspace with the project of others.
    std::fs::remove_dir_all(documents.join("shop")).unwrap();
    let (code, out) = apply(&["--prune"]);
    assert_eq!(code, 0, "{out}");
    let retained = "not deleted: Workspace acme/shop contains Project acme/shop/hand-made";
    assert!(out.contains(retained), "{out}");
    assert_eq!(names(&ann, &projects).await, ["hand-made"]);
    assert_eq!(names(&ann, &format!("{shop}/groups")).await, ["WorkspaceMembers", "WSAdmins", "WSUsers"]);
    server.stop();
}

#[tokio::test]
async fn an_export_recreates_the_organization_on_an_empty_server() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (first, ann) = start(folders[0].path()).await;
    let example = example();
    let (code, out) = run(folders[0].path(), &ann, &["apply", "-f", example.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
    let (_, exported) = run(folders[0].path(), &ann, &["export", "--organization", "acme"]);
    first.stop();
    let (second, ann) = start(folders[1].path()).await;
    std::fs::write(folders[1].path().join("exported.yaml"), &exported).unwrap();
    let (code, out) = run(folders[1].path(), &ann, &["apply", "-f", "exported.yaml"]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(run(folders[1].path(), &ann, &["export"]), (0, exported), "without personal organizations");
    second.stop();
}

#[tokio::test]
async fn a_killed_run_resumes_and_concurrent_runs_converge() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ann) = start(folder.path()).await;
    let example = example();
    let arguments = ["apply", "-f", example.to_str().unwrap(), "--prune"];
    let mut killed = command(folder.path(), &ann, &arguments).spawn().unwrap();
    let mut lines = BufReader::new(killed.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("created Workspace")));
    killed.kill().unwrap();
    killed.wait().unwrap();

    let concurrent = [0, 1].map(|_| command(folder.path(), &ann, &arguments).spawn().unwrap());
    for process in concurrent {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let (code, out) = run(folder.path(), &ann, &[&arguments[..], &["--dry-run"]].concat());
    assert!(code == 0 && out.contains("0 to create, 0 to change, 0 to delete"), "{out}");
    // Everything is in the inventory: without documents, everything is deleted.
    std::fs::copy(example.join("organization.yaml"), folder.path().join("organization.yaml")).unwrap();
    let (code, out) = run(folder.path(), &ann, &["apply", "-f", "organization.yaml", "--prune"]);
    assert!(code == 0 && out.contains("deleted Workspace acme/shop"), "{out}");
    server.stop();
}

#[tokio::test]
async fn invalid_documents_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ann) = start(folder.path()).await;
    let text = std::fs::read_to_string(example().join("organization.yaml")).unwrap();
    std::fs::write(folder.path().join("acme.yaml"), text.replace("role: member", "roles: member")).unwrap();
    let (code, out) = run(folder.path(), &ann, &["apply", "-f", "acme.yaml"]);
    assert!(code == 2 && out.contains("acme.yaml:16: ") && out.contains("acme.yaml:24: "), "{out}");
    assert!(out.contains("have 2 problems; nothing has been changed"), "{out}");
    assert!(names(&ann, "/api/v1/organizations").await.iter().all(|name| name != "acme"));
    server.stop();
}
