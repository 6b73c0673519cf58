//! Billing: plans with preview, payment methods, invoices, usage, budget, and the end of a subscription.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::StatusCode;
use hexabase_billing::{StripeBilling, StripeConfig};
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock, SystemClock};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{
    BillingAccount, BillingStanding, CustomerId, Hour, Meter, Month, PerMeter, Reading, UsageHour,
    UsageReport,
};
use hexabase_core::store::{BillingStore as _, Commit as _, MemoryStore};
use hexabase_test_stripe::FakeStripe;
use hexabase_tests::TestApp;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Browser, location, value_of};

/// Clock whose `sleep` returns immediately, so that retries take no time.
#[derive(Debug)]
struct ImpatientClock;

#[async_trait]
impl Clock for ImpatientClock {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

/// Address of the pages of billing of a new organization of the user ann.
async fn billing(app: &TestApp) -> String {
    let user = app.sign_in("ann").await;
    let org = app.create_organization(&user, "acme").await;
    format!("/console/orgs/{org}/billing")
}

fn organization_of(billing: &str) -> &str {
    billing.strip_suffix("/billing").unwrap()
}

fn id_of(billing: &str) -> OrganizationId {
    organization_of(billing).rsplit('/').next().unwrap().parse().unwrap()
}

/// Asserts that a page contains texts.
#[track_caller]
fn assert_contains(page: &hexabase_tests::Response, parts: &[&str]) {
    for part in parts {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
}

#[tokio::test]
async fn a_plan_is_previewed_chosen_and_ended_with_forms() {
    let app = TestApp::with_console().await;
    let billing = billing(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let (plans, team) = (format!("{billing}/plans"), format!("{billing}/plans/team"));
    assert_contains(&ann.get(&billing).await, &["There is no subscription", "There is no next invoice"]);
    let compared = ann.get(&plans).await;
    assert_contains(&compared, &["Current plan", "$49.00 per month", "$490.00 per year", "500 GiB included"]);

    // Opening the page registers nothing at the payment provider; the form does.
    let offer = ann.get(&team).await;
    assert_contains(&offer, &["Choose the interval and update the preview"]);
    let preview = ann.submit(&team, &[("intent", "preview"), ("interval", "year"), ("coupon", "")]).await;
    assert_eq!(preview.status, StatusCode::OK, "{}", preview.text);
    assert_contains(&preview, &["Nothing is ordered yet", "$490.00", "A payment method is needed"]);
    assert!(!preview.text.contains("name=\"intent\" value=\"choose\""), "{}", preview.text);
    let invalid = ann.submit(&team, &[("intent", "preview"), ("interval", "week"), ("coupon", "HALF")]).await;
    assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", invalid.text);
    assert_contains(&invalid, &["value=\"HALF\"", "must be month or year", "href=\"#interval\""]);

    // The form of the preview leads to the payment provider and back to the plan.
    let methods = format!("{billing}/methods");
    assert_eq!(value_of(&preview, "return_to"), team);
    let elsewhere = ann.submit(&methods, &[("intent", "checkout"), ("return_to", "//evil.example")]).await;
    assert_eq!(elsewhere.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", elsewhere.text);
    let checkout = ann.submit(&methods, &[("intent", "checkout"), ("return_to", &team)]).await;
    assert_eq!(checkout.status, StatusCode::OK, "{}", checkout.text);
    let url = format!("https://hexabase.example{team}");
    assert_contains(&checkout, &[&format!("content=\"0;url={url}\""), &format!("href=\"{url}\"")]);

    let offer = ann.get(&team).await;
    assert_contains(&offer, &["name=\"intent\" value=\"choose\"", "Choose this plan"]);
    let version = value_of(&offer, "version");
    // A reconcile in the background changes the account, but nothing that the user decides about.
    app.run_worker().await;
    let chosen = [("intent", "choose"), ("interval", "month"), ("coupon", ""), ("version", &*version)];
    let ordered = ann.submit(&team, &chosen).await;
    assert_eq!(location(&ordered), billing, "{}", ordered.text);
    assert_contains(
        &ann.follow(&ordered).await,
        &["The plan is changed.", "active", "Renews", "visa •••• 4242"],
    );

    // An order on an outdated page is not placed; its page leads to a new preview.
    let outdated = ann.submit(&format!("{plans}/business"), &chosen).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED, "{}", outdated.text);
    let business = ann.get(&format!("{plans}/business")).await;
    assert_contains(&business, &["change within the period", "Current plan: Team. Chosen plan: Business."]);

    let invoices = ann.get(&format!("{billing}/invoices")).await;
    assert_contains(&invoices, &["paid", "$49.00"]);
    let address =
        invoices.text.split(&format!("href=\"{billing}/invoices/")).find(|rest| rest.starts_with("in_"));
    let address = address.unwrap().split('"').next().unwrap();
    let paid = ann.get(&format!("{billing}/invoices/{address}")).await;
    assert_contains(&paid, &["Subtotal", "Team", "$49.00"]);
    assert!(!paid.text.contains("To pay"), "{}", paid.text);
    assert_contains(&ann.get(&format!("{billing}/invoices/upcoming")).await, &["Next invoice", "$49.00"]);
    let unknown = ann.get(&format!("{billing}/invoices/in_nothing")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);

    // The last payment method stays while there is a subscription.
    assert_contains(
        &ann.get(&methods).await,
        &["The subscription needs a payment method", "aria-disabled=\"true\""],
    );

    let leave = format!("{billing}/leave");
    let mistyped = ann.submit(&leave, &[("confirm_name", "acmes"), ("now", "false")]).await;
    assert_eq!(mistyped.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", mistyped.text);
    let scheduled = ann.submit(&leave, &[("confirm_name", "acme"), ("now", "false")]).await;
    assert_contains(&ann.follow(&scheduled).await, &["The subscription ends with the paid period.", "Ends"]);
    assert!(ann.get(&leave).await.text.contains("Choose a plan to continue."));
    assert_contains(
        &ann.get(&format!("{leave}?now=true")).await,
        &["the rest of the paid period is not refunded"],
    );
    let address = format!("{leave}?now=true");
    let token = value_of(&ann.get(&address).await, "csrf");
    let ended = ann.post(&leave, &[("csrf", &token), ("confirm_name", "acme"), ("now", "true")]).await;
    assert_contains(&ann.follow(&ended).await, &["The subscription has ended.", "Starter"]);
    assert_contains(&ann.get(&leave).await, &["There is nothing to end."]);
}

#[tokio::test]
async fn workspaces_show_their_price_and_plans_that_are_too_small_their_reason() {
    let app = TestApp::with_console().await;
    let billing = billing(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let user = app.sign_in("ann").await;
    let api = organization_of(&billing).replace("/console/orgs/", "/api/v1/organizations/");
    let new = format!("{}/workspaces/new", organization_of(&billing));
    assert!(!ann.get(&new).await.text.contains("next invoice"), "there is no subscription");
    let card = json!({ "payment_method": "pm_card_visa" });
    user.client.create(&format!("{api}/billing/payment-methods"), &card).await;
    let choice = json!({ "plan_id": "team" });
    user.client.send_ok(axum::http::Method::PUT, &format!("{api}/billing/subscription"), &choice).await;
    assert_contains(&ann.get(&new).await, &["This one adds nothing to the next invoice."]);
    for name in ["one", "two", "three", "four"] {
        let workspace = json!({ "name": name, "plan_id": "starter" });
        user.client.create(&format!("{api}/workspaces"), &workspace).await;
    }
    assert_contains(&ann.get(&new).await, &["This workspace adds $15.00 per month"]);
    let plans = ann.get(&format!("{billing}/plans")).await;
    assert_contains(&plans, &["first delete 1 of its 4 workspaces"]);
    assert!(!plans.text.contains(&format!("href=\"{billing}/plans/starter\"")), "{}", plans.text);

    // Administrators do not read billing.
    app.add_member(&user, &id_of(&billing).to_string(), "admin", "admin").await;
    let admin = Browser::sign_in(&app, "admin").await;
    assert!(!admin.get(&new).await.text.contains("next invoice"));
}

#[tokio::test]
async fn payment_methods_are_made_the_default_and_removed() {
    let app = TestApp::with_console().await;
    let billing = billing(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let methods = format!("{billing}/methods");
    assert_contains(&ann.get(&methods).await, &["There is no payment method"]);
    for _ in 0..2 {
        let page = ann.submit(&methods, &[("intent", "checkout")]).await;
        assert!(page.text.contains(&format!("0;url=https://hexabase.example{methods}")), "{}", page.text);
    }
    let page = ann.get(&methods).await;
    assert_contains(&page, &["Make another one the default first", "Make the default: visa •••• 4242"]);
    let other = value_of(&page, "method");
    let changed = ann.submit(&methods, &[("intent", "default"), ("method", &other)]).await;
    assert_contains(&ann.follow(&changed).await, &["Invoices are paid with this payment method from now on"]);
    let now_default = ann.submit(&methods, &[("intent", "remove"), ("method", &other)]).await;
    assert_eq!(now_default.status, StatusCode::CONFLICT, "{}", now_default.text);
    let first = value_of(&ann.get(&methods).await, "method");
    assert_ne!(first, other);
    let removed = ann.submit(&methods, &[("intent", "remove"), ("method", &first)]).await;
    assert_contains(&ann.follow(&removed).await, &["The payment method is removed."]);
    let without_button = ann.submit(&methods, &[]).await;
    assert_eq!(without_button.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", without_button.text);
    let portal = ann.submit(&methods, &[("intent", "portal")]).await;
    assert_contains(&portal, &["http-equiv=\"refresh\"", "Continue to the payment provider"]);
}

#[tokio::test]
async fn a_budget_is_set_undone_and_never_overwritten() {
    let app = TestApp::with_console().await;
    let billing = billing(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let budget = format!("{billing}/budget");
    let rejected = ann.submit(&budget, &[("amount", "much"), ("currency", "usd")]).await;
    assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
    assert_contains(&rejected, &["value=\"much\"", "id=\"amount-error\""]);
    let foreign = ann.submit(&budget, &[("amount", "1"), ("currency", "eur")]).await;
    assert_contains(&foreign, &["must be a currency that plans are priced in"]);
    let set = ann.submit(&budget, &[("amount", "４９．９０"), ("currency", "usd")]).await;
    assert_contains(&ann.follow(&set).await, &["The budget is changed.", "$0.00 of $49.90", "Undo"]);

    let page = ann.get(&budget).await;
    let (token, old) = (value_of(&page, "csrf"), value_of(&page, "version"));
    let fields = |version| [("csrf", &*token), ("amount", "60"), ("currency", "usd"), ("version", version)];
    let changed = ann.post(&budget, &fields(&old)).await;
    let shown = ann.follow(&changed).await;
    assert_contains(&shown, &["name=\"amount\" value=\"49.90\"", "name=\"currency\" value=\"usd\""]);
    let outdated = ann.post(&budget, &fields(&old)).await;
    assert_eq!(outdated.status, StatusCode::PRECONDITION_FAILED, "{}", outdated.text);
    let mine = [("csrf", &*token), ("amount", "70"), ("currency", "usd"), ("version", &*old)];
    let conflict = ann.post(&budget, &mine).await;
    assert_eq!(conflict.status, StatusCode::PRECONDITION_FAILED, "{}", conflict.text);
    assert_contains(&conflict, &["70", "60.00"]);
    let removed =
        ann.submit(&budget, &[("intent", "remove"), ("version", &value_of(&conflict, "version"))]).await;
    let shown = ann.follow(&removed).await;
    assert_contains(&shown, &["name=\"amount\" value=\"60.00\""]);
    assert!(!shown.text.contains("Remove the budget</button>"), "{}", shown.text);
}

#[tokio::test]
async fn a_missing_payment_is_announced_with_its_consequence_to_those_who_pay() {
    let store = Arc::new(MemoryStore::new());
    let app = TestApp::with_console_on(store.clone()).await;
    let billing = billing(&app).await;
    let organization = organization_of(&billing);
    let user = app.sign_in("ann").await;
    app.add_member(&user, &id_of(&billing).to_string(), "bob", "admin").await;
    let (ann, bob) = (Browser::sign_in(&app, "ann").await, Browser::sign_in(&app, "bob").await);
    let until: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
    let grace = BillingStanding::Grace { since: SystemClock.now(), until, reminded: false };
    let account =
        BillingAccount { standing: grace, ..BillingAccount::new(id_of(&billing), SystemClock.now()) };
    store.commit(Changeset::new().insert(account)).await.unwrap();
    for page in [organization, &*billing] {
        let page = ann.get(page).await;
        assert_contains(&page, &["All workspaces are suspended at", "2 Jan 2030, 03:04:05 UTC"]);
    }
    assert!(!bob.get(organization).await.text.contains("A payment is missing"));

    let account = store.find_billing_account(id_of(&billing)).await.unwrap().unwrap();
    let suspended = BillingAccount { standing: BillingStanding::Suspended { since: until }, ..account };
    store.commit(Changeset::new().billing_account(suspended, until)).await.unwrap();
    assert_contains(&ann.get(organization).await, &["The workspaces resume as soon as the payment arrives."]);
}

#[tokio::test]
async fn members_without_billing_see_no_entry_and_are_refused_with_the_reason() {
    let app = TestApp::with_console().await;
    let billing = billing(&app).await;
    let user = app.sign_in("ann").await;
    for (name, role, may) in [("bob", "member", false), ("eve", "admin", false), ("pam", "billing", true)] {
        app.add_member(&user, &id_of(&billing).to_string(), name, role).await;
        let browser = Browser::sign_in(&app, name).await;
        let overview = browser.get(organization_of(&billing)).await;
        assert_eq!(overview.text.contains(&format!("href=\"{billing}\"")), may, "{name}: {}", overview.text);
        let page = browser.get(&billing).await;
        let expected = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(page.status, expected, "{name}: {}", page.text);
        assert!(may || page.text.contains("billing.read"), "{name}: {}", page.text);
    }
}

#[tokio::test]
async fn usage_is_proved_hour_by_hour() {
    let store = Arc::new(MemoryStore::new());
    let app = TestApp::with_console_on(store.clone()).await;
    let billing = billing(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let usage = format!("{billing}/usage");
    assert_contains(&ann.get(&usage).await, &["Nothing is measured in this month.", "Nothing is reported"]);

    let org = id_of(&billing);
    let user = app.sign_in("ann").await;
    let api = organization_of(&billing).replace("/console/orgs/", "/api/v1/organizations/");
    let shop = json!({ "name": "shop", "plan_id": "starter" });
    let workspace = user.client.create(&format!("{api}/workspaces"), &shop).await.parse().unwrap();
    let (late, early) = (Hour::of(SystemClock.now()).after(-2), Hour::of(SystemClock.now()).after(-3));
    let amounts = |amount| PerMeter::from_fn(|meter| if meter == Meter::Cpu { amount } else { 0 });
    let used = |hour, amount| UsageHour {
        readings: PerMeter::from_fn(|meter| Reading { amount: amounts(amount)[meter], minutes: 55 }),
        ..UsageHour::empty(org, workspace, hour)
    };
    let report = UsageReport { reported: amounts(1_500), ..UsageReport::unreported(org, early) };
    let changeset = Changeset::new().put(used(early, 1_500)).put(used(late, 2_000)).put(report);
    store.commit(changeset).await.unwrap();
    let page = async |hour: Hour| {
        let (month, day) = (Month::of(hour.start()), hour.start().strftime("%Y-%m-%d"));
        ann.get(&format!("{usage}?month={month}&meter=cpu&day={day}")).await
    };
    assert_contains(&page(early).await, &["1.5 core hours", "shop</a>", "10 min", ">reported<"]);
    assert_contains(&page(late).await, &["2 core hours", ">not reported<"]);
}

#[tokio::test]
async fn pages_without_the_payment_provider_say_so_and_show_the_rest() {
    let stripe = FakeStripe::new(Arc::new(SystemClock));
    let config = StripeConfig { api_base: stripe.serve().await, ..StripeConfig::new("sk_test_1".into()) };
    let provider = StripeBilling::new(&config, Arc::new(ImpatientClock)).unwrap();
    let store = Arc::new(MemoryStore::new());
    let backends = store.clone();
    let app =
        TestApp::with_console_and(|builder| builder.with_store(backends).with_billing(Arc::new(provider)))
            .await;
    let billing = billing(&app).await;
    let ann = Browser::sign_in(&app, "ann").await;
    let account = BillingAccount {
        customer_id: Some(CustomerId("cus_1".to_owned())),
        ..BillingAccount::new(id_of(&billing), SystemClock.now() - SignedDuration::from_hours(9))
    };
    store.commit(Changeset::new().insert(account)).await.unwrap();
    stripe.set_faults(|faults| faults.unavailable = true);
    for (page, rest) in [
        ("", "Current plan"),
        ("/plans/team", "About the plan"),
        ("/methods", "Add a payment method"),
        ("/invoices", "List the invoices"),
        ("/invoices/in_1", "Invoices"),
        ("/usage", "Usage by kind"),
    ] {
        let page = ann.get(&format!("{billing}{page}")).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert_contains(&page, &["The payment provider is not available", rest]);
    }
    let checkout = ann.submit(&format!("{billing}/methods"), &[("intent", "checkout")]).await;
    assert_eq!(checkout.status, StatusCode::SERVICE_UNAVAILABLE, "{}", checkout.text);
}
