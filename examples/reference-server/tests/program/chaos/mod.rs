//! Chaos test: processes and backends fail repeatedly while tenants use the API, and no data is lost.
//!
//! `HEXABASE_TEST_SEED` determines the order of the faults, `HEXABASE_TEST_WORKSPACES` the number of workspaces, and
//! `HEXABASE_TEST_OUTAGE` the length of an outage of Redis or NATS in seconds. `scripts/chaos` sets them.

mod faults;
mod namespace_watch;
mod seeded_random;
mod tenant;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::installation::Installation;
use faults::RunningInstallation;
use namespace_watch::{CreatedNamespaces, NamespaceWatch};
use seeded_random::SeededRandom;
use tenant::{ExpectedState, Tenant};

/// Maximum number of concurrent tenants.
const CONCURRENT_TENANTS: usize = 8;
/// Number of workspaces per tenant, the maximum of the smallest plan.
const WORKSPACES_PER_TENANT: usize = 3;
/// Maximum time until no work is pending, once all components run again.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_data_is_lost_when_processes_and_backends_fail() {
    let seed = setting("HEXABASE_TEST_SEED", 0);
    let workspaces = usize::try_from(setting("HEXABASE_TEST_WORKSPACES", 18)).unwrap();
    let outage = Duration::from_secs(setting("HEXABASE_TEST_OUTAGE", 2));
    println!("seed {seed}: {workspaces} workspaces, outages of {} s", outage.as_secs());

    let installation = Installation::new().await;
    let watch = NamespaceWatch::start(&installation.cluster.url).await;
    let running = RunningInstallation::start(installation).await;
    let client = running.api_client();
    let tenants = (0..workspaces.div_ceil(WORKSPACES_PER_TENANT)).map(|number| {
        let tenant = Tenant::new(number, client.clone(), SeededRandom::new(seed, number as u64 + 1));
        tokio::spawn(tenant.run(WORKSPACES_PER_TENANT))
    });
    let work = futures_util::stream::iter(tenants.map(|tenant| async { tenant.await.unwrap() }))
        .buffer_unordered(CONCURRENT_TENANTS)
        .collect::<Vec<ExpectedState>>();
    let random = SeededRandom::new(seed, 0);
    let (tenants, (mut running, faults)) = running.inject_faults_during(work, random, outage).await;
    running.wait_until_ready().await;
    println!("faults: {faults:?}");

    let client = running.api_client();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tenant in &tenants {
        for (kind, number) in tenant.verify(&client).await {
            *counts.entry(kind).or_default() += number;
        }
    }
    println!("verified: {counts:?}");

    // All messages are published and processed.
    let start = tokio::time::Instant::now();
    let pending = loop {
        let pending = running.pending_messages().await;
        if pending.iter().all(|(_, number)| *number == 0.0) {
            break pending;
        }
        assert!(start.elapsed() < SETTLE_TIMEOUT, "messages are still pending: {pending:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    println!("pending: {pending:?}");

    let invited: BTreeSet<String> = tenants.iter().flat_map(|tenant| tenant.invited.clone()).collect();
    let mail = running.sent_mail();
    let lost: Vec<_> = invited.iter().filter(|address| !mail.contains(*address)).collect();
    assert!(lost.is_empty(), "lost invitations: {lost:?}");
    println!("mail: {} invitations delivered", invited.len());

    let letters: Value = serde_json::from_str(&running.admin(&["dead-letters", "list", "--json"])).unwrap();
    for letter in letters.as_array().unwrap() {
        println!("dead letter: {letter}");
        assert!(!letter["reason"].as_str().unwrap().is_empty(), "{letter}");
    }
    println!("dead letters: {}", letters.as_array().unwrap().len());

    let remaining: BTreeSet<String> = tenants.iter().flat_map(ExpectedState::remaining_workspaces).collect();
    let all: BTreeSet<String> = tenants.iter().flat_map(ExpectedState::all_workspaces).collect();
    let CreatedNamespaces { created, .. } = watch.stop().await;
    let duplicates: Vec<_> = created.iter().filter(|(_, times)| **times > 1).collect();
    assert!(duplicates.is_empty(), "provisioned twice: {duplicates:?}");
    let provisioned: BTreeSet<String> = created.into_keys().collect();
    assert_eq!(provisioned, all, "exactly the created workspaces were provisioned");
    assert_eq!(running.workspaces_on_host().await, remaining, "exactly the deleted workspaces are gone");
    println!("workspaces: {} created, {} remaining, each provisioned once", all.len(), remaining.len());
}
