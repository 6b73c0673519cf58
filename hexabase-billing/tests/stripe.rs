//! `StripeBilling` against a Stripe that remembers.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_billing::{StripeBilling, StripeSettings};
use hexabase_core::billing::BillingProvider;
use hexabase_core::clock::ManualClock;
use hexabase_core::conformance::billing_provider::{BillingHarness, plans};
use hexabase_core::fixture::THEN;
use hexabase_core::model::CustomerId;
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
