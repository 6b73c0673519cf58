//! What the tests of the whole run on.

use std::any::Any;
use std::sync::Arc;

use hexabase_core::platform::PlatformBuilder;
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_store::{
    NatsQueue, NatsSettings, PostgresSettings, PostgresStore, RedisEphemeral, RedisSettings, SqliteStore,
};
use hexabase_test_servers::{Nats, Postgres, Redis, unique};

/// Whatever has to stay as long as backends are used.
pub type Kept = Box<dyn Any + Send + Sync>;

/// Gives a platform the backends that `HEXABASE_TEST_BACKENDS` names: `memory`, which is what there is without it,
/// `sqlite`, or `servers` for PostgreSQL, Redis and NATS.
pub(crate) async fn furnish(builder: PlatformBuilder) -> (PlatformBuilder, Kept) {
    let (store, kept) = store().await;
    let builder = builder.with_store(store);
    if Choice::made() != Choice::Servers {
        return (builder, kept);
    }
    let (redis, nats) = (Redis::shared(), Nats::shared());
    let settings = RedisSettings { prefix: unique("test"), ..RedisSettings::new([redis.url()]) };
    let ephemeral = RedisEphemeral::connect(&settings).await.unwrap();
    let settings = NatsSettings { stream: unique("TEST"), ..NatsSettings::new(nats.url()) };
    let queue = NatsQueue::connect(settings).await.unwrap();
    let builder = builder.with_ephemeral(Arc::new(ephemeral)).with_queue(Arc::new(queue));
    (builder, Box::new((kept, redis, nats)))
}

/// A new store of the kind that `HEXABASE_TEST_BACKENDS` names, and what has to stay as long as it is used.
pub async fn store() -> (Arc<dyn TenantStore>, Kept) {
    match Choice::made() {
        Choice::Memory => (Arc::new(MemoryStore::new()), Box::new(())),
        Choice::Sqlite => {
            let directory = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&directory.path().join("test.db")).await.unwrap();
            (Arc::new(store), Box::new(directory))
        }
        Choice::Servers => {
            let (store, server) = postgres().await;
            (Arc::new(store), Box::new(server))
        }
    }
}

/// What `HEXABASE_TEST_BACKENDS` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Memory,
    Sqlite,
    Servers,
}

impl Choice {
    fn made() -> Self {
        match std::env::var("HEXABASE_TEST_BACKENDS").as_deref() {
            Err(_) | Ok("memory") => Self::Memory,
            Ok("sqlite") => Self::Sqlite,
            Ok("servers") => Self::Servers,
            Ok(other) => panic!("HEXABASE_TEST_BACKENDS is {other}, and must be memory, sqlite or servers"),
        }
    }
}

/// A store on a database of its own, and the server to keep.
pub async fn postgres() -> (PostgresStore, Postgres) {
    let server = Postgres::shared();
    let database = server.database().await;
    let settings = PostgresSettings { connections: 8, ..PostgresSettings::new(server.url_of(&database)) };
    PostgresStore::migrate(&settings).await.unwrap();
    (PostgresStore::connect(&settings).await.unwrap(), server)
}
