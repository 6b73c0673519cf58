//! Stripe webhooks: the signature header, and the event, which is read only if the signature is valid.
#![no_main]

use std::sync::OnceLock;

use hexabase_billing::{StripeBilling, StripeConfig};
use hexabase_core::billing::BillingProvider as _;
use hexabase_core::clock::ManualClock;
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_fuzz::{selector, text, two_parts};
use hexabase_test_stripe::sign;
use libfuzzer_sys::fuzz_target;

const SECRET: &str = "whsec_of_the_endpoint";

fn billing() -> StripeBilling {
    let secrets = vec![SECRET.to_owned().into(), "whsec_of_the_old_endpoint".to_owned().into()];
    let config = StripeConfig { webhook_secrets: secrets, ..StripeConfig::new("sk_test".to_owned().into()) };
    StripeBilling::new(&config, std::sync::Arc::new(ManualClock::new(FIXTURE_TIME)))
        .expect("is a configuration")
}

fuzz_target!(|data: &[u8]| {
    static BILLING: OnceLock<StripeBilling> = OnceLock::new();
    let billing = BILLING.get_or_init(billing);
    let Some((form, rest)) = selector(data) else { return };
    if form % 2 == 0 {
        let signature = sign(rest, &[SECRET], FIXTURE_TIME.as_second());
        if let Ok(hint) = billing.verify_webhook(rest, &signature, FIXTURE_TIME) {
            assert!(hint.customer.is_none_or(|customer| !customer.0.is_empty()));
        }
    } else {
        let (header, body) = two_parts(rest);
        let Some(header) = text(header) else { return };
        assert!(billing.verify_webhook(body, header, FIXTURE_TIME).is_err(), "the signature is forged");
    }
});
