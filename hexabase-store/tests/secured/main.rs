//! Servers that are reached over TLS, and know their clients by keys: each with the right authority and with a wrong
//! one.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod accounts;

use std::time::Duration;

use accounts::Operator;
use hexabase_core::ephemeral::EphemeralStore as _;
use hexabase_core::queue::TaskQueue as _;
use hexabase_core::store::Commit as _;
use hexabase_core::{Error, ErrorKind};
use hexabase_store::{
    NatsQueue, NatsSettings, PostgresSettings, PostgresStore, RedisEphemeral, RedisSettings,
};
use hexabase_test_servers::{Certificates, Nats, Postgres, Redis};

/// The causes of an error, which say more than it does.
fn causes(error: &Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

fn refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let causes = causes(error).to_lowercase();
    assert!(causes.contains("certificate") || causes.contains("unknownissuer"), "{causes}");
}

#[tokio::test]
async fn postgresql_is_reached_over_tls_by_whoever_knows_its_authority() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Postgres::with_tls(&certificates);
    let database = server.database().await;
    let trusting = |authority: &Certificates| {
        let authority = authority.authority();
        let url =
            format!("{}?sslmode=verify-full&sslrootcert={}", server.url_of(&database), authority.display());
        PostgresSettings { connections: 2, ..PostgresSettings::new(url) }
    };
    PostgresStore::migrate(&trusting(&certificates)).await.unwrap();
    let store = PostgresStore::connect(&trusting(&certificates)).await.unwrap();
    store.ping().await.unwrap();
    refused(&PostgresStore::connect(&trusting(&others)).await.unwrap_err());
}

#[tokio::test]
async fn redis_is_reached_over_tls_by_whoever_knows_its_authority() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Redis::with_tls(&certificates);
    let trusting = |authority: &Certificates| RedisSettings {
        authority: Some(std::fs::read(authority.authority()).unwrap()),
        timeout: Duration::from_secs(10),
        ..RedisSettings::new([server.url()])
    };
    let store = RedisEphemeral::connect(&trusting(&certificates)).await.unwrap();
    store.put("a", b"1", Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.take("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    refused(&RedisEphemeral::connect(&trusting(&others)).await.unwrap_err());
    // The authorities of the system do not know it either.
    refused(
        &RedisEphemeral::connect(&RedisSettings { authority: None, ..trusting(&others) }).await.unwrap_err(),
    );
}

#[tokio::test]
async fn nats_is_reached_over_tls_by_whoever_knows_its_authority() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Nats::with_tls(&certificates);
    let trusting = |authority: &Certificates| NatsSettings {
        authority: Some(authority.authority()),
        ..NatsSettings::new(server.url())
    };
    let queue = NatsQueue::connect(trusting(&certificates)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
    refused(&NatsQueue::connect(trusting(&others)).await.unwrap_err());
}

#[tokio::test]
async fn nats_knows_its_users_by_their_credentials() {
    let (operator, other) = (Operator::new(), Operator::new());
    let server = Nats::start(&["--config", &operator.configuration().display().to_string()]);
    let with = |operator: &Operator| NatsSettings {
        credentials: Some(operator.credentials()),
        ..NatsSettings::new(server.url())
    };
    let queue = NatsQueue::connect(with(&operator)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
    let strangers = [with(&other), NatsSettings::new(server.url())];
    for settings in strangers {
        let error = NatsQueue::connect(settings).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(causes(&error).to_lowercase().contains("authorization"), "{}", causes(&error));
    }
    let missing =
        NatsSettings { credentials: Some("missing.creds".into()), ..NatsSettings::new(server.url()) };
    assert_eq!(NatsQueue::connect(missing).await.unwrap_err().kind(), ErrorKind::Invalid);
}
