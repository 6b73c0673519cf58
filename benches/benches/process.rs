//! Start time and memory of the server process. Needs a release build of the server.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hexabase_benches::{Comparison, Target, median, report, row};
use hexabase_test_servers::resident_memory_kib;

/// Maximum memory of the idle server, in KiB.
const MAX_IDLE_MEMORY_KIB: u64 = 40 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

/// Path of the server: next to the folder of this program.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("hexabase");
    assert!(program.exists(), "{} is missing: cargo build --release -p hexabase-server", program.display());
    program
}

async fn run() {
    let program = program();
    let client = reqwest::Client::builder().build().unwrap();
    let (mut ours, mut floors, mut memories) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let directory = tempfile::tempdir().unwrap();
        let started = Instant::now();
        assert!(Command::new(&program).arg("version").stdout(Stdio::null()).status().unwrap().success());
        floors.push(started.elapsed());

        let started = Instant::now();
        let mut server = start(&program, directory.path());
        let url = loop {
            let output = std::fs::read_to_string(directory.path().join("out")).unwrap();
            match output.split(' ').find(|word| word.starts_with("http://")) {
                Some(url) => break url.to_owned(),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        assert_eq!(client.get(format!("{url}/readyz")).send().await.unwrap().status(), 200);
        ours.push(started.elapsed());

        // Waits until the start is complete.
        tokio::time::sleep(Duration::from_millis(300)).await;
        memories.push(resident_memory_kib(server.id()));
        server.kill().unwrap();
        server.wait().unwrap();
    }
    let comparison = Comparison { ours: median(ours), floor: median(floors) };
    let target = Target::AtMost(Duration::from_millis(300));
    report("server start to `/readyz`, with a new database", "`hexabase version`", comparison, target);
    memories.sort_unstable();
    let kib = memories[memories.len() / 2];
    let mib = |kib: u64| format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024);
    // This process has only a runtime and an HTTP client.
    let own = resident_memory_kib(std::process::id());
    let ratio = format!("{}.{:02}", kib / own, kib % own * 100 / own);
    let floor = format!("{} (the benchmark process)", mib(own));
    row("memory of the idle server", &mib(kib), &floor, &ratio, &"≤ 40 MiB", kib <= MAX_IDLE_MEMORY_KIB);
}

fn start(program: &Path, directory: &Path) -> Child {
    Command::new(program)
        .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
        .current_dir(directory)
        .stdout(std::fs::File::create(directory.join("out")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
