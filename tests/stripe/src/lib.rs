//! A Stripe for tests that remembers.
//!
//! It speaks the version of Stripe's API that Hexabase is written against, as far as Hexabase uses it: customers, ways to
//! pay, products, prices, subscriptions with prorations, invoices, hosted pages, coupons, meters, test clocks, events and signed
//! webhooks. Idempotency keys work as Stripe's do. It is kept honest by Stripe's own client libraries, which drive every
//! call and read every answer.

#![expect(clippy::panic, reason = "tests fail by panicking")]
#![recursion_limit = "256"]

mod customers;
mod events;
mod invoices;
mod meters;
mod parameters;
mod problem;
mod server;
mod state;
mod subscriptions;

pub use events::{Delivery, sign};
pub use server::{FakeStripe, Fatal, Weather};

/// The version of the API that is spoken, as <https://docs.stripe.com/changelog> names it.
pub const API_VERSION: &str = "2026-10-28.endive";
