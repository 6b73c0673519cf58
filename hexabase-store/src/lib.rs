//! Storage backends of Hexabase.
//!
//! | backend | trait | feature | for |
//! |---|---|---|---|
//! | `SqliteStore` | [`TenantStore`](hexabase_core::store::TenantStore) | `sqlite` (default) | one process, one file |
//! | `PostgresStore` | [`TenantStore`](hexabase_core::store::TenantStore) | `postgres` | many processes |
//! | `RedisEphemeral` | [`EphemeralStore`](hexabase_core::ephemeral::EphemeralStore) | `redis` | many processes |
//! | `NatsQueue` | [`TaskQueue`](hexabase_core::queue::TaskQueue) | `nats` | many processes |
//!
//! Each backend behaves exactly like the in-memory implementation of its trait: both pass the same conformance suite.
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
//! # Design
//!
//! A pure function turns a [`Changeset`](hexabase_core::changeset::Changeset) into a list of statements; an engine
//! runs them in one transaction. Each statement is written once, in the SQL that SQLite and PostgreSQL share.

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
pub use nats::{NatsConfig, NatsQueue};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresConfig, PostgresEngine, PostgresStore};
#[cfg(feature = "redis")]
pub use redis::{RedisConfig, RedisEphemeral};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use sql::SqlStore;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteEngine, SqliteStore};
