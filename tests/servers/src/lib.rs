//! Real servers for tests: PostgreSQL, Redis, NATS, Prometheus and an OpenID Connect provider, on free loopback ports with throwaway data.
//!
//! Tests ask for a server and get one: [`Postgres::shared`], [`Redis::shared`] and [`Nats::shared`] take the server
//! whose address the environment names, or start one of their own that ends with them. `scripts/test` starts one of
//! each for all tests, so that not every test pays for it; inside, tests keep apart by names of their own
//! ([`Postgres::database`], [`unique`]).
//!
//! | server | address from the environment | package on Debian |
//! |---|---|---|
//! | [`Postgres`] | `HEXABASE_TEST_POSTGRES_URL` | `postgresql` |
//! | [`Redis`] | `HEXABASE_TEST_REDIS_URL` | `redis-server` |
//! | [`Nats`] | `HEXABASE_TEST_NATS_URL` | `nats-server` |
//!
//! [`Prometheus`] is always a server of its own, with the measurements of one test (package `prometheus`).
//!
//! What is in `tests/peers` runs on Node.js and on Python, with packages that `npm ci` and `pip` install there.
//!
//! A missing server is a failure that says how to install it.
#![expect(clippy::panic, clippy::unwrap_in_result, reason = "tests fail by panicking")]

mod certificates;
mod nats;
mod peers;
mod postgres;
mod process;
mod prometheus;
mod redis;

pub use certificates::Certificates;
pub use nats::Nats;
pub use peers::{CiPeer, LocalStripe, OidcPeer, browser, peer, python};
pub use postgres::Postgres;
pub use prometheus::Prometheus;
pub use redis::Redis;

/// A name that no other test has: for databases, prefixes and streams on a shared server.
#[must_use]
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{}_{}_{number}", std::process::id(), process::random())
}
