//! API replica under the load of 200 clients, compared with an axum handler and with as many clients of `pgbench` that
//! execute the same statement. Needs a release build of the server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "benchmarks fail by panicking, and the baseline prints its address"
)]

mod baseline;
mod clients;
mod replica;

use std::time::Duration;

use clients::{CLIENTS, run_clients};
use hexabase_benches::{Comparison, Target, percentile, report, row};
use hexabase_test_servers::{Nats, Postgres, Redis};
use replica::{Replica, Subject};

/// Duration of the load.
const LOAD_DURATION: Duration = Duration::from_secs(10);
/// Maximum memory of the replica under load, in KiB.
const MAX_LOADED_MEMORY_KIB: u64 = 80 * 1024;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        baseline::serve_if_requested().await;
        run().await;
    });
}

async fn run() {
    let (postgres, redis, nats) = (Postgres::start(), Redis::start(&[]), Nats::start(&[]));
    let directory = tempfile::tempdir().unwrap();
    let database = postgres.database().await;
    let url = postgres.url_of(&database);
    let replica = Replica::start(directory.path(), &url, &redis, &nats).await;
    let subjects = Subject::create_all(&replica.address).await;

    let ours = measure(&replica.address, &subjects).await;
    let memory = replica.api.memory();
    let (handler, address) = baseline::start(directory.path(), &url, &subjects).await;
    let floor = measure(&address, &subjects).await;
    drop(handler);
    let statements = baseline::pgbench(&postgres, &database, directory.path(), &subjects[0], LOAD_DURATION);

    let what = format!("`GET` of a workspace by {CLIENTS} concurrent clients");
    let handler = "an axum handler with the same statement";
    report_rate(&what, per_second(&ours), per_second(&floor), handler, 0.4);
    report_rate(
        "the same",
        per_second(&ours),
        statements,
        "as many pgbench clients with the same statement",
        0.7,
    );
    let comparison = Comparison { ours: percentile(ours, 0.95), floor: percentile(floor, 0.95) };
    report("95th percentile of its response time", handler, comparison, Target::TimesFloor(2.5));
    let mib = format!("{}.{} MiB", memory / 1024, memory % 1024 * 10 / 1024);
    let share = memory as f64 / MAX_LOADED_MEMORY_KIB as f64;
    row(
        "memory of the replica under this load",
        &mib,
        "80 MiB",
        &format!("{share:.2}"),
        &"≤ 80 MiB",
        share <= 1.0,
    );
}

/// Returns the response times under load.
async fn measure(address: &str, subjects: &[Subject]) -> Vec<Duration> {
    let requests: Vec<_> = subjects.iter().map(|subject| subject.request(address)).collect();
    // The warm-up creates connections and prepares statements.
    run_clients(address, &requests, Duration::from_secs(1)).await;
    run_clients(address, &requests, LOAD_DURATION).await
}

fn per_second(responses: &[Duration]) -> f64 {
    responses.len() as f64 / LOAD_DURATION.as_secs_f64()
}

/// Reports a rate. The target is a minimum share of the floor.
fn report_rate(what: &str, ours: f64, floor: f64, floor_name: &str, min_share: f64) {
    let share = ours / floor;
    let (ours, floor) = (format!("{ours:.0}/s"), format!("{floor:.0}/s ({floor_name})"));
    row(what, &ours, &floor, &format!("{share:.2}"), &format!("≥ {min_share} × floor"), share >= min_share);
}
