//! The commands of the printed quick start and of the README, as a newcomer runs them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Process;

/// Runs a script in a folder and returns its output. It stops at the first failing command.
fn run(folder: &Path, script: &str) -> String {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}\n{errors}");
    out.into_owned()
}

#[tokio::test]
async fn the_printed_quick_start_and_the_commands_of_the_readme_work() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let script = loop {
        let printed = std::fs::read_to_string(folder.path().join("serve.out")).unwrap();
        if let Some((before, _)) = printed.split_once("\nStop with Ctrl-C") {
            break before[before.find("  H=").unwrap()..].to_owned();
        }
        tokio::task::yield_now().await;
    };
    let out = run(folder.path(), &script);
    for line in ["yes", "deployment.apps/hello created", "configmap/greeting created"] {
        assert!(out.lines().any(|printed| printed == line), "{line}: {out}");
    }

    let readme = include_str!("../../../../README.md");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let commands: Vec<&str> =
        blocks.map(|(block, _)| block).filter(|block| block.contains("kubectl")).collect();
    let [commands] = commands.as_slice() else { panic!("the README has one block of kubectl commands") };
    let out = run(folder.path(), commands);
    for line in ["yes", "deployment.apps/greeter created", "configmap/settings created"] {
        assert!(out.lines().any(|printed| printed == line), "{line}: {out}");
    }
    server.stop();
}
