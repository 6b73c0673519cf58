//! The server as a process: how soon it is ready, and what it weighs. Needs a release build of it.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hexabase_benches::{Pair, Target, median, report, row};

/// What it may weigh, in KiB.
const HEAVIEST: u64 = 40 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run());
}

/// Beside this program's folder.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("hexabase");
    assert!(program.exists(), "{} is missing: cargo build --release -p hexabase-server", program.display());
    program
}

async fn run() {
    let program = program();
    let client = reqwest::Client::builder().build().unwrap();
    let (mut ours, mut floors, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..15 {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        assert!(Command::new(&program).arg("version").stdout(Stdio::null()).status().unwrap().success());
        floors.push(begun.elapsed());

        let begun = Instant::now();
        let mut server = start(&program, folder.path());
        let url = loop {
            let said = std::fs::read_to_string(folder.path().join("out")).unwrap();
            match said.split(' ').find(|word| word.starts_with("http://")) {
                Some(url) => break url.to_owned(),
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        assert_eq!(client.get(format!("{url}/readyz")).send().await.unwrap().status(), 200);
        ours.push(begun.elapsed());

        // Until it has settled.
        tokio::time::sleep(Duration::from_millis(300)).await;
        weights.push(weight(&server));
        server.kill().unwrap();
        server.wait().unwrap();
    }
    let pair = Pair { ours: median(ours), floor: median(floors) };
    let target = Target::AtMost(Duration::from_millis(300));
    report("server to `/readyz`, with a new database", "the program that says its version", pair, target);
    weights.sort_unstable();
    let kib = weights[weights.len() / 2];
    let mib = |kib: u64| format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024);
    let bare = weight_of_nothing();
    let ratio = format!("{}.{:02}", kib / bare, kib % bare * 100 / bare);
    let floor = format!("{} (this program)", mib(bare));
    row("memory of the idle server", &mib(kib), &floor, &ratio, &"≤ 40 MiB", kib <= HEAVIEST);
}

fn start(program: &Path, folder: &Path) -> Child {
    Command::new(program)
        .args(["serve", "--dev", "--listen", "127.0.0.1:0"])
        .current_dir(folder)
        .stdout(std::fs::File::create(folder.join("out")).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a process keeps in memory, in KiB.
fn weight(process: &Child) -> u64 {
    resident(&format!("/proc/{}/status", process.id()))
}

/// What this one does, which has a runtime and an HTTP client and nothing else.
fn weight_of_nothing() -> u64 {
    resident("/proc/self/status")
}

fn resident(file: &str) -> u64 {
    let status = std::fs::read_to_string(file).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}
