//! Client that is generated from the committed OpenAPI document.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;

/// Folder of the peers of the tests, whose Python environment `scripts/test` installs.
fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/peers")
}

/// Runs a program of the Python environment in a folder, and returns its output; it must succeed.
async fn run(name: &str, folder: &Path, configure: impl FnOnce(&mut Command)) -> String {
    let mut command = Command::new(peers().join(".venv/bin").join(name));
    command.current_dir(folder).env("PYTHONPATH", folder).env("MYPYPATH", folder);
    configure(&mut command);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}; scripts/test installs it"));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{name} failed:\n{text}");
    text
}

/// The generator accepts the document without warnings, the client passes strict type checks together with its caller,
/// and reads typed values from a real server.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_generated_from_the_committed_document_reads_typed_values() {
    let folder = tempfile::tempdir().unwrap();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../hexabase-api/openapi.json");
    let generated = run("openapi-python-client", folder.path(), |command| {
        command.args(["generate", "--meta", "none", "--output-path", "hexabase_client", "--fail-on-warning"]);
        command.arg("--path").arg(document).arg("--config").arg(peers().join("generated_client.yml"));
    });
    let generated = generated.await;
    assert!(!generated.to_lowercase().contains("warning"), "{generated}");

    let script = peers().join("generated_client.py");
    run("mypy", folder.path(), |command| {
        command.args(["--strict", "--cache-dir", "mypy", "hexabase_client"]).arg(&script);
    })
    .await;

    let server = Process::start(folder.path(), &["serve", "--dev", "--listen", "127.0.0.1:0"]).await;
    run("python", folder.path(), |command| {
        command.arg(&script).arg(&server.url);
    })
    .await;
}
