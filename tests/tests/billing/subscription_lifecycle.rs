use axum::http::{Method, StatusCode};
use hexabase_core::platform::Caller;
use serde_json::{Value, json};

use crate::harness::{DAY, Harness};

async fn phase_of(harness: &Harness, workspace: &str) -> (String, String) {
    let workspace = harness.client().get(workspace).await;
    (workspace["phase"].as_str().unwrap().to_owned(), workspace["reason"].as_str().unwrap().to_owned())
}

fn expected(phase: &str, reason: &str) -> (String, String) {
    (phase.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_subscription_from_the_first_card_to_its_end() {
    let mut harness = Harness::new().await;
    let workspaces = format!("{}/workspaces", harness.organization_path());
    let shop = json!({ "name": "shop", "plan_id": "team" });

    // A paid plan needs a subscription, and a subscription needs a payment method.
    let rejected = harness.client().send(Method::POST, &workspaces, &shop).await;
    assert_eq!(
        (rejected.status, &rejected.body["code"]),
        (StatusCode::CONFLICT, &json!("plan_not_paid_for"))
    );
    let without_payment_method =
        harness.send(Method::PUT, "subscription", json!({ "plan_id": "team" })).await;
    assert_eq!(
        (without_payment_method.status, &without_payment_method.body["code"]),
        (StatusCode::CONFLICT, &json!("no_payment_method"))
    );

    // A card is added through Stripe.
    let intent = harness.send_ok(Method::POST, "setup-intent", Value::Null).await;
    assert!(intent["client_secret"].as_str().unwrap().contains("_secret_"));
    let unknown =
        harness.send(Method::POST, "payment-methods", json!({ "payment_method": "pm_made_up" })).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", unknown.text);
    let card = harness.add_card("pm_card_visa").await;
    let methods = harness.get("payment-methods").await;
    assert_eq!(methods["items"][0]["title"], "visa •••• 4242");

    // A preview shows the price, and the subscription is charged.
    let order = json!({ "plan_id": "team" });
    let preview = harness.send_ok(Method::PUT, "subscription?dry_run=true", order).await;
    assert_eq!(preview["preview"]["total"], json!({ "amount": 4_900, "currency": "usd" }));
    assert_eq!(preview["plan_id"], "starter");
    let subscribed = harness.subscribe("team").await;
    assert_eq!(
        (&subscribed["plan_id"], &subscribed["subscription"]["state"]),
        (&json!("team"), &json!("active"))
    );
    assert_eq!(harness.charges(), [4_900]);
    harness.deliver_webhooks().await;
    assert_eq!(harness.subscribe("team").await["subscription"], subscribed["subscription"]);
    assert_eq!(harness.charges(), [4_900], "a repeated order is charged once");

    // Workspaces beyond the included ones are charged.
    let mut workspace_paths = Vec::new();
    for name in ["one", "two", "three", "four"] {
        workspace_paths.push(harness.create_workspace(name, "team").await);
    }
    assert_eq!(phase_of(&harness, &workspace_paths[3]).await, expected("ready", ""));
    assert_eq!(harness.get("subscription").await["subscription"]["extra_workspaces"], 1);

    // An upgrade is charged immediately, for the rest of the month.
    harness.advance(10 * DAY);
    harness.subscribe("business").await;
    let charges = harness.charges();
    assert!(charges.len() == 2 && charges[1] > 25_000 && charges[1] < 49_900, "{charges:?}");
    let subscriptions = harness.live_subscriptions();
    assert_eq!(subscriptions.len(), 1);
    assert_eq!(
        subscriptions[0]["items"]["data"].as_array().unwrap().len(),
        4,
        "items are replaced and never duplicated"
    );
    let pool = json!({ "name": "own", "class": "big", "nodes": 2 });
    harness.client().create(&format!("{}/node-pools", workspace_paths[0]), &pool).await;
    harness.run_worker().await;
    let with_nodes = harness.get("subscription").await;
    assert_eq!(with_nodes["subscription"]["extra_nodes"], 2);
    assert_eq!(harness.charges(), charges, "additional nodes are charged with the next invoice");

    let invoices = harness.get("invoices?limit=1").await;
    assert!(invoices["next_cursor"].is_string());
    let id = invoices["items"][0]["id"].as_str().unwrap();
    assert_eq!(harness.get(&format!("invoices/{id}")).await["total"]["amount"], charges[1]);
    let pdf = harness.send(Method::GET, &format!("invoices/{id}/pdf"), Value::Null).await;
    assert_eq!(pdf.status, StatusCode::FOUND);
    assert!(pdf.headers["location"].to_str().unwrap().ends_with("/pdf"));
    assert!(harness.get("invoices/upcoming").await["total"]["amount"].as_i64().unwrap() > 40_000);

    // A renewal fails: workspaces continue to run, and the organization is notified.
    let failing_card = harness.add_card("pm_card_chargeCustomerFail").await;
    harness.advance(25 * DAY);
    harness.deliver_webhooks().await;
    let overview = harness.get("overview").await;
    assert_eq!(
        (&overview["subscription"]["state"], &overview["standing"]["state"]),
        (&json!("past_due"), &json!("grace"))
    );
    assert_eq!(overview["open_invoices"].as_array().unwrap().len(), 1);
    assert!(harness.app.mails.kinds("ann@example.com").contains(&"payment_failed"));
    assert_eq!(phase_of(&harness, &workspace_paths[0]).await, expected("ready", ""));

    // The grace period ends: workspaces are suspended, and nothing is deleted.
    harness.advance(15 * DAY);
    harness.run_worker().await;
    harness.run_worker().await;
    assert_eq!(harness.get("subscription").await["standing"]["state"], "suspended");
    for workspace in &workspace_paths {
        assert_eq!(phase_of(&harness, workspace).await, expected("suspended", "PaymentOverdue"));
    }
    let resume =
        harness.client().send(Method::POST, &format!("{}/resume", workspace_paths[0]), &Value::Null).await;
    assert_eq!((resume.status, &resume.body["code"]), (StatusCode::CONFLICT, &json!("billing_suspended")));
    let additional = harness.client().send(Method::POST, &workspaces, &shop).await;
    assert_eq!(additional.body["code"], "payment_overdue");
    let conditions = harness.client().get(&format!("{}/conditions", workspace_paths[0])).await;
    assert!(conditions.to_string().contains("PaymentOverdue"), "{conditions}");

    // The payment resumes all workspaces.
    harness.send_ok(Method::PUT, &format!("payment-methods/{card}/default"), Value::Null).await;
    harness.deliver_webhooks().await;
    harness.run_worker().await;
    assert_eq!(harness.get("subscription").await["standing"]["state"], "good");
    for workspace in &workspace_paths {
        assert_eq!(phase_of(&harness, workspace).await, expected("ready", ""));
    }
    harness.send_ok(Method::DELETE, &format!("payment-methods/{failing_card}"), Value::Null).await;
    let last = harness.send(Method::DELETE, &format!("payment-methods/{card}"), Value::Null).await;
    assert_eq!(last.body["code"], "last_payment_method");

    // A downgrade is rejected if the existing workspaces exceed the smaller plan.
    let downgrade = harness.send(Method::PUT, "subscription", json!({ "plan_id": "starter" })).await;
    assert_eq!((downgrade.status, &downgrade.body["code"]), (StatusCode::CONFLICT, &json!("quota_exceeded")));
    assert!(
        downgrade.body["detail"].as_str().unwrap().contains("delete 1 of its 4 workspaces"),
        "{}",
        downgrade.text
    );
    let before = harness.charges();
    harness.subscribe("team").await;
    assert_eq!(harness.charges(), before, "a downgrade is credited on the next invoice");

    // The subscription ends with the paid period. Until then, the organization cannot be deleted.
    let ending = harness.send_ok(Method::DELETE, "subscription", Value::Null).await;
    assert_eq!(ending["subscription"]["cancel_at_period_end"], true);
    let path = format!("{}?cascade=true", harness.organization_path());
    let delete = harness.client().send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!((delete.status, &delete.body["code"]), (StatusCode::CONFLICT, &json!("subscription_active")));
    harness.advance(32 * DAY);
    harness.deliver_webhooks().await;
    harness.run_worker().await;
    let ended = harness.get("subscription").await;
    assert_eq!((&ended["plan_id"], &ended["subscription"]["state"]), (&json!("starter"), &json!("canceled")));
    for workspace in &workspace_paths {
        assert_eq!(phase_of(&harness, workspace).await, expected("suspended", "PlanNotPaidFor"));
    }
    assert_eq!(harness.charges(), before, "nothing is charged after the end");
    let kinds = harness.app.mails.kinds("ann@example.com");
    for expected in ["suspended", "resumed", "subscription_ended"] {
        assert_eq!(kinds.iter().filter(|kind| **kind == expected).count(), 1, "{kinds:?}");
    }

    let log = harness
        .client()
        .get(&format!("{}/audit-events?limit=200", harness.organization_path()))
        .await
        .to_string();
    for action in [
        "billing.order",
        "billing.reconcile",
        "billing.payment_method.add",
        "workspace.suspend_for_billing",
        "workspace.resume_after_billing",
    ] {
        assert!(log.contains(&format!("\"{action}\"")), "the audit log has no {action}");
    }
}

#[tokio::test]
async fn orders_wait_for_payment_authentication() {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_authenticationRequired").await;
    let waiting = harness.subscribe("team").await;
    assert_eq!(waiting["subscription"]["state"], "incomplete");
    assert_eq!(waiting["plan_id"], "starter", "the plan changes only after the payment");
    assert!(waiting["payment_client_secret"].as_str().unwrap().contains("_secret_"));
    // The customer authenticates the payment in the browser.
    harness.add_card("pm_card_visa").await;
    harness.deliver_webhooks().await;
    let paid = harness.get("subscription").await;
    assert_eq!((&paid["plan_id"], &paid["subscription"]["state"]), (&json!("team"), &json!("active")));
    assert_eq!(harness.charges().len(), 1);

    // A plan change also waits for the authentication.
    harness.add_card("pm_card_authenticationRequired").await;
    let waiting = harness.subscribe("business").await;
    assert_eq!(
        (&waiting["plan_id"], &waiting["subscription"]["awaits_confirmation"]),
        (&json!("team"), &json!(true))
    );
    assert!(waiting["payment_client_secret"].as_str().unwrap().contains("_secret_"));
    harness.add_card("pm_card_visa").await;
    harness.deliver_webhooks().await;
    let changed = harness.get("subscription").await;
    assert_eq!((&changed["plan_id"], &changed["payment_client_secret"]), (&json!("business"), &Value::Null));
    assert_eq!(harness.charges().len(), 2);
}

#[tokio::test]
async fn the_end_of_a_subscription_is_previewed_as_it_happens() {
    let mut harness = Harness::new().await;
    let platform = harness.platform().clone();
    let id = harness.organization_path().rsplit('/').next().unwrap().parse().unwrap();
    let ann = Caller::for_user(harness.app.sign_in("ann").await.id.parse().unwrap());
    assert_eq!(platform.billing().cancellation_effects(&ann, id).await.unwrap(), None);
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    harness.create_workspace("large", "team").await;
    harness.create_workspace("small", "starter").await;
    let effects = platform.billing().cancellation_effects(&ann, id).await.unwrap().unwrap();
    let suspended: Vec<&str> = effects.suspended.iter().map(|name| name.as_str()).collect();
    assert_eq!((effects.plan_id.as_str(), suspended.as_slice()), ("starter", ["large"].as_slice()));
    assert_eq!(harness.get("subscription").await["plan_id"], "team", "nothing is ordered");

    let ended = harness.end_now().await;
    harness.deliver_webhooks().await;
    assert_eq!(ended["plan_id"], "starter");
    let workspaces = harness.client().get(&format!("{}/workspaces", harness.organization_path())).await;
    let phases: Vec<(&Value, &Value)> =
        workspaces["items"].as_array().unwrap().iter().map(|it| (&it["name"], &it["phase"])).collect();
    assert!(phases.contains(&(&json!("large"), &json!("suspended"))), "{phases:?}");
    assert!(phases.contains(&(&json!("small"), &json!("ready"))), "{phases:?}");
}

#[tokio::test]
async fn a_coupon_is_redeemed_and_an_unknown_one_is_rejected() {
    let harness = Harness::new().await;
    harness.stripe.call("POST", "/v1/coupons", "id=HALF&percent_off=50&duration=once");
    harness.add_card("pm_card_visa").await;
    let unknown = json!({ "plan_id": "team", "coupon": "FREE" });
    let rejected = harness.send(Method::PUT, "subscription", unknown).await;
    assert_eq!((rejected.status, &rejected.body["code"]), (StatusCode::CONFLICT, &json!("order_rejected")));
    assert!(harness.live_subscriptions().is_empty());
    harness.send_ok(Method::PUT, "subscription", json!({ "plan_id": "team", "coupon": "HALF" })).await;
    assert_eq!(harness.charges(), [2_450]);
}

#[tokio::test]
async fn a_price_increase_does_not_affect_subscribers() {
    let harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    let provider = harness.stripe_billing();
    let mut plans = hexabase_billing::plans::built_in();
    plans[1].price.as_mut().unwrap().monthly.amount = 9_900;
    let steps = provider.plan_catalog(&plans).await.unwrap();
    let texts: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "~ price hexabase_team_plan_month: 4900 usd becomes 9900 usd; existing subscriptions keep the old price"
        ]
    );
    provider.apply(&steps[0]).await.unwrap();
    assert!(provider.plan_catalog(&plans).await.unwrap().is_empty(), "the catalog is up to date");
    for name in ["a", "b", "c", "d"] {
        harness.create_workspace(name, "team").await;
    }
    harness.advance(32 * DAY);
    let charges = harness.charges();
    assert!(charges[1] > 4_900 + 1_500 && charges[1] < 9_900, "{charges:?}");
}
