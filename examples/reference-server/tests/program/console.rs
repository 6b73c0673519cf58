//! Web console of the development server in Chromium, with and without scripts.

use std::process::Command;

use hexabase_test_servers::{browser, peer};

use crate::process::Process;

/// Runs the journey of `tests/peers/console.mjs`, and returns what went wrong.
async fn problems(scripts: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    let (node, script) = peer("console.mjs");
    let axe = script.with_file_name("node_modules").join("axe-core/axe.min.js");
    assert!(axe.is_file(), "axe-core is not installed; run: npm ci --prefix tests/peers");
    let mut command = Command::new(node);
    command.arg(script).arg(browser()).args([server.url.as_str(), scripts]).arg(axe);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    server.stop();
    serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text} {}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_console_works_with_scripts_without_violations() {
    assert_eq!(problems("on").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_console_works_without_scripts() {
    assert_eq!(problems("off").await, Vec::<String>::new());
}
