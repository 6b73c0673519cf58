//! `StripeBilling` against a stateful fake of Stripe.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_billing::{StripeBilling, StripeConfig};
use hexabase_core::billing::{
    Billable, BillingKey, BillingProvider, DesiredSubscription, NewCustomer, UsageEvent,
};
use hexabase_core::clock::ManualClock;
use hexabase_core::conformance::billing_provider::{BillingHarness, plans};
use hexabase_core::fixture::{FIXTURE_TIME, id};
use hexabase_core::model::{CustomerId, Hour, Interval, Meter};
use hexabase_core::name::DisplayName;
use hexabase_test_stripe::FakeStripe;

/// Fake of Stripe, with a provider that uses it.
#[derive(Debug)]
struct StripeHarness {
    billing: StripeBilling,
    stripe: FakeStripe,
    clock: Arc<ManualClock>,
}

impl StripeHarness {
    async fn start() -> Self {
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let stripe = FakeStripe::new(clock.clone());
        let config =
            StripeConfig { api_base: stripe.serve().await, ..StripeConfig::new("sk_test_hexabase".into()) };
        let billing = StripeBilling::new(&config, clock.clone()).unwrap();
        for step in billing.plan_catalog(&plans()).await.unwrap() {
            billing.apply(&step).await.unwrap();
        }
        Self { billing, stripe, clock }
    }

    async fn acme(&self) -> CustomerId {
        let name = DisplayName::parse("Acme").unwrap();
        let customer = NewCustomer { organization_id: id("acme"), name, email: None };
        self.billing.ensure_customer(&customer, &key("acme")).await.unwrap()
    }
}

#[async_trait]
impl BillingHarness for StripeHarness {
    fn provider(&self) -> &dyn BillingProvider {
        &self.billing
    }

    fn working_card(&self) -> &'static str {
        "pm_card_visa"
    }

    fn declined_card(&self) -> &'static str {
        "pm_card_chargeCustomerFail"
    }

    async fn advance_time(&self, _: &CustomerId, time: Duration) {
        self.clock.advance(time);
        self.stripe.catch_up();
    }
}

mod conformance {
    use super::StripeHarness;

    hexabase_core::billing_provider_conformance!(async { (StripeHarness::start().await, ()) });
}

fn key(text: &str) -> BillingKey {
    BillingKey(text.to_owned())
}

/// Returns the ids of the products in a customer's subscription.
fn products(stripe: &FakeStripe, customer: &CustomerId) -> Vec<String> {
    let all = stripe.call("GET", "/v1/subscriptions", &format!("customer={}", customer.0));
    let items = all["data"][0]["items"]["data"].as_array().cloned().unwrap_or_default();
    let mut products: Vec<String> =
        items.iter().map(|item| item["price"]["product"].as_str().unwrap().to_owned()).collect();
    products.sort_unstable();
    products
}

#[tokio::test]
async fn only_subscriptions_to_a_metered_plan_have_metered_items() {
    let harness = StripeHarness::start().await;
    let acme = harness.acme().await;
    harness.billing.attach_payment_method(&acme, "pm_card_visa", &key("card")).await.unwrap();
    let subscribe = async |plan: &str, attempt: u32| {
        let plans = plans();
        let plan = plans.iter().find(|known| known.id.as_str() == plan).unwrap();
        let desired = DesiredSubscription::of(plan, Interval::Month, Billable { workspaces: 1, nodes: 0 });
        harness.billing.subscribe(&acme, &desired, &key(&attempt.to_string())).await.unwrap();
        products(&harness.stripe, &acme)
    };
    let metered = ["hexabase_metered_cpu", "hexabase_metered_plan", "hexabase_metered_storage"];
    assert_eq!(subscribe("metered", 1).await, metered);
    assert_eq!(subscribe("metered", 2).await, metered);
    assert_eq!(subscribe("small", 3).await, ["hexabase_small_plan"]);
    assert_eq!(subscribe("metered", 4).await, metered);
}

#[tokio::test]
async fn a_synced_catalog_needs_no_steps_until_a_price_changes() {
    let harness = StripeHarness::start().await;
    assert_eq!(harness.billing.plan_catalog(&plans()).await.unwrap(), []);
    let mut changed_plans = plans();
    let price =
        changed_plans.iter_mut().find(|plan| plan.id.as_str() == "metered").unwrap().price.as_mut().unwrap();
    price.usage[Meter::Cpu].as_mut().unwrap().included = 50;
    let steps = harness.billing.plan_catalog(&changed_plans).await.unwrap();
    let changes: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let cost_change =
        "4000 usd per thousand beyond 100 a month becomes 4000 usd per thousand beyond 50 a month";
    let expected = ["month", "year"].map(|interval| {
        format!("~ price hexabase_metered_cpu_{interval}: {cost_change}; existing subscriptions keep the old price")
    });
    assert_eq!(changes, expected);
}

#[tokio::test]
async fn usage_of_a_missing_meter_is_unavailable_until_the_operator_syncs() {
    let harness = StripeHarness::start().await;
    let acme = harness.acme().await;
    let hour = Hour::of(FIXTURE_TIME).after(-1);
    let event =
        UsageEvent { identifier: "one".to_owned(), meter: Meter::Memory, hour, at: hour.start(), amount: 1 };
    let error = harness.billing.report_usage(&acme, &event).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("hexabase billing sync"), "{error}");
}
