use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{DAY, Desk, PATIENCE};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_hour_without_stripe_costs_nobody_anything() {
    let mut desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    let shop = desk.workspace("shop", "team").await;
    desk.hear().await;

    desk.stripe.weather(|weather| weather.down = true);
    let ordered = desk.send(Method::PUT, "subscription", json!({ "plan_id": "business" })).await;
    assert_eq!(ordered.status, StatusCode::ACCEPTED, "{}", ordered.text);
    assert_eq!(ordered.body["order"]["plan_id"], "business");
    assert_eq!(ordered.body["plan_id"], "team");
    let another = desk.send(Method::DELETE, "subscription", Value::Null).await;
    assert_eq!(another.body["code"], "order_pending");
    let methods = desk.send(Method::GET, "payment-methods", Value::Null).await;
    assert_eq!(methods.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!methods.text.contains("127.0.0.1"), "{}", methods.text);
    for _ in 0..60 {
        desk.clock.advance(MINUTE);
        desk.work().await;
    }
    assert_eq!(desk.client().get(&shop).await["phase"], "ready");
    // What they can do without money, they can do.
    desk.workspace("second", "team").await;

    desk.stripe.weather(|weather| weather.down = false);
    for _ in 0..10 {
        desk.clock.advance(MINUTE);
        desk.work().await;
    }
    let done = desk.get("subscription").await;
    assert_eq!((&done["plan_id"], &done["order"]), (&json!("business"), &Value::Null));
    assert_eq!(desk.charges().len(), 2, "{:?}", desk.charges());
    assert_eq!(desk.live_subscriptions().len(), 1);
}

#[tokio::test]
async fn a_stripe_that_answers_too_late_costs_nobody_anything() {
    let mut desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    let one = desk.workspace("one", "team").await;
    desk.wait_for_stripe(Duration::from_secs(1)).await;
    desk.stripe.weather(|weather| weather.slow = Duration::from_millis(1_500));

    // It is ordered, and everything else goes on as ever.
    let ordered = desk.send(Method::PUT, "subscription", json!({ "plan_id": "business" })).await;
    assert_eq!(ordered.status, StatusCode::ACCEPTED, "{}", ordered.text);
    assert_eq!(ordered.body["order"]["plan_id"], "business");
    assert_eq!(desk.client().get(&one).await["phase"], "ready");
    let renamed = desk.client().send(Method::PATCH, &one, &json!({ "display_name": "One" })).await;
    assert_eq!(renamed.status, StatusCode::OK);

    desk.stripe.weather(|weather| weather.slow = Duration::ZERO);
    desk.wait_for_stripe(PATIENCE).await;
    desk.pass(Duration::from_secs(3_600));
    desk.hear().await;
    let done = desk.get("subscription").await;
    assert_eq!((&done["plan_id"], &done["order"]), (&json!("business"), &Value::Null));
    assert_eq!(desk.charges().len(), 2, "{:?}", desk.charges());
    assert_eq!(desk.live_subscriptions().len(), 1);
}

#[tokio::test]
async fn nobody_is_put_to_sleep_while_stripe_cannot_be_asked() {
    let mut desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    let shop = desk.workspace("shop", "team").await;
    desk.card("pm_card_chargeCustomerFail").await;
    desk.pass(32 * DAY);
    desk.hear().await;
    assert_eq!(desk.get("subscription").await["standing"]["state"], "grace");
    desk.stripe.weather(|weather| weather.down = true);
    desk.pass(20 * DAY);
    desk.work().await;
    assert_eq!(desk.client().get(&shop).await["phase"], "ready");
    desk.stripe.weather(|weather| weather.down = false);
    desk.pass(DAY);
    desk.work().await;
    desk.work().await;
    assert_eq!(desk.client().get(&shop).await["phase"], "suspended");
}

#[tokio::test]
async fn a_lost_answer_a_refused_pace_and_a_failure_that_stripe_repeats_charge_once() {
    for ill in ["lost", "limited", "broken", "all at once"] {
        let desk = Desk::open().await;
        desk.card("pm_card_visa").await;
        desk.stripe.weather(|weather| {
            let all = ill == "all at once";
            weather.lost_answers = if all || ill == "lost" { 2 } else { 0 };
            weather.limited = if all || ill == "limited" { 2 } else { 0 };
            weather.broken = if all || ill == "broken" { 1 } else { 0 };
        });
        let answer = desk.send(Method::PUT, "subscription", json!({ "plan_id": "team" })).await;
        assert!(answer.status.is_success(), "{ill}: {}", answer.text);
        for _ in 0..20 {
            desk.clock.advance(MINUTE);
            desk.work().await;
        }
        assert_eq!(desk.get("subscription").await["plan_id"], "team", "{ill}");
        assert_eq!(desk.charges(), [4_900], "{ill}");
        assert_eq!(desk.live_subscriptions().len(), 1, "{ill}");
    }
}
