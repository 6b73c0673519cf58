//! Kubeconfig files that several processes change at the same time.

use std::collections::BTreeSet;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::process::{Process, program};

/// Kubeconfig that other programs wrote.
const FOREIGN: &str = "\
apiVersion: v1
kind: Config
# Cluster at home.
clusters:
- cluster: {server: 'https://home'}
  name: home
users:
- name: me
  user:
    token: secret # of the cluster at home
contexts:
- context: {cluster: home, user: me}
  name: home
current-context: home
";

#[tokio::test]
async fn twelve_concurrent_writers_through_links_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    command.args(["serve", "--dev", "--listen", "127.0.0.1:0", "--max-free-workspaces-per-user", "0"]);
    let server = Process::spawn("serve", folder.path(), &mut command).await;
    let tokens = server.client().post("/auth/dev/login", &json!({ "email": "ann@example.com" })).await;
    let ann = server.client().with_token(tokens["access_token"].as_str().unwrap());
    let (mut workspaces, mut paths) = (Vec::new(), Vec::new());
    for org in ["acme", "globex", "initech", "umbrella"] {
        let organization =
            ann.post("/api/v1/organizations", &json!({ "name": org, "display_name": org })).await;
        let path = format!("/api/v1/organizations/{}/workspaces", organization["id"].as_str().unwrap());
        for name in ["one", "two", "three"] {
            let workspace = ann.post(&path, &json!({ "name": name, "plan_id": "starter" })).await;
            workspaces.push((org, name));
            paths.push(format!("{path}/{}", workspace["id"].as_str().unwrap()));
        }
    }
    for path in &paths {
        while ann.get(path).await["phase"] != "ready" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    let home = tempfile::tempdir().unwrap();
    let [saved, kube, dotfiles] =
        [".config/hexabase", ".kube", "dotfiles"].map(|name| home.path().join(name));
    for folder in [&saved, &kube, &dotfiles] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let login = json!({ "access_token": tokens["access_token"], "refresh_token": tokens["refresh_token"],
        "expires_at": "2100-01-01T00:00:00Z" });
    std::fs::write(saved.join("logins.json"), json!({ server.url.as_str(): login }).to_string()).unwrap();
    let file = dotfiles.join("kube.yaml");
    std::fs::write(&file, FOREIGN).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    symlink("../dotfiles/kube.yaml", kube.join("config")).unwrap();

    // Every other process changes the file itself, the others through the link.
    let run = |(number, (org, name)): (usize, &(&str, &str))| {
        let mut command = program(home.path());
        command.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
        command.args(["kubeconfig", "--organization", org, "--workspace", name, "--no-switch"]);
        if number % 2 == 0 {
            command.arg("--kubeconfig").arg(&file);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let processes: Vec<_> = workspaces.iter().enumerate().map(run).collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    let text = std::fs::read_to_string(&file).unwrap();
    for line in FOREIGN.lines() {
        assert!(text.lines().any(|it| it == line), "{line} is missing: {text}");
    }
    let parsed = kube::config::Kubeconfig::from_yaml(&text).unwrap();
    let mut expected: BTreeSet<String> =
        workspaces.iter().map(|(org, name)| format!("hexabase_{org}_{name}")).collect();
    let clusters: BTreeSet<String> = parsed.clusters.into_iter().map(|entry| entry.name).collect();
    let users: BTreeSet<String> = parsed.auth_infos.into_iter().map(|entry| entry.name).collect();
    let contexts: BTreeSet<String> = parsed.contexts.into_iter().map(|entry| entry.name).collect();
    expected.insert("me".to_owned());
    assert_eq!(users, expected);
    expected.remove("me");
    expected.insert("home".to_owned());
    assert_eq!((&clusters, &contexts), (&expected, &expected));
    assert_eq!(parsed.current_context.as_deref(), Some("home"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(kube.join("config").is_symlink());
    for folder in [kube, dotfiles] {
        let left: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert_eq!(left.len(), 1, "no lock and no temporary file stays: {left:?}");
    }
    server.stop();
}
