//! Where Hexabase keeps things.
//!
//! | backend | trait | feature | for |
//! |---|---|---|---|
//! | `SqliteStore` | [`TenantStore`](hexabase_core::store::TenantStore) | `sqlite` (default) | one process, one file |
//! | `PostgresStore` | [`TenantStore`](hexabase_core::store::TenantStore) | `postgres` | many processes |
//! | `RedisEphemeral` | [`EphemeralStore`](hexabase_core::ephemeral::EphemeralStore) | `redis` | many processes |
//! | `NatsQueue` | [`TaskQueue`](hexabase_core::queue::TaskQueue) | `nats` | many processes |
//!
//! Each behaves exactly like its counterpart in memory: both pass the same conformance suite.
//!
//! ```
//! use hexabase_core::store::Commit as _;
//! use hexabase_store::SqliteStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let store = SqliteStore::in_memory().await?;
//! store.ping().await?;
//! # Ok(()) })
//! # }
//! ```
//!
//! # How it works
//!
//! A [`Changeset`](hexabase_core::changeset::Changeset) becomes a list of statements by a pure function; an
//! engine runs them in one transaction. Statements are written once, in the SQL that SQLite and PostgreSQL
//! share.

#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "nats")]
pub use nats::{NatsQueue, NatsSettings};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresEngine, PostgresSettings, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisEphemeral, RedisSettings};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::SqlStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteEngine, SqliteStore};
