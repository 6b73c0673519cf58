//! Stateful Stripe stand-in for tests.
//!
//! It implements the part of Stripe's API that Hexabase uses, in the version that Hexabase uses: customers, payment
//! methods, products, prices, subscriptions with prorations, invoices, hosted pages, coupons, meters, test clocks,
//! events and signed webhooks. Idempotency keys work as Stripe's do. Tests with Stripe's own client libraries make
//! every call and parse every response, which keeps the stand-in faithful.

#![expect(clippy::panic, reason = "tests fail by panicking")]
#![recursion_limit = "256"]

mod customers;
mod error;
mod events;
mod invoices;
mod meters;
mod parameters;
mod server;
mod state;
mod subscriptions;

pub use events::{Delivery, sign};
pub use server::{CallerCrash, FakeStripe, Faults};

/// Version of the API, as named in <https://docs.stripe.com/changelog>.
pub const API_VERSION: &str = "2026-10-28.endive";
