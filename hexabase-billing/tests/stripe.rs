//! `StripeBilling` against a Stripe that remembers.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_billing::{StripeBilling, StripeSettings};
use hexabase_core::billing::{Billable, BillingKey, BillingProvider, NewCustomer, UsageEvent, Wanted};
use hexabase_core::clock::ManualClock;
use hexabase_core::conformance::billing_provider::{BillingHarness, plans};
use hexabase_core::fixture::{THEN, id};
use hexabase_core::model::{CustomerId, Hour, Interval, Meter};
use hexabase_core::name::DisplayName;
use hexabase_test_stripe::FakeStripe;

/// Stripe, and whoever speaks with it.
#[derive(Debug)]
struct Counter {
    billing: StripeBilling,
    stripe: FakeStripe,
    clock: Arc<ManualClock>,
}

impl Counter {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::new(THEN));
        let stripe = FakeStripe::new(clock.clone());
        let settings = StripeSettings {
            api_base: stripe.serve().await,
            ..StripeSettings::new("sk_test_hexabase".into())
        };
        let billing = StripeBilling::new(&settings, clock.clone()).unwrap();
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
impl BillingHarness for Counter {
    fn provider(&self) -> &dyn BillingProvider {
        &self.billing
    }

    fn good_card(&self) -> &'static str {
        "pm_card_visa"
    }

    fn refused_card(&self) -> &'static str {
        "pm_card_chargeCustomerFail"
    }

    async fn pass(&self, _: &CustomerId, time: Duration) {
        self.clock.advance(time);
        self.stripe.catch_up();
    }
}

mod conformance {
    use super::Counter;

    hexabase_core::billing_provider_conformance!(async { (Counter::open().await, ()) });
}

fn key(text: &str) -> BillingKey {
    BillingKey(text.to_owned())
}

/// What a customer's subscription has items for, by the products that they are of.
fn products(stripe: &FakeStripe, customer: &CustomerId) -> Vec<String> {
    let all = stripe.act("GET", "/v1/subscriptions", &format!("customer={}", customer.0));
    let items = all["data"][0]["items"]["data"].as_array().cloned().unwrap_or_default();
    let mut products: Vec<String> =
        items.iter().map(|item| item["price"]["product"].as_str().unwrap().to_owned()).collect();
    products.sort_unstable();
    products
}

#[tokio::test]
async fn a_plan_has_an_item_for_what_it_charges_for_by_use_and_only_while_one_is_on_it() {
    let counter = Counter::open().await;
    let acme = counter.acme().await;
    counter.billing.attach_payment_method(&acme, "pm_card_visa", &key("card")).await.unwrap();
    let subscribe = async |plan: &str, round: u32| {
        let plans = plans();
        let plan = plans.iter().find(|known| known.id.as_str() == plan).unwrap();
        let wanted = Wanted::of(plan, Interval::Month, Billable { workspaces: 1, nodes: 0 });
        counter.billing.subscribe(&acme, &wanted, &key(&round.to_string())).await.unwrap();
        products(&counter.stripe, &acme)
    };
    let metered = ["hexabase_metered_cpu", "hexabase_metered_plan", "hexabase_metered_storage"];
    assert_eq!(subscribe("metered", 1).await, metered);
    assert_eq!(subscribe("metered", 2).await, metered);
    assert_eq!(subscribe("small", 3).await, ["hexabase_small_plan"]);
    assert_eq!(subscribe("metered", 4).await, metered);
}

#[tokio::test]
async fn what_is_synced_is_synced() {
    let counter = Counter::open().await;
    assert_eq!(counter.billing.plan_catalog(&plans()).await.unwrap(), []);
    let mut dearer = plans();
    let price = dearer.iter_mut().find(|plan| plan.id.as_str() == "metered").unwrap().price.as_mut().unwrap();
    price.usage[Meter::Cpu].as_mut().unwrap().included = 50;
    let steps = counter.billing.plan_catalog(&dearer).await.unwrap();
    let shown: Vec<String> = steps.iter().map(ToString::to_string).collect();
    let becomes = "4000 usd a thousand beyond 100 a month becomes 4000 usd a thousand beyond 50 a month";
    let expected = ["month", "year"].map(|interval| {
        format!("~ price hexabase_metered_cpu_{interval}: {becomes}; subscribers keep the old one")
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn usage_of_a_meter_that_was_never_synced_waits_for_the_operator() {
    let counter = Counter::open().await;
    let acme = counter.acme().await;
    let hour = Hour::of(THEN).after(-1);
    let event =
        UsageEvent { identifier: "one".to_owned(), meter: Meter::Memory, hour, at: hour.start(), amount: 1 };
    let error = counter.billing.report_usage(&acme, &event).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("hexabase billing sync"), "{error}");
}
