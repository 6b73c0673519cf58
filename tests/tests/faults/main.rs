//! Lifecycle of a workspace with one injected fault. The fault hits every commit, queue operation and Kubernetes API
//! call once, and the final state must be the same as without it.
//!
//! The kind of fault (an error or a crash, before or after the operation) depends on the seed `HEXABASE_TEST_SEED`,
//! which is 0 by default. Four consecutive seeds cover all four kinds for every operation.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and print the current operation"
)]

mod cluster;
mod lifecycle;

use hexabase_core::faults::{FaultPlan, FaultPoint};

use lifecycle::{Lifecycle, SharedState};

/// Number of shards, which run in separate processes to use all processors.
const SHARDS: u64 = 4;

fn seed() -> u64 {
    std::env::var("HEXABASE_TEST_SEED").map_or(0, |seed| seed.parse().unwrap())
}

async fn run(shared: &SharedState, plan: FaultPlan) {
    Lifecycle::start(shared, plan).await.run().await;
}

async fn inject_every_fault(shard: u64) {
    let shared = SharedState::new().await;
    let counting = FaultPlan::counting();
    run(&shared, counting.clone()).await;
    let operations = counting.passed();
    assert!(operations > 200, "a lifecycle has only {operations} operations");
    let mut missed = Vec::new();
    let selected: Vec<u64> = (0..operations).filter(|operation| operation % SHARDS == shard).collect();
    for operation in &selected {
        let kinds = FaultPoint::ALL.len() as u64;
        let kind = usize::try_from((operation / SHARDS + seed()) % kinds).unwrap();
        println!("operation {operation} of {operations}: {:?}", FaultPoint::ALL[kind]);
        let plan = FaultPlan::failing_at(*operation, FaultPoint::ALL[kind]);
        run(&shared, plan.clone()).await;
        if plan.passed() <= *operation {
            missed.push(*operation);
        }
    }
    // The number of reconciles depends on the speed of the sandbox, so that the last operations may not be reached.
    println!("of {} faults, these were not reached: {missed:?}", selected.len());
    assert!(missed.len() * 20 <= selected.len(), "too many faults were not reached: {missed:?}");
}

#[tokio::test]
async fn a_lifecycle_without_faults_leaves_nothing_behind() {
    run(&SharedState::new().await, FaultPlan::counting()).await;
}

#[tokio::test]
async fn any_single_fault_is_recovered_first_quarter() {
    inject_every_fault(0).await;
}

#[tokio::test]
async fn any_single_fault_is_recovered_second_quarter() {
    inject_every_fault(1).await;
}

#[tokio::test]
async fn any_single_fault_is_recovered_third_quarter() {
    inject_every_fault(2).await;
}

#[tokio::test]
async fn any_single_fault_is_recovered_fourth_quarter() {
    inject_every_fault(3).await;
}
