use std::time::Duration;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{DAY, Harness, STRIPE_TIMEOUT};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn an_outage_of_one_hour_only_delays_orders() {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    let workspace = harness.create_workspace("shop", "team").await;
    harness.deliver_webhooks().await;

    harness.stripe.set_faults(|faults| faults.unavailable = true);
    let order = harness.send(Method::PUT, "subscription", json!({ "plan_id": "business" })).await;
    assert_eq!(order.status, StatusCode::ACCEPTED, "{}", order.text);
    assert_eq!(order.body["order"]["plan_id"], "business");
    assert_eq!(order.body["plan_id"], "team");
    let another = harness.send(Method::DELETE, "subscription", Value::Null).await;
    assert_eq!(another.body["code"], "order_pending");
    let methods = harness.send(Method::GET, "payment-methods", Value::Null).await;
    assert_eq!(methods.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!methods.text.contains("127.0.0.1"), "{}", methods.text);
    for _ in 0..60 {
        harness.clock.advance(MINUTE);
        harness.run_worker().await;
    }
    assert_eq!(harness.client().get(&workspace).await["phase"], "ready");
    // Operations that need no payment still work.
    harness.create_workspace("second", "team").await;

    harness.stripe.set_faults(|faults| faults.unavailable = false);
    for _ in 0..10 {
        harness.clock.advance(MINUTE);
        harness.run_worker().await;
    }
    let state = harness.get("subscription").await;
    assert_eq!((&state["plan_id"], &state["order"]), (&json!("business"), &Value::Null));
    assert_eq!(harness.charges().len(), 2, "{:?}", harness.charges());
    assert_eq!(harness.live_subscriptions().len(), 1);
}

#[tokio::test]
async fn late_responses_only_delay_orders() {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    let one = harness.create_workspace("one", "team").await;
    harness.set_stripe_timeout(Duration::from_secs(1)).await;
    harness.stripe.set_faults(|faults| faults.latency = Duration::from_millis(1_500));

    // The order is accepted, and other operations are not affected.
    let order = harness.send(Method::PUT, "subscription", json!({ "plan_id": "business" })).await;
    assert_eq!(order.status, StatusCode::ACCEPTED, "{}", order.text);
    assert_eq!(order.body["order"]["plan_id"], "business");
    assert_eq!(harness.client().get(&one).await["phase"], "ready");
    let renamed = harness.client().send(Method::PATCH, &one, &json!({ "display_name": "One" })).await;
    assert_eq!(renamed.status, StatusCode::OK);

    harness.stripe.set_faults(|faults| faults.latency = Duration::ZERO);
    harness.set_stripe_timeout(STRIPE_TIMEOUT).await;
    harness.advance(Duration::from_secs(3_600));
    harness.deliver_webhooks().await;
    let state = harness.get("subscription").await;
    assert_eq!((&state["plan_id"], &state["order"]), (&json!("business"), &Value::Null));
    assert_eq!(harness.charges().len(), 2, "{:?}", harness.charges());
    assert_eq!(harness.live_subscriptions().len(), 1);
}

#[tokio::test]
async fn no_workspace_is_suspended_during_an_outage() {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    let workspace = harness.create_workspace("shop", "team").await;
    harness.add_card("pm_card_chargeCustomerFail").await;
    harness.advance(32 * DAY);
    harness.deliver_webhooks().await;
    assert_eq!(harness.get("subscription").await["standing"]["state"], "grace");
    harness.stripe.set_faults(|faults| faults.unavailable = true);
    harness.advance(20 * DAY);
    harness.run_worker().await;
    assert_eq!(harness.client().get(&workspace).await["phase"], "ready");
    harness.stripe.set_faults(|faults| faults.unavailable = false);
    harness.advance(DAY);
    harness.run_worker().await;
    harness.run_worker().await;
    assert_eq!(harness.client().get(&workspace).await["phase"], "suspended");
}

#[tokio::test]
async fn lost_responses_rate_limits_and_repeated_errors_charge_once() {
    for fault in ["lost", "limited", "broken", "all at once"] {
        let harness = Harness::new().await;
        harness.add_card("pm_card_visa").await;
        harness.stripe.set_faults(|faults| {
            let all = fault == "all at once";
            faults.lost_responses = if all || fault == "lost" { 2 } else { 0 };
            faults.rate_limited = if all || fault == "limited" { 2 } else { 0 };
            faults.internal_errors = if all || fault == "broken" { 1 } else { 0 };
        });
        let response = harness.send(Method::PUT, "subscription", json!({ "plan_id": "team" })).await;
        assert!(response.status.is_success(), "{fault}: {}", response.text);
        for _ in 0..20 {
            harness.clock.advance(MINUTE);
            harness.run_worker().await;
        }
        assert_eq!(harness.get("subscription").await["plan_id"], "team", "{fault}");
        assert_eq!(harness.charges(), [4_900], "{fault}");
        assert_eq!(harness.live_subscriptions().len(), 1, "{fault}");
    }
}
