//! An API replica under the load of two hundred clients, next to a bare handler and to as many clients of
//! `pgbench` with the same statement. Needs a release build of the server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench gives up by panicking, and says where it listens"
)]

mod bare;
mod clients;
mod replica;

use std::time::Duration;

use clients::{CLIENTS, ask};
use hexabase_benches::{Pair, Target, report, row, upper};
use hexabase_test_servers::{Nats, Postgres, Redis};
use replica::{Replica, Subject};

/// How long everybody keeps asking.
const SPAN: Duration = Duration::from_secs(10);
/// What the replica may weigh meanwhile, in KiB.
const HEAVIEST: u64 = 80 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        bare::serve_if_told().await;
        run().await;
    });
}

async fn run() {
    let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
    let folder = tempfile::tempdir().unwrap();
    let database = postgres.database().await;
    let url = postgres.url_of(&database);
    let replica = Replica::start(folder.path(), &url, &redis, &nats).await;
    let subjects = Subject::several(&replica.address).await;

    let ours = asked(&replica.address, &subjects).await;
    let weight = replica.api.weight();
    let (handler, address) = bare::start(folder.path(), &url, &subjects).await;
    let floor = asked(&address, &subjects).await;
    drop(handler);
    let statements = bare::pgbench(&postgres, &database, folder.path(), &subjects[0], SPAN);

    let what = format!("`GET` of a workspace by {CLIENTS} clients at once");
    let handler = "an axum handler with the same statement";
    compare(&what, per_second(&ours), per_second(&floor), handler, 0.4);
    compare(
        "the same",
        per_second(&ours),
        statements,
        "as many clients of pgbench with the same statement",
        0.7,
    );
    let pair = Pair { ours: upper(ours, 0.95), floor: upper(floor, 0.95) };
    report("its 95th percentile", handler, pair, Target::TimesFloor(2.5));
    let mib = format!("{}.{} MiB", weight / 1024, weight % 1024 * 10 / 1024);
    let share = weight as f64 / HEAVIEST as f64;
    row("memory of the replica meanwhile", &mib, "80 MiB", &format!("{share:.2}"), &"≤ 80 MiB", share <= 1.0);
}

/// How long every answer took.
async fn asked(address: &str, subjects: &[Subject]) -> Vec<Duration> {
    let requests: Vec<_> = subjects.iter().map(|subject| subject.request(address)).collect();
    // Everybody has asked before, so that what is prepared is prepared.
    ask(address, &requests, Duration::from_secs(1)).await;
    ask(address, &requests, SPAN).await
}

fn per_second(answers: &[Duration]) -> f64 {
    answers.len() as f64 / SPAN.as_secs_f64()
}

/// Reports a figure of which more is better.
fn compare(what: &str, ours: f64, floor: f64, of: &str, least: f64) {
    let share = ours / floor;
    let (ours, floor) = (format!("{ours:.0}/s"), format!("{floor:.0}/s ({of})"));
    row(what, &ours, &floor, &format!("{share:.2}"), &format!("≥ {least} × floor"), share >= least);
}
