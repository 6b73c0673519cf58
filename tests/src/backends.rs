//! Backends of the integration tests.

use std::any::Any;
use std::sync::Arc;

use hexabase_core::platform::PlatformBuilder;
use hexabase_core::store::{MemoryStore, TenantStore};
use hexabase_store::{
    NatsConfig, NatsQueue, PostgresConfig, PostgresStore, RedisConfig, RedisEphemeral, SqliteStore,
};
use hexabase_test_servers::{Nats, Postgres, Redis, unique};

/// Temporary servers and directories that live as long as the backends that use them.
pub type BackendHandles = Box<dyn Any + Send + Sync>;

/// Sets the backends of a platform that `HEXABASE_TEST_BACKENDS` names: `memory` (default), `sqlite`, or `servers` for
/// PostgreSQL, Redis and NATS.
pub(crate) async fn configure(builder: PlatformBuilder) -> (PlatformBuilder, BackendHandles) {
    let (store, handles) = store().await;
    let builder = builder.with_store(store);
    if BackendKind::from_env() != BackendKind::Servers {
        return (builder, handles);
    }
    let (redis, nats) = (Redis::shared(), Nats::shared());
    let config = RedisConfig { prefix: unique("test"), ..RedisConfig::new([redis.url()]) };
    let ephemeral = RedisEphemeral::connect(&config).await.unwrap();
    let config = NatsConfig { stream: unique("TEST"), ..NatsConfig::new(nats.url()) };
    let queue = NatsQueue::connect(config).await.unwrap();
    let builder = builder.with_ephemeral(Arc::new(ephemeral)).with_queue(Arc::new(queue));
    (builder, Box::new((handles, redis, nats)))
}

/// Creates an empty store of the kind that `HEXABASE_TEST_BACKENDS` names, with the resources that it needs.
pub async fn store() -> (Arc<dyn TenantStore>, BackendHandles) {
    match BackendKind::from_env() {
        BackendKind::Memory => (Arc::new(MemoryStore::new()), Box::new(())),
        BackendKind::Sqlite => {
            let directory = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&directory.path().join("test.db")).await.unwrap();
            (Arc::new(store), Box::new(directory))
        }
        BackendKind::Servers => {
            let (store, server) = postgres().await;
            (Arc::new(store), Box::new(server))
        }
    }
}

/// Value of `HEXABASE_TEST_BACKENDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BackendKind {
    Memory,
    Sqlite,
    Servers,
}

impl BackendKind {
    fn from_env() -> Self {
        match std::env::var("HEXABASE_TEST_BACKENDS").as_deref() {
            Err(_) | Ok("memory") => Self::Memory,
            Ok("sqlite") => Self::Sqlite,
            Ok("servers") => Self::Servers,
            Ok(other) => panic!("HEXABASE_TEST_BACKENDS is {other}; it must be memory, sqlite or servers"),
        }
    }
}

/// Creates a store on a new PostgreSQL database, with the server that it needs.
pub async fn postgres() -> (PostgresStore, Postgres) {
    let server = Postgres::shared();
    let database = server.database().await;
    let config = PostgresConfig { connections: 8, ..PostgresConfig::new(server.url_of(&database)) };
    PostgresStore::migrate(&config).await.unwrap();
    (PostgresStore::connect(&config).await.unwrap(), server)
}
