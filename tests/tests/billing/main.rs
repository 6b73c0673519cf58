//! What organizations pay, from the first card to the end of the subscription, through the API and with a Stripe that
//! remembers.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod away;
mod desk;
mod life;
mod metering;
mod reconciliation;
mod retirement;
mod storms;
mod webhooks;
