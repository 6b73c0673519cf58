//! An API replica under the load of two hundred clients, next to `pgbench` running the same queries. Needs a release
//! build of the server.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hexabase_benches::{Pair, Target, report, row, upper};
use hexabase_test_servers::{Nats, Postgres, Redis};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CLIENTS: usize = 200;
/// How long everybody keeps asking.
const SPAN: Duration = Duration::from_secs(10);
/// What the replica may weigh meanwhile, in KiB.
const HEAVIEST: u64 = 80 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run());
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Beside this program's folder.
fn program() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let program = here.ancestors().nth(2).unwrap().join("hexabase");
    assert!(program.exists(), "{} is missing: cargo build --release -p hexabase-server", program.display());
    program
}

/// Starts the program, and waits until it says where it listens.
async fn start(folder: &Path, arguments: &[&str], environment: &[(&str, String)]) -> (Running, String) {
    let out = folder.join(format!("{}.out", arguments[0]));
    let child = Command::new(program())
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::fs::File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    loop {
        let said = std::fs::read_to_string(&out).unwrap();
        if let Some((_, address)) = said.split_once("(listening on ") {
            return (running, address.split(')').next().unwrap().to_owned());
        }
        if let Some((_, address)) = said.split_once("ready on http://") {
            return (running, address.split('/').next().unwrap().to_owned());
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap();
        assert!(running.0.try_wait().unwrap().is_none(), "{}", log());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn run() {
    let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
    let database = postgres.database().await;
    let folder = tempfile::tempdir().unwrap();
    let environment = [
        ("HEXABASE_DATABASE_URL", postgres.url_of(&database)),
        ("HEXABASE_REDIS_URL", redis.url().to_owned()),
        ("HEXABASE_NATS_URL", nats.url().to_owned()),
        ("HEXABASE_KUBECONFIG", "sandbox.kubeconfig".to_owned()),
        ("HEXABASE_MASTER_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned()),
        ("HEXABASE_PUBLIC_URL", "http://127.0.0.1".to_owned()),
        // Counted like everybody's, and never refused.
        ("HEXABASE_REQUESTS_PER_MINUTE", "100000000".to_owned()),
        ("HEXABASE_REQUESTS_PER_MINUTE_PER_ORGANIZATION", "100000000".to_owned()),
        ("HEXABASE_DEV", "true".to_owned()),
    ];
    let (_sandbox, _) = start(folder.path(), &["sandbox", "--listen", "127.0.0.1:0"], &[]).await;
    let migrated = Command::new(program())
        .arg("migrate")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(migrated.success());
    let (api, address) = start(folder.path(), &["api", "--listen", "127.0.0.1:0"], &environment).await;

    let (path, token, org, ws, user) = furnish(&address).await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    // Everybody has asked once, so that what is prepared is prepared.
    ask(&address, &request, Duration::from_secs(1)).await;
    let (times, weight) = {
        let asked = ask(&address, &request, SPAN).await;
        (asked, weight(&api.0))
    };
    let ours = times.len() as f64 / SPAN.as_secs_f64();
    let (floor, latency) = pgbench(&postgres, &database, folder.path(), &org, &ws, &user);
    let what = format!("`GET` of a workspace by {CLIENTS} clients at once");
    let share = ours / floor;
    let theirs = format!("{floor:.0}/s (pgbench with the same two queries)");
    row(&what, &format!("{ours:.0}/s"), &theirs, &format!("{share:.2}"), &"≥ 0.7 × floor", share >= 0.7);
    let pair = Pair { ours: upper(times, 0.95), floor: latency };
    report("its 95th percentile", "mean of pgbench", pair, Target::TimesFloor(1.0 / 0.7));
    let mib = format!("{}.{} MiB", weight / 1024, weight % 1024 * 10 / 1024);
    row(
        "memory of the replica meanwhile",
        &mib,
        "80 MiB",
        &format!("{:.2}", weight as f64 / HEAVIEST as f64),
        &"≤ 80 MiB",
        weight <= HEAVIEST,
    );
}

async fn furnish(address: &str) -> (String, String, String, String, String) {
    let http = reqwest::Client::builder().build().unwrap();
    let post = async |path: &str, token: &str, body: Value| -> Value {
        let request = http.post(format!("http://{address}{path}")).json(&body);
        let request = if token.is_empty() { request } else { request.bearer_auth(token) };
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    };
    let pair = post("/auth/dev/login", "", json!({ "email": "ann@example.com" })).await;
    let token = pair["access_token"].as_str().unwrap().to_owned();
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = post("/api/v1/organizations", &token, organization).await["id"].as_str().unwrap().to_owned();
    let at = format!("/api/v1/organizations/{org}/workspaces");
    let ws = post(&at, &token, json!({ "name": "shop", "plan_id": "starter" })).await;
    let ws = ws["id"].as_str().unwrap().to_owned();
    let me = http.get(format!("http://{address}/auth/me")).bearer_auth(&token).send().await.unwrap();
    let me: Value = me.json().await.unwrap();
    (format!("{at}/{ws}"), token, org, ws, me["id"].as_str().unwrap().to_owned())
}

/// Everybody asks again as soon as they are answered: how long each answer took.
async fn ask(address: &str, request: &str, span: Duration) -> Vec<Duration> {
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, request, over) = (address.to_owned(), request.to_owned(), over.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut times) = (vec![0; 16 * 1024], Vec::new());
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    stream.write_all(request.as_bytes()).await.unwrap();
                    answer(&mut stream, &mut buffer).await;
                    times.push(begun.elapsed());
                }
                times
            })
        })
        .collect();
    tokio::time::sleep(span).await;
    over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.await.unwrap());
    }
    all
}

/// Reads one answer, as little of it as will do: the client shares the machine with the server.
async fn answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).await.unwrap();
        let text = std::str::from_utf8(&buffer[..filled]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        assert!(head.starts_with("HTTP/1.1 200"), "{text}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return;
        }
    }
}

/// Transactions per second, and how long one takes on average, with as many connections as the replica has.
fn pgbench(
    postgres: &Postgres,
    database: &str,
    folder: &Path,
    org: &str,
    ws: &str,
    user: &str,
) -> (f64, Duration) {
    let script = folder.join("queries.sql");
    let queries = "SELECT organization_id, user_id, role, created_at, updated_at, version FROM members \
         WHERE organization_id = :org AND user_id = :user;\n\
         SELECT organization_id, id, name, display_name, plan_id, region, kubernetes_version, power, \
         deletion_requested_at, host_cluster, generation, access_version, status, reconcile_at, created_by, \
         created_at, updated_at, version FROM workspaces WHERE organization_id = :org AND id = :ws;\n";
    std::fs::write(&script, queries).unwrap();
    let port = postgres.url().rsplit_once(':').unwrap().1.to_owned();
    let done = Command::new(Postgres::tool("pgbench"))
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-n",
            "-M",
            "prepared",
            "-c",
            "16",
            "-j",
            "2",
        ])
        .args(["-T", &SPAN.as_secs().to_string(), "-f"])
        .arg(&script)
        .args([
            "-D",
            &format!("org={org}"),
            "-D",
            &format!("ws={ws}"),
            "-D",
            &format!("user={user}"),
            database,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said} {}", String::from_utf8_lossy(&done.stderr));
    let figure = |name: &str| -> f64 {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (figure("tps = "), Duration::from_secs_f64(figure("latency average = ") / 1_000.0))
}

/// What a process weighs, in KiB.
fn weight(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
