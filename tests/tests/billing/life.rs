use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::desk::{DAY, Desk};

async fn phase_of(desk: &Desk, workspace: &str) -> (String, String) {
    let seen = desk.client().get(workspace).await;
    (seen["phase"].as_str().unwrap().to_owned(), seen["reason"].as_str().unwrap().to_owned())
}

fn is(phase: &str, reason: &str) -> (String, String) {
    (phase.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_customers_life_from_the_first_card_to_the_end_of_the_subscription() {
    let mut desk = Desk::open().await;
    let workspaces = format!("{}/workspaces", desk.organization());
    let shop = json!({ "name": "shop", "plan_id": "team" });

    // What is not paid for is not to be had.
    let refused = desk.client().send(Method::POST, &workspaces, &shop).await;
    assert_eq!((refused.status, &refused.body["code"]), (StatusCode::CONFLICT, &json!("plan_not_paid_for")));
    let poor = desk.send(Method::PUT, "subscription", json!({ "plan_id": "team" })).await;
    assert_eq!((poor.status, &poor.body["code"]), (StatusCode::CONFLICT, &json!("no_payment_method")));

    // A card, entered with Stripe.
    let intent = desk.must(Method::POST, "setup-intent", Value::Null).await;
    assert!(intent["client_secret"].as_str().unwrap().contains("_secret_"));
    let made_up = desk.send(Method::POST, "payment-methods", json!({ "payment_method": "pm_made_up" })).await;
    assert_eq!(made_up.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", made_up.text);
    let first = desk.card("pm_card_visa").await;
    let methods = desk.get("payment-methods").await;
    assert_eq!(methods["items"][0]["title"], "visa •••• 4242");

    // What it will cost, and then what it costs.
    let asked = json!({ "plan_id": "team" });
    let preview = desk.must(Method::PUT, "subscription?dry_run=true", asked).await;
    assert_eq!(preview["preview"]["total"], json!({ "amount": 4_900, "currency": "usd" }));
    assert_eq!(preview["plan_id"], "starter");
    let subscribed = desk.subscribe("team").await;
    assert_eq!(
        (&subscribed["plan_id"], &subscribed["subscription"]["state"]),
        (&json!("team"), &json!("active"))
    );
    assert_eq!(desk.charges(), [4_900]);
    desk.hear().await;
    assert_eq!(desk.subscribe("team").await["subscription"], subscribed["subscription"]);
    assert_eq!(desk.charges(), [4_900], "nobody pays twice for asking twice");

    // Workspaces come, and those beyond the included ones are paid for.
    let mut made = Vec::new();
    for name in ["one", "two", "three", "four"] {
        made.push(desk.workspace(name, "team").await);
    }
    assert_eq!(phase_of(&desk, &made[3]).await, is("ready", ""));
    assert_eq!(desk.get("subscription").await["subscription"]["extra_workspaces"], 1);

    // More, at once, for the rest of the month.
    desk.pass(10 * DAY);
    desk.subscribe("business").await;
    let charged = desk.charges();
    assert!(charged.len() == 2 && charged[1] > 25_000 && charged[1] < 49_900, "{charged:?}");
    let live = desk.live_subscriptions();
    assert_eq!(live.len(), 1);
    assert_eq!(
        live[0]["items"]["data"].as_array().unwrap().len(),
        4,
        "items are replaced and never added twice"
    );
    let pool = json!({ "name": "own", "class": "big", "nodes": 2 });
    desk.client().make(&format!("{}/node-pools", made[0]), &pool).await;
    desk.work().await;
    let with_nodes = desk.get("subscription").await;
    assert_eq!(with_nodes["subscription"]["extra_nodes"], 2);
    assert_eq!(desk.charges(), charged, "what comes on top is settled with the next invoice");

    let invoices = desk.get("invoices?limit=1").await;
    assert!(invoices["next_cursor"].is_string());
    let id = invoices["items"][0]["id"].as_str().unwrap();
    assert_eq!(desk.get(&format!("invoices/{id}")).await["total"]["amount"], charged[1]);
    let pdf = desk.send(Method::GET, &format!("invoices/{id}/pdf"), Value::Null).await;
    assert_eq!(pdf.status, StatusCode::FOUND);
    assert!(pdf.headers["location"].to_str().unwrap().ends_with("/pdf"));
    assert!(desk.get("invoices/upcoming").await["total"]["amount"].as_i64().unwrap() > 40_000);

    // A renewal fails: everything goes on, and they are told.
    let bad = desk.card("pm_card_chargeCustomerFail").await;
    desk.pass(25 * DAY);
    desk.hear().await;
    let owing = desk.get("overview").await;
    assert_eq!(
        (&owing["subscription"]["state"], &owing["standing"]["state"]),
        (&json!("past_due"), &json!("grace"))
    );
    assert_eq!(owing["open_invoices"].as_array().unwrap().len(), 1);
    assert!(desk.world.letters.subjects("ann@example.com").contains(&"A payment of acme failed".to_owned()));
    assert_eq!(phase_of(&desk, &made[0]).await, is("ready", ""));

    // The grace is over: workspaces sleep, and nothing is deleted.
    desk.pass(15 * DAY);
    desk.work().await;
    desk.work().await;
    assert_eq!(desk.get("subscription").await["standing"]["state"], "suspended");
    for workspace in &made {
        assert_eq!(phase_of(&desk, workspace).await, is("suspended", "PaymentOverdue"));
    }
    let resume = desk.client().send(Method::POST, &format!("{}/resume", made[0]), &Value::Null).await;
    assert_eq!((resume.status, &resume.body["code"]), (StatusCode::CONFLICT, &json!("workspace_held")));
    let more = desk.client().send(Method::POST, &workspaces, &shop).await;
    assert_eq!(more.body["code"], "payment_overdue");
    let conditions = desk.client().get(&format!("{}/conditions", made[0])).await;
    assert!(conditions.to_string().contains("PaymentOverdue"), "{conditions}");

    // They pay, and everything wakes.
    desk.must(Method::PUT, &format!("payment-methods/{first}/default"), Value::Null).await;
    desk.hear().await;
    desk.work().await;
    assert_eq!(desk.get("subscription").await["standing"]["state"], "good");
    for workspace in &made {
        assert_eq!(phase_of(&desk, workspace).await, is("ready", ""));
    }
    desk.must(Method::DELETE, &format!("payment-methods/{bad}"), Value::Null).await;
    let last = desk.send(Method::DELETE, &format!("payment-methods/{first}"), Value::Null).await;
    assert_eq!(last.body["code"], "last_payment_method");

    // Less, as far as what is there allows it.
    let less = desk.send(Method::PUT, "subscription", json!({ "plan_id": "starter" })).await;
    assert_eq!((less.status, &less.body["code"]), (StatusCode::CONFLICT, &json!("quota_exceeded")));
    assert!(less.body["detail"].as_str().unwrap().contains("delete 1 of its 4 workspaces"), "{}", less.text);
    let before = desk.charges();
    desk.subscribe("team").await;
    assert_eq!(desk.charges(), before, "a smaller plan is taken off the next invoice");

    // The end, when what was paid for is over; an organization that pays is not deleted on the way.
    let ending = desk.must(Method::DELETE, "subscription", Value::Null).await;
    assert_eq!(ending["subscription"]["cancel_at_period_end"], true);
    let path = format!("{}?cascade=true", desk.organization());
    let delete = desk.client().send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!((delete.status, &delete.body["code"]), (StatusCode::CONFLICT, &json!("subscription_active")));
    desk.pass(32 * DAY);
    desk.hear().await;
    desk.work().await;
    let over = desk.get("subscription").await;
    assert_eq!((&over["plan_id"], &over["subscription"]["state"]), (&json!("starter"), &json!("canceled")));
    for workspace in &made {
        assert_eq!(phase_of(&desk, workspace).await, is("suspended", "PlanNotPaidFor"));
    }
    assert_eq!(desk.charges(), before, "nothing is charged after the end");
    let subjects = desk.world.letters.subjects("ann@example.com");
    for expected in
        ["The workspaces of acme sleep", "The workspaces of acme wake", "The subscription of acme is over"]
    {
        assert_eq!(subjects.iter().filter(|subject| *subject == expected).count(), 1, "{subjects:?}");
    }

    let log = desk.client().get(&format!("{}/audit-events?limit=200", desk.organization())).await.to_string();
    for action in [
        "billing.order",
        "billing.settle",
        "billing.payment_method.add",
        "workspace.hold",
        "workspace.release",
    ] {
        assert!(log.contains(&format!("\"{action}\"")), "{action} is not in the log");
    }
}

#[tokio::test]
async fn a_bank_that_wants_to_hear_from_the_customer_is_waited_for() {
    let mut desk = Desk::open().await;
    desk.card("pm_card_authenticationRequired").await;
    let waiting = desk.subscribe("team").await;
    assert_eq!(waiting["subscription"]["state"], "incomplete");
    assert_eq!(waiting["plan_id"], "starter", "nothing is given before it is paid");
    assert!(waiting["payment_client_secret"].as_str().unwrap().contains("_secret_"));
    // They have spoken with their bank, in their browser.
    desk.card("pm_card_visa").await;
    desk.hear().await;
    let paid = desk.get("subscription").await;
    assert_eq!((&paid["plan_id"], &paid["subscription"]["state"]), (&json!("team"), &json!("active")));
    assert_eq!(desk.charges().len(), 1);

    // So is it with a change: until then everything is as it was.
    desk.card("pm_card_authenticationRequired").await;
    let waiting = desk.subscribe("business").await;
    assert_eq!(
        (&waiting["plan_id"], &waiting["subscription"]["awaits_confirmation"]),
        (&json!("team"), &json!(true))
    );
    assert!(waiting["payment_client_secret"].as_str().unwrap().contains("_secret_"));
    desk.card("pm_card_visa").await;
    desk.hear().await;
    let changed = desk.get("subscription").await;
    assert_eq!((&changed["plan_id"], &changed["payment_client_secret"]), (&json!("business"), &Value::Null));
    assert_eq!(desk.charges().len(), 2);
}

#[tokio::test]
async fn a_coupon_is_redeemed_and_a_made_up_one_is_not() {
    let desk = Desk::open().await;
    desk.stripe.act("POST", "/v1/coupons", "id=HALF&percent_off=50&duration=once");
    desk.card("pm_card_visa").await;
    let made_up = json!({ "plan_id": "team", "coupon": "FREE" });
    let refused = desk.send(Method::PUT, "subscription", made_up).await;
    assert_eq!((refused.status, &refused.body["code"]), (StatusCode::CONFLICT, &json!("order_refused")));
    assert!(desk.live_subscriptions().is_empty());
    desk.must(Method::PUT, "subscription", json!({ "plan_id": "team", "coupon": "HALF" })).await;
    assert_eq!(desk.charges(), [2_450]);
}

#[tokio::test]
async fn a_plan_that_costs_more_tomorrow_costs_subscribers_what_it_did() {
    let desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    let provider = desk.stripe_billing();
    let mut plans = hexabase_billing::plans::built_in();
    plans[1].price.as_mut().unwrap().monthly.amount = 9_900;
    let steps = provider.plan_catalog(&plans).await.unwrap();
    let shown: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["~ price hexabase_team_plan_month: 4900 usd becomes 9900 usd; subscribers keep the old one"]
    );
    provider.apply(&steps[0]).await.unwrap();
    assert!(provider.plan_catalog(&plans).await.unwrap().is_empty(), "what is done is not done again");
    for name in ["a", "b", "c", "d"] {
        desk.workspace(name, "team").await;
    }
    desk.pass(32 * DAY);
    let charges = desk.charges();
    assert!(charges[1] > 4_900 + 1_500 && charges[1] < 9_900, "{charges:?}");
}
