//! Load test: an abusive tenant uses everything that it can reach at the limit of what its addresses allow, and another
//! tenant's requests keep succeeding while the memory of every process stays bounded.
//!
//! `HEXABASE_TEST_ABUSE_SECONDS` sets the duration of each of the two measurements, `HEXABASE_TEST_ABUSE_RATE` the number
//! of requests per second of each attack, and `HEXABASE_TEST_LATENCY_RATIO` the largest ratio of the other tenant's 95th
//! percentile under attack to the undisturbed one; without it, the ratio is only printed. `scripts/chaos` sets them.

mod attacks;
mod regular_tenant;

use std::time::Duration;

use hexabase_test_servers::peak_memory_kib;

use attacks::{Attack, AttackCounts, run_attacks};
use regular_tenant::{Measurement, RegularTenant};

use crate::installation::Installation;
use crate::process::Process;

/// Maximum resident memory of an API process, a worker and Redis each, in KiB.
const MAX_MEMORY_KIB: u64 = 256 * 1024;
/// Maximum size of the metrics, in bytes.
const MAX_METRICS_BYTES: usize = 256 * 1024;
/// Maximum number of open tasks of the abusive tenant's workspace.
const MAX_OPEN_TASKS: usize = 8;

fn setting<T: std::str::FromStr>(name: &str) -> Option<T>
where
    T::Err: std::fmt::Debug,
{
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abusive_tenant_does_not_disturb_another_tenant() {
    let duration = Duration::from_secs(setting("HEXABASE_TEST_ABUSE_SECONDS").unwrap_or(2));
    let rate: u32 = setting("HEXABASE_TEST_ABUSE_RATE").unwrap_or(10);

    let installation = Installation::with_default_limits().await;
    let api = installation.start("api", "api").await;
    let worker = installation.start("worker", "worker").await;
    let regular = RegularTenant::create(&api).await;
    let abusive = Attack::prepare(&api).await;

    let undisturbed = regular.measure(duration).await;
    let (attacked, counts) = run_attacks(&abusive, rate, regular.measure(duration)).await;
    report(&undisturbed, &attacked, &counts);

    let redis = installation.redis.pid().unwrap();
    for (name, pid) in [("API", api.pid()), ("worker", worker.pid()), ("Redis", redis)] {
        let memory = peak_memory_kib(pid);
        println!("peak memory of {name}: {} MiB", memory / 1024);
        assert!(memory <= MAX_MEMORY_KIB, "{name}: {memory} KiB");
    }
    assert_bounded_state(&api, &abusive).await;

    if let Some(limit) = setting::<f64>("HEXABASE_TEST_LATENCY_RATIO") {
        let ratio = attacked.p95().as_secs_f64() / undisturbed.p95().as_secs_f64();
        assert!(ratio <= limit, "the 95th percentile under attack is {ratio:.2} times the undisturbed one");
    }
}

/// Asserts that the attacks left nothing behind that grows with them.
async fn assert_bounded_state(api: &Process, abusive: &Attack) {
    let metrics = api.client().text("/metrics").await;
    println!("size of the metrics: {} KiB", metrics.len() / 1024);
    assert!(metrics.len() <= MAX_METRICS_BYTES, "{} bytes of metrics", metrics.len());
    let open = abusive.open_tasks().await;
    println!("open tasks of the abusive tenant's workspace: {open}");
    assert!(open <= MAX_OPEN_TASKS, "{open} open tasks");
}

fn report(undisturbed: &Measurement, attacked: &Measurement, counts: &AttackCounts) {
    for (attack, statuses) in counts {
        println!("{attack}: {statuses:?}");
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    for (name, measurement) in [("undisturbed", undisturbed), ("under attack", attacked)] {
        println!(
            "{name}: {} requests, median {:.1} ms, 95th percentile {:.1} ms; workspaces ready after {:?}",
            measurement.requests(),
            milliseconds(measurement.median()),
            milliseconds(measurement.p95()),
            measurement.provisioning,
        );
    }
    let ratio = attacked.p95().as_secs_f64() / undisturbed.p95().as_secs_f64();
    println!("ratio of the 95th percentiles: {ratio:.2}");
}
