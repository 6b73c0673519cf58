//! Random sequences of lost webhooks, lost responses and crashes. The final state must be the same as without faults.
//!
//! `HEXABASE_TEST_SEQUENCES` is the number of sequences; 4 by default.

use axum::http::{Method, StatusCode};
use hexabase_core::faults::{FaultPlan, FaultPoint};
use hexabase_core::worker::Worker;
use hexabase_test_stripe::{CallerCrash, Delivery};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::harness::{DAY, Harness};

/// Maximum number of attempts for each request.
const ATTEMPTS: usize = 400;

/// Seeded random number generator.
struct Rng(u64);

impl Rng {
    /// Random number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Final state of a sequence.
#[derive(Debug, PartialEq)]
struct FinalState {
    subscription: Value,
    standing: Value,
    plan: Value,
    workspaces: Vec<(String, String)>,
    charges: Vec<i64>,
}

/// Sequence of actions of a customer. Faults are injected if there is a random number generator.
struct Sequence {
    harness: Harness,
    rng: Option<Rng>,
    delivered: Vec<Delivery>,
    requests: u32,
}

impl Sequence {
    async fn start(seed: Option<u64>) -> Self {
        let mut sequence =
            Self { harness: Harness::new().await, rng: seed.map(Rng), delivered: Vec::new(), requests: 0 };
        sequence.inject_faults().await;
        sequence
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.rng.as_mut().map_or(0, |rng| rng.below(bound))
    }

    /// Injects a fault into an operation of the store, and further faults into Stripe.
    async fn inject_faults(&mut self) {
        if self.rng.is_none() {
            return;
        }
        let kind = usize::try_from(self.below(FaultPoint::ALL.len() as u64)).unwrap();
        let operation = self.below(40);
        self.harness.set_fault_plan(FaultPlan::failing_at(operation, FaultPoint::ALL[kind])).await;
        let (lost, rate_limited, internal_errors) = (self.below(3), self.below(3), self.below(2));
        // The process crashes between two requests to Stripe, or during one.
        let caller_crash = (self.below(2) == 0).then(|| CallerCrash {
            after: u32::try_from(self.below(8)).unwrap(),
            executed: self.below(2) == 0,
        });
        let plan = self.harness.fault_plan.clone();
        self.harness.stripe.on_caller_crash(move || plan.kill());
        self.harness.stripe.set_faults(|faults| {
            faults.lost_responses = u32::try_from(lost).unwrap();
            faults.rate_limited = u32::try_from(rate_limited).unwrap();
            faults.internal_errors = u32::try_from(internal_errors).unwrap();
            faults.caller_crash = caller_crash;
        });
    }

    /// Repeats a request until it is done, as a client does after retryable errors.
    async fn request(&mut self, method: Method, path: &str, body: Value) -> Value {
        self.requests += 1;
        let key = format!("request-{}", self.requests);
        for _ in 0..ATTEMPTS {
            let client = self.harness.client().with_header("idempotency-key", &key);
            let (path, plan) =
                (format!("{}{path}", self.harness.organization_path()), self.harness.fault_plan.clone());
            let response = tokio::select! {
                response = client.send(method.clone(), &path, &body) => response,
                () = plan.died() => {
                    self.harness.restart().await;
                    continue;
                }
            };
            match response.status {
                StatusCode::ACCEPTED if response.body["order"].is_object() => self.run_worker().await,
                status if status.is_success() => return response.body,
                StatusCode::SERVICE_UNAVAILABLE => self.run_worker().await,
                StatusCode::CONFLICT if response.body["code"] == "order_pending" => self.run_worker().await,
                status => panic!("{method} {path}: {status} {}", response.text),
            }
        }
        panic!("{method} {path}: not done after {ATTEMPTS} attempts");
    }

    /// Runs the worker several times, and advances the time a little.
    async fn run_worker(&mut self) {
        for _ in 0..6 {
            let worker = Worker::new(self.harness.app.platform.clone(), 2);
            let plan = self.harness.fault_plan.clone();
            let died = tokio::select! {
                _ = worker.run_once() => false,
                () = plan.died() => true,
            };
            if died {
                self.harness.restart().await;
            }
            self.harness.clock.advance(std::time::Duration::from_secs(4));
        }
    }

    /// Delivers the new Stripe events. With faults, events are reordered, repeated or lost.
    async fn deliver_webhooks(&mut self) {
        let mut events = self.harness.take_events();
        if self.rng.is_some() {
            let mut mixed = Vec::new();
            for delivery in events {
                match self.below(4) {
                    0 => {}
                    1 => mixed.extend([delivery.clone(), delivery]),
                    _ => mixed.push(delivery),
                }
            }
            if !self.delivered.is_empty() {
                let old = usize::try_from(self.below(self.delivered.len() as u64)).unwrap();
                mixed.push(self.delivered[old].clone());
            }
            for index in (1..mixed.len()).rev() {
                let other = usize::try_from(self.below(index as u64 + 1)).unwrap();
                mixed.swap(index, other);
            }
            events = mixed;
        }
        for delivery in events {
            let plan = self.harness.fault_plan.clone();
            tokio::select! {
                _ = self.harness.deliver(&delivery) => self.delivered.push(delivery),
                // The event is not delivered again. A periodic reconcile finds the change.
                () = plan.died() => self.harness.restart().await,
            }
            if self.below(3) == 0 {
                self.run_worker().await;
            }
        }
        self.run_worker().await;
    }

    async fn add_card(&mut self, name: &str) {
        let body = json!({ "payment_method": name });
        let card = self.request(Method::POST, "/billing/payment-methods", body).await;
        let path = format!("/billing/payment-methods/{}/default", card["id"].as_str().unwrap());
        self.request(Method::PUT, &path, Value::Null).await;
    }

    async fn subscribe(&mut self, plan: &str) {
        self.request(Method::PUT, "/billing/subscription", json!({ "plan_id": plan })).await;
    }

    async fn advance_days(&mut self, days: u32) {
        // A crash loses queued messages, so that periodic reconciles have to run before the time jumps.
        for _ in 0..3 {
            self.harness.advance(DAY / 3);
            self.run_worker().await;
        }
        self.harness.advance(DAY * (days - 1));
        self.deliver_webhooks().await;
        self.inject_faults().await;
    }

    /// Runs all actions, from the first card to the last day.
    async fn run(&mut self) {
        self.add_card("pm_card_visa").await;
        self.subscribe("team").await;
        self.deliver_webhooks().await;
        for name in ["one", "two", "three", "four"] {
            self.request(Method::POST, "/workspaces", json!({ "name": name, "plan_id": "team" })).await;
            self.run_worker().await;
        }
        self.advance_days(10).await;
        self.subscribe("business").await;
        self.advance_days(25).await;
        self.add_card("pm_card_chargeCustomerFail").await;
        self.advance_days(32).await;
        self.add_card("pm_card_visa").await;
        self.advance_days(3).await;
        self.subscribe("team").await;
        self.request(Method::DELETE, "/billing/subscription", Value::Null).await;
        self.advance_days(5).await;
        self.subscribe("team").await;
        self.advance_days(32).await;
    }

    /// Ends the faults, lets periodic reconciles run, and returns the final state.
    async fn finish(mut self) -> FinalState {
        self.rng = None;
        self.harness.set_fault_plan(FaultPlan::counting()).await;
        self.harness.stripe.set_faults(|faults| {
            (faults.lost_responses, faults.rate_limited, faults.internal_errors) = (0, 0, 0);
            faults.caller_crash = None;
        });
        for _ in 0..3 {
            self.harness.advance(DAY / 2);
            self.harness.run_worker().await;
        }
        let billing = self.harness.get("subscription").await;
        let list =
            self.harness.client().get(&format!("{}/workspaces", self.harness.organization_path())).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut workspaces: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (text(&it["name"]), text(&it["phase"])))
            .collect();
        workspaces.sort();
        assert_eq!(self.harness.live_subscriptions().len(), 1);
        assert_eq!(self.harness.live_subscriptions()[0]["items"]["data"].as_array().unwrap().len(), 3);
        self.harness.customer();
        let subscription = &billing["subscription"];
        FinalState {
            subscription: json!([
                subscription["plan_id"],
                subscription["state"],
                subscription["extra_workspaces"],
                subscription["cancel_at_period_end"]
            ]),
            standing: billing["standing"]["state"].clone(),
            plan: billing["plan_id"].clone(),
            workspaces,
            charges: self.harness.charges(),
        }
    }
}

async fn run_sequence(seed: Option<u64>) -> FinalState {
    let mut sequence = Sequence::start(seed).await;
    sequence.run().await;
    sequence.finish().await
}

/// Asserts that two final states are equal. Charges may differ by one percent: faults delay orders by seconds, and
/// prorations are computed by the second.
fn assert_same(expected: &FinalState, actual: &FinalState) -> Result<(), TestCaseError> {
    let (expected_charges, actual_charges) = (&expected.charges, &actual.charges);
    prop_assert_eq!(
        expected_charges.len(),
        actual_charges.len(),
        "charged {:?} without faults and {:?} with faults",
        expected_charges,
        actual_charges
    );
    for (expected, actual) in expected_charges.iter().zip(actual_charges) {
        prop_assert!(
            (expected - actual).abs() * 100 <= *expected,
            "{:?} and {:?}",
            expected_charges,
            actual_charges
        );
    }
    prop_assert_eq!(&actual.subscription, &expected.subscription);
    prop_assert_eq!(&actual.standing, &expected.standing);
    prop_assert_eq!(&actual.plan, &expected.plan);
    prop_assert_eq!(&actual.workspaces, &expected.workspaces);
    Ok(())
}

#[test]
fn random_faults_do_not_change_the_final_state() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let expected = runtime.block_on(run_sequence(None));
    assert_eq!(expected.subscription, json!(["team", "active", 1, false]), "{expected:?}");
    assert_eq!(expected.standing, "good");
    let sequences =
        std::env::var("HEXABASE_TEST_SEQUENCES").map_or(4, |sequences| sequences.parse().unwrap());
    let config = ProptestConfig {
        cases: sequences,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    proptest!(config, |(seed in any::<u64>())| {
        assert_same(&expected, &runtime.block_on(run_sequence(Some(seed))))?;
    });
}
