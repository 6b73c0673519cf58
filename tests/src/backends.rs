//! What the tests of the whole run on.

use std::any::Any;
use std::sync::Arc;

use hexabase_core::platform::PlatformBuilder;
use hexabase_store::{
    NatsQueue, NatsSettings, PostgresSettings, PostgresStore, RedisEphemeral, RedisSettings, SqliteStore,
};
use hexabase_test_servers::{Nats, Postgres, Redis, unique};

/// Whatever has to stay as long as backends are used.
pub(crate) type Kept = Box<dyn Any + Send + Sync>;

/// Gives a platform the backends that `HEXABASE_TEST_BACKENDS` names: `memory`, which is what there is without it,
/// `sqlite`, or `servers` for PostgreSQL, Redis and NATS.
pub(crate) async fn furnish(builder: PlatformBuilder) -> (PlatformBuilder, Kept) {
    match std::env::var("HEXABASE_TEST_BACKENDS").as_deref() {
        Err(_) | Ok("memory") => (builder, Box::new(())),
        Ok("sqlite") => {
            let directory = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&directory.path().join("test.db")).await.unwrap();
            (builder.with_store(Arc::new(store)), Box::new(directory))
        }
        Ok("servers") => {
            let (store, postgres) = postgres().await;
            let (redis, nats) = (Redis::shared(), Nats::shared());
            let settings = RedisSettings { prefix: unique("test"), ..RedisSettings::new([redis.url()]) };
            let ephemeral = RedisEphemeral::connect(&settings).await.unwrap();
            let settings = NatsSettings { stream: unique("TEST"), ..NatsSettings::new(nats.url()) };
            let queue = NatsQueue::connect(settings).await.unwrap();
            let builder = builder
                .with_store(Arc::new(store))
                .with_ephemeral(Arc::new(ephemeral))
                .with_queue(Arc::new(queue));
            (builder, Box::new((postgres, redis, nats)))
        }
        Ok(other) => panic!("HEXABASE_TEST_BACKENDS is {other}, and must be memory, sqlite or servers"),
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
