//! Real servers for tests: PostgreSQL, PgBouncer, Redis, NATS, Prometheus, Alertmanager and an OpenID Connect provider, on free
//! loopback ports with temporary data.
//!
//! [`Postgres::shared`], [`Redis::shared`] and [`Nats::shared`] use the server whose address is in the environment, or
//! start a server that is stopped when it is dropped. `scripts/test` starts one server of each kind for all tests. On
//! a shared server, tests are separated by unique names ([`Postgres::database`], [`unique`]).
//!
//! | server | address from the environment | package on Debian |
//! |---|---|---|
//! | [`Postgres`] | `HEXABASE_TEST_POSTGRES_URL` | `postgresql` |
//! | [`Redis`] | `HEXABASE_TEST_REDIS_URL` | `redis-server` |
//! | [`Nats`] | `HEXABASE_TEST_NATS_URL` | `nats-server` |
//!
//! Each [`PgBouncer`] is a separate pooler (package `pgbouncer`), and each [`Prometheus`] a separate server with the
//! measurements or targets of one test (package `prometheus`). Each [`Alertmanager`] is a separate server, or joins the cluster of
//! another one (package `prometheus-alertmanager`).
//!
//! Only Loki is a stand-in, [`FakeLoki`]; tests with a real one use that at `HEXABASE_TEST_LOKI_URL`.
//!
//! The programs in `tests/peers` run on Node.js and Python, with the packages that `npm ci` and `pip install` put
//! there.
//!
//! A missing server is a failure whose message says how to install it.
#![expect(clippy::panic, clippy::unwrap_in_result, reason = "tests fail by panicking")]

mod alertmanager;
mod certificates;
mod forwarder;
mod loki;
mod memory;
mod nats;
mod peers;
mod pgbouncer;
mod postgres;
mod process;
mod prometheus;
mod redis;
mod smtp;

pub use alertmanager::Alertmanager;
pub use certificates::Certificates;
pub use forwarder::Forwarder;
pub use loki::{FakeLoki, push};
pub use memory::{peak_memory_kib, resident_memory_kib};
pub use nats::Nats;
pub use peers::{CiPeer, LocalStripe, OidcPeer, browser, console_journey, peer, python};
pub use pgbouncer::PgBouncer;
pub use postgres::Postgres;
pub use prometheus::{
    Prometheus, check_alertmanager_config, check_prometheus_config, check_rules, fetch, run_rule_test_file,
    run_rule_tests,
};
pub use redis::Redis;
pub use smtp::{SmtpMode, SmtpPeer};

/// Returns a unique name for a database, prefix or stream on a shared server.
#[must_use]
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{}_{}_{number}", std::process::id(), process::random())
}
