//! Whatever becomes of webhooks, answers and processes on the way: in the end everything is as if nothing had.
//!
//! `HEXABASE_TEST_STORMS` says how many storms are tried.

use axum::http::{Method, StatusCode};
use hexabase_core::faults::{Cut, FaultPlan};
use hexabase_core::worker::Worker;
use hexabase_test_stripe::{Delivery, Fatal};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::desk::{DAY, Desk};

/// How often anything is tried before the test gives up.
const ATTEMPTS: usize = 400;

/// Chance, as a seed has it.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// How everything stands in the end.
#[derive(Debug, PartialEq)]
struct Outcome {
    subscription: Value,
    standing: Value,
    plan: Value,
    workspaces: Vec<(String, String)>,
    charges: Vec<i64>,
}

/// A story that is told in fair weather or in a storm.
struct Story {
    desk: Desk,
    dice: Option<Dice>,
    told: Vec<Delivery>,
    requests: u32,
}

impl Story {
    async fn begin(seed: Option<u64>) -> Self {
        let mut story =
            Self { desk: Desk::open().await, dice: seed.map(Dice), told: Vec::new(), requests: 0 };
        story.storm().await;
        story
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice.as_mut().map_or(0, |dice| dice.roll(sides))
    }

    /// Another operation of the store is cut from now on, and Stripe does badly in other ways.
    async fn storm(&mut self) {
        if self.dice.is_none() {
            return;
        }
        let way = usize::try_from(self.roll(Cut::ALL.len() as u64)).unwrap();
        let operation = self.roll(40);
        self.desk.under(FaultPlan::cutting(operation, Cut::ALL[way])).await;
        let (lost, limited, broken) = (self.roll(3), self.roll(3), self.roll(2));
        // Between any two requests to Stripe, or while one is under way.
        let fatal = (self.roll(2) == 0)
            .then(|| Fatal { after: u32::try_from(self.roll(8)).unwrap(), done: self.roll(2) == 0 });
        let plan = self.desk.plan.clone();
        self.desk.stripe.kills(move || plan.kill());
        self.desk.stripe.weather(|weather| {
            weather.lost_answers = u32::try_from(lost).unwrap();
            weather.limited = u32::try_from(limited).unwrap();
            weather.broken = u32::try_from(broken).unwrap();
            weather.fatal = fatal;
        });
    }

    /// Asks for something until it is done, as a client does that was told to try again.
    async fn ask(&mut self, method: Method, path: &str, body: Value) -> Value {
        self.requests += 1;
        let key = format!("request-{}", self.requests);
        for _ in 0..ATTEMPTS {
            let client = self.desk.client().with_header("idempotency-key", &key);
            let (path, plan) = (format!("{}{path}", self.desk.organization()), self.desk.plan.clone());
            let answer = tokio::select! {
                answer = client.send(method.clone(), &path, &body) => answer,
                () = plan.died() => {
                    self.desk.restart().await;
                    continue;
                }
            };
            match answer.status {
                StatusCode::ACCEPTED if answer.body["order"].is_object() => self.work().await,
                status if status.is_success() => return answer.body,
                StatusCode::SERVICE_UNAVAILABLE => self.work().await,
                StatusCode::CONFLICT if answer.body["code"] == "order_pending" => self.work().await,
                status => panic!("{method} {path}: {status} {}", answer.text),
            }
        }
        panic!("{method} {path} was never done");
    }

    /// A worker's turn, and a little time.
    async fn work(&mut self) {
        for _ in 0..6 {
            let worker = Worker::new(self.desk.world.platform.clone(), 2);
            let plan = self.desk.plan.clone();
            let died = tokio::select! {
                _ = worker.turn() => false,
                () = plan.died() => true,
            };
            if died {
                self.desk.restart().await;
            }
            self.desk.clock.advance(std::time::Duration::from_secs(4));
        }
    }

    /// Stripe tells what there is: in any order, twice or not at all, if there is a storm.
    async fn hear(&mut self) {
        let mut news = self.desk.news();
        if self.dice.is_some() {
            let mut mixed = Vec::new();
            for delivery in news {
                match self.roll(4) {
                    0 => {}
                    1 => mixed.extend([delivery.clone(), delivery]),
                    _ => mixed.push(delivery),
                }
            }
            if !self.told.is_empty() {
                let old = usize::try_from(self.roll(self.told.len() as u64)).unwrap();
                mixed.push(self.told[old].clone());
            }
            for place in (1..mixed.len()).rev() {
                let other = usize::try_from(self.roll(place as u64 + 1)).unwrap();
                mixed.swap(place, other);
            }
            news = mixed;
        }
        for delivery in news {
            let plan = self.desk.plan.clone();
            tokio::select! {
                _ = self.desk.deliver(&delivery) => self.told.push(delivery),
                // Nobody tells it again: it is found when somebody comes by.
                () = plan.died() => self.desk.restart().await,
            }
            if self.roll(3) == 0 {
                self.work().await;
            }
        }
        self.work().await;
    }

    async fn card(&mut self, name: &str) {
        let body = json!({ "payment_method": name });
        let card = self.ask(Method::POST, "/billing/payment-methods", body).await;
        let path = format!("/billing/payment-methods/{}/default", card["id"].as_str().unwrap());
        self.ask(Method::PUT, &path, Value::Null).await;
    }

    async fn plan(&mut self, plan: &str) {
        self.ask(Method::PUT, "/billing/subscription", json!({ "plan_id": plan })).await;
    }

    async fn wait(&mut self, days: u32) {
        // What was queued dies with a process: somebody comes by before the days leap.
        for _ in 0..3 {
            self.desk.pass(DAY / 3);
            self.work().await;
        }
        self.desk.pass(DAY * (days - 1));
        self.hear().await;
        self.storm().await;
    }

    /// From the first card to the last day.
    async fn tell(&mut self) {
        self.card("pm_card_visa").await;
        self.plan("team").await;
        self.hear().await;
        for name in ["one", "two", "three", "four"] {
            self.ask(Method::POST, "/workspaces", json!({ "name": name, "plan_id": "team" })).await;
            self.work().await;
        }
        self.wait(10).await;
        self.plan("business").await;
        self.wait(25).await;
        self.card("pm_card_chargeCustomerFail").await;
        self.wait(32).await;
        self.card("pm_card_visa").await;
        self.wait(3).await;
        self.plan("team").await;
        self.ask(Method::DELETE, "/billing/subscription", Value::Null).await;
        self.wait(5).await;
        self.plan("team").await;
        self.wait(32).await;
    }

    /// The storm is over, and somebody comes by twice.
    async fn end(mut self) -> Outcome {
        self.dice = None;
        self.desk.under(FaultPlan::counting()).await;
        self.desk.stripe.weather(|weather| {
            (weather.lost_answers, weather.limited, weather.broken) = (0, 0, 0);
            weather.fatal = None;
        });
        for _ in 0..3 {
            self.desk.pass(DAY / 2);
            self.desk.work().await;
        }
        let subscription = self.desk.get("subscription").await;
        let list = self.desk.client().get(&format!("{}/workspaces", self.desk.organization())).await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut workspaces: Vec<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (text(&it["name"]), text(&it["phase"])))
            .collect();
        workspaces.sort();
        assert_eq!(self.desk.live_subscriptions().len(), 1);
        assert_eq!(self.desk.live_subscriptions()[0]["items"]["data"].as_array().unwrap().len(), 3);
        self.desk.customer();
        let paid = &subscription["subscription"];
        Outcome {
            subscription: json!([
                paid["plan_id"],
                paid["state"],
                paid["extra_workspaces"],
                paid["cancel_at_period_end"]
            ]),
            standing: subscription["standing"]["state"].clone(),
            plan: subscription["plan_id"].clone(),
            workspaces,
            charges: self.desk.charges(),
        }
    }
}

async fn told(seed: Option<u64>) -> Outcome {
    let mut story = Story::begin(seed).await;
    story.tell().await;
    story.end().await
}

/// The same, but for the seconds that a storm costs: what is charged for the rest of a period goes by the second.
fn assert_same(ideal: &Outcome, stormy: &Outcome) -> Result<(), TestCaseError> {
    let (left, right) = (&ideal.charges, &stormy.charges);
    prop_assert_eq!(
        left.len(),
        right.len(),
        "charged {:?} in fair weather and {:?} in the storm",
        left,
        right
    );
    for (ideal, stormy) in left.iter().zip(right) {
        prop_assert!((ideal - stormy).abs() * 100 <= *ideal, "{:?} and {:?}", left, right);
    }
    prop_assert_eq!(&stormy.subscription, &ideal.subscription);
    prop_assert_eq!(&stormy.standing, &ideal.standing);
    prop_assert_eq!(&stormy.plan, &ideal.plan);
    prop_assert_eq!(&stormy.workspaces, &ideal.workspaces);
    Ok(())
}

#[test]
fn in_the_end_everything_is_as_if_there_had_been_no_storm() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ideal = runtime.block_on(told(None));
    assert_eq!(ideal.subscription, json!(["team", "active", 1, false]), "{ideal:?}");
    assert_eq!(ideal.standing, "good");
    let storms = std::env::var("HEXABASE_TEST_STORMS").map_or(4, |storms| storms.parse().unwrap());
    let config = ProptestConfig {
        cases: storms,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    proptest!(config, |(seed in any::<u64>())| {
        assert_same(&ideal, &runtime.block_on(told(Some(seed))))?;
    });
}
