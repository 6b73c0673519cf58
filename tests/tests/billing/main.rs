//! Billing through the API with a stateful Stripe stand-in, from the first card to the end of the subscription.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod harness;
mod metering;
mod provider_outage;
mod random_sequences;
mod reconciliation;
mod retired_plans;
mod subscription_lifecycle;
mod webhooks;
