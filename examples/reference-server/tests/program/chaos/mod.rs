//! Everything dies, again and again, while tenants go about their business; and nothing is lost.
//!
//! `HEXABASE_TEST_SEED` chooses what happens in which order, `HEXABASE_TEST_WORKSPACES` how many workspaces live
//! through it, and `HEXABASE_TEST_OUTAGE` how many seconds a server is away. `scripts/chaos` sets them.

mod dice;
mod faults;
mod tenant;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::Value;

use crate::installation::Installation;
use dice::Dice;
use faults::Machinery;
use tenant::{Ledger, Tenant};
use watch::Watch;

/// How many tenants are busy at a time.
const BUSY: usize = 8;
/// How many workspaces a tenant has: as many as the smallest plan allows.
const EACH: usize = 3;
/// How long everything may take to come to rest once everything is well.
const REST: Duration = Duration::from_secs(120);

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_everything_dies() {
    let seed = setting("HEXABASE_TEST_SEED", 0);
    let workspaces = usize::try_from(setting("HEXABASE_TEST_WORKSPACES", 18)).unwrap();
    let outage = Duration::from_secs(setting("HEXABASE_TEST_OUTAGE", 2));
    println!("seed {seed}: {workspaces} workspaces, servers away for {} s", outage.as_secs());

    let installation = Installation::new().await;
    let watch = Watch::start(&installation.cluster.url).await;
    let machinery = Machinery::start(installation).await;
    let entry = machinery.entry();
    let tenants = (0..workspaces.div_ceil(EACH)).map(|number| {
        let tenant = Tenant::new(number, entry.clone(), Dice::new(seed, number as u64 + 1));
        tokio::spawn(tenant.live(EACH))
    });
    let living = futures_util::stream::iter(tenants.map(|life| async { life.await.unwrap() }))
        .buffer_unordered(BUSY)
        .collect::<Vec<Ledger>>();
    let (ledgers, (mut machinery, faults)) = machinery.break_while(living, Dice::new(seed, 0), outage).await;
    machinery.heal().await;
    println!("faults: {faults:?}");

    let client = machinery.entry();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for ledger in &ledgers {
        for (what, number) in ledger.verify(&client).await {
            *counts.entry(what).or_default() += number;
        }
    }
    println!("found again: {counts:?}");

    // What was to leave has left, and what was to be done is done.
    let begun = tokio::time::Instant::now();
    let metrics = loop {
        let metrics = machinery.figures().await;
        if metrics.iter().all(|(_, number)| *number == 0.0) {
            break metrics;
        }
        assert!(begun.elapsed() < REST, "something is stuck: {metrics:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    println!("left over: {metrics:?}");

    let invited: BTreeSet<String> = ledgers.iter().flat_map(|ledger| ledger.invited.clone()).collect();
    let mails = machinery.mailed();
    let lost: Vec<_> = invited.iter().filter(|address| !mails.contains(*address)).collect();
    assert!(lost.is_empty(), "mail that never came: {lost:?}");
    println!("mail: {} invitations arrived", invited.len());

    let letters: Value = serde_json::from_str(&machinery.admin(&["dead-letters", "list", "--json"])).unwrap();
    for letter in letters.as_array().unwrap() {
        println!("dead letter: {letter}");
        assert!(!letter["reason"].as_str().unwrap().is_empty(), "{letter}");
    }
    println!("dead letters: {}", letters.as_array().unwrap().len());

    let alive: BTreeSet<String> = ledgers.iter().flat_map(Ledger::alive).collect();
    let born: BTreeSet<String> = ledgers.iter().flat_map(Ledger::born).collect();
    let Watch { created, .. } = watch.stop().await;
    let twice: Vec<_> = created.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "provisioned twice: {twice:?}");
    let made: BTreeSet<String> = created.into_keys().collect();
    assert_eq!(made, born, "every workspace was provisioned, and nothing else");
    assert_eq!(machinery.namespaces().await, alive, "what was deleted is gone, and what was not is there");
    println!("workspaces: {} made, {} of them left, each made once", born.len(), alive.len());
}
