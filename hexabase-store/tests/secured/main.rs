//! Servers that require TLS or client credentials: each with the right certificate authority and a wrong one.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod accounts;

use std::time::Duration;

use accounts::Operator;
use hexabase_core::ephemeral::EphemeralStore as _;
use hexabase_core::queue::TaskQueue as _;
use hexabase_core::store::Commit as _;
use hexabase_core::{Error, ErrorKind};
use hexabase_store::{NatsConfig, NatsQueue, PostgresConfig, PostgresStore, RedisConfig, RedisEphemeral};
use hexabase_test_servers::{Certificates, Nats, Postgres, Redis};

/// Returns the causes of an error, which have more detail than the error.
fn causes(error: &Error) -> String {
    let mut texts = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

fn assert_certificate_rejected(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let causes = causes(error).to_lowercase();
    assert!(causes.contains("certificate") || causes.contains("unknownissuer"), "{causes}");
}

#[tokio::test]
async fn postgresql_over_tls_requires_its_certificate_authority() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Postgres::with_tls(&certificates);
    let database = server.database().await;
    let trusting = |authority: &Certificates| {
        let authority = authority.authority();
        let url =
            format!("{}?sslmode=verify-full&sslrootcert={}", server.url_of(&database), authority.display());
        PostgresConfig { connections: 2, ..PostgresConfig::new(url) }
    };
    PostgresStore::migrate(&trusting(&certificates)).await.unwrap();
    let store = PostgresStore::connect(&trusting(&certificates)).await.unwrap();
    store.ping().await.unwrap();
    assert_certificate_rejected(&PostgresStore::connect(&trusting(&others)).await.unwrap_err());
}

#[tokio::test]
async fn redis_over_tls_requires_its_certificate_authority() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Redis::with_tls(&certificates);
    let trusting = |authority: &Certificates| RedisConfig {
        authority: Some(std::fs::read(authority.authority()).unwrap()),
        timeout: Duration::from_secs(10),
        ..RedisConfig::new([server.url()])
    };
    let store = RedisEphemeral::connect(&trusting(&certificates)).await.unwrap();
    store.put("a", b"1", Duration::from_secs(60)).await.unwrap();
    assert_eq!(store.take("a").await.unwrap().as_deref(), Some(&b"1"[..]));
    assert_certificate_rejected(&RedisEphemeral::connect(&trusting(&others)).await.unwrap_err());
    // The authorities of the system do not include it either.
    assert_certificate_rejected(
        &RedisEphemeral::connect(&RedisConfig { authority: None, ..trusting(&others) }).await.unwrap_err(),
    );
}

#[tokio::test]
async fn nats_over_tls_requires_its_certificate_authority() {
    let (certificates, others) = (Certificates::new(), Certificates::new());
    let server = Nats::with_tls(&certificates);
    let trusting = |authority: &Certificates| NatsConfig {
        authority: Some(authority.authority()),
        ..NatsConfig::new(server.url())
    };
    let queue = NatsQueue::connect(trusting(&certificates)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
    assert_certificate_rejected(&NatsQueue::connect(trusting(&others)).await.unwrap_err());
}

#[tokio::test]
async fn nats_authenticates_users_by_their_credentials() {
    let (operator, other) = (Operator::new(), Operator::new());
    let server = Nats::start(&["--config", &operator.configuration().display().to_string()]);
    let with = |operator: &Operator| NatsConfig {
        credentials: Some(operator.credentials()),
        ..NatsConfig::new(server.url())
    };
    let queue = NatsQueue::connect(with(&operator)).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), 0);
    let rejected = [with(&other), NatsConfig::new(server.url())];
    for config in rejected {
        let error = NatsQueue::connect(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(causes(&error).to_lowercase().contains("authorization"), "{}", causes(&error));
    }
    let missing = NatsConfig { credentials: Some("missing.creds".into()), ..NatsConfig::new(server.url()) };
    assert_eq!(NatsQueue::connect(missing).await.unwrap_err().kind(), ErrorKind::Invalid);
}
