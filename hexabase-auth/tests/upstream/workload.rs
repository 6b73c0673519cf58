//! A system that vouches for its programs, as GitHub Actions does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hexabase_auth::issuer::WorkloadIdentities as _;
use hexabase_auth::upstream::{TrustedIssuers, WorkloadTrust};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::id;
use hexabase_core::id::UserId;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::misbehaving::Key;

const US: &str = "https://hexabase.example";

struct Forge {
    server: MockServer,
    clock: Arc<ManualClock>,
    key: Key,
    trusted: Arc<TrustedIssuers>,
}

fn trust(issuer: String, account: &str, claims: &[(&str, &[&str])]) -> WorkloadTrust {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    WorkloadTrust {
        name: account.to_owned(),
        issuer,
        audience: US.to_owned(),
        claims: claims.iter().map(|(name, all)| ((*name).to_owned(), values(all))).collect(),
        service_account: id(account),
        certificate_authority: None,
    }
}

impl Forge {
    async fn new() -> Self {
        let (server, clock) = (MockServer::start().await, Arc::new(ManualClock::default()));
        let trusts = vec![
            trust(server.uri(), "deployer", &[("repository", &["acme/shop"]), ("ref", &["refs/heads/main"])]),
            trust(server.uri(), "tester", &[("repository_id", &["7", "8"])]),
        ];
        let trusted = Arc::new(TrustedIssuers::new(trusts, clock.clone()).unwrap());
        let forge = Self { server, clock, key: Key::new("first"), trusted };
        forge.answers(Duration::ZERO).await;
        forge
    }

    /// Says where its keys are, and nothing about people: nobody signs in with it.
    async fn answers(&self, delay: Duration) {
        let url = self.server.uri();
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        for (place, body) in [
            ("/.well-known/openid-configuration", discovery),
            ("/keys", json!({ "keys": [self.key.public()] })),
        ] {
            let answer = ResponseTemplate::new(200).set_body_json(body).set_delay(delay);
            Mock::given(method("GET")).and(path(place)).respond_with(answer).mount(&self.server).await;
        }
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let now = self.clock.now().as_second();
        let mut header = json!({ "alg": "ES256", "kid": self.key.id, "typ": "JWT" });
        let mut claims = json!({
            "iss": self.server.uri(), "sub": "repo:acme/shop:ref:refs/heads/main", "aud": US,
            "iat": now, "nbf": now, "exp": now + 300,
            "repository": "acme/shop", "ref": "refs/heads/main", "repository_id": "42",
        });
        change(&mut header, &mut claims);
        self.key.sign(&header, &claims)
    }

    async fn stands_for(&self, change: impl FnOnce(&mut Value, &mut Value)) -> Result<UserId> {
        self.trusted.service_account(&self.token(change)).await
    }
}

#[tokio::test]
async fn a_job_is_known_by_what_its_system_says_of_it() {
    let forge = Forge::new().await;
    assert_eq!(forge.stands_for(|_, _| {}).await.unwrap(), id("deployer"));
    let other = forge
        .stands_for(|_, claims| (claims["ref"], claims["repository_id"]) = (json!("refs/tags/1"), json!(8)));
    assert_eq!(other.await.unwrap(), id("tester"), "numbers are compared as they are written");
}

#[tokio::test]
async fn whoever_is_not_named_is_nobody() {
    let forge = Forge::new().await;
    let now = forge.clock.now().as_second();
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header =
        |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    for (what, change) in [
        ("another repository", claim("repository", json!("acme/shop-evil"))),
        ("a repository that looks alike", claim("repository", json!("\u{430}cme/shop"))),
        ("another branch", claim("ref", json!("refs/heads/main2"))),
        ("a list for a text", claim("repository", json!(["acme/shop"]))),
        ("no repository", claim("repository", Value::Null)),
        ("another issuer", claim("iss", json!("https://evil.example"))),
        ("another audience", claim("aud", json!("https://elsewhere.example"))),
        ("an audience besides", claim("aud", json!([US, "https://elsewhere.example"]))),
        ("expired", claim("exp", json!(now - 61))),
        ("not yet valid", claim("nbf", json!(now + 61))),
        ("valid from no time", claim("nbf", json!("soon"))),
        ("no algorithm", header("alg", json!("none"))),
        ("an algorithm that verifiers can sign with", header("alg", json!("HS256"))),
        ("an unknown key", header("kid", json!("unknown"))),
    ] {
        let refused = forge.stands_for(change).await.expect_err(what);
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{what}");
    }
    let stranger = Key::new("first");
    let forged = forge.token(|_, _| {});
    let (text, _) = forged.rsplit_once('.').unwrap();
    let theirs = stranger.sign(
        &json!({ "alg": "ES256", "kid": "first" }),
        &json!({ "iss": forge.server.uri(), "repository_id": "7" }),
    );
    for token in [theirs.as_str(), text, &format!("{text}."), "", "junk", &"x".repeat(17_000)] {
        let refused = forge.trusted.service_account(token).await.expect_err(token);
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{token}");
    }
}

#[tokio::test]
async fn ten_thousand_made_up_keys_keep_nobody_waiting_while_the_issuer_is_away() {
    let forge = Forge::new().await;
    forge.stands_for(|_, _| {}).await.unwrap();
    forge.server.reset().await;
    forge.clock.advance(Duration::from_secs(31));
    for number in 0..10_000 {
        let made_up = forge.stands_for(|header, _| header["kid"] = json!(format!("made-up-{number}"))).await;
        assert_eq!(made_up.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(forge.server.received_requests().await.unwrap().len(), 1, "it was asked about one of them");
    assert!(forge.stands_for(|_, _| {}).await.is_ok(), "what it said before is still good");
}

#[tokio::test]
async fn one_waits_for_an_issuer_that_is_slow_and_the_others_do_not() {
    let forge = Forge::new().await;
    forge.stands_for(|_, _| {}).await.unwrap();
    forge.server.reset().await;
    forge.answers(Duration::from_secs(3_600)).await;
    forge.clock.advance(Duration::from_secs(31));
    let (trusted, made_up) =
        (forge.trusted.clone(), forge.token(|header, _| header["kid"] = json!("made-up")));
    let first = tokio::spawn(async move { trusted.service_account(&made_up).await });
    while forge.server.received_requests().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert!(forge.stands_for(|header, _| header["kid"] = json!("made-up")).await.is_err());
        assert!(forge.stands_for(|_, _| {}).await.is_ok());
    }
    assert!(!first.is_finished(), "it is still asking");
    first.abort();
}

#[test]
fn a_trust_in_everybody_is_none() {
    for claims in [BTreeMap::new(), BTreeMap::from([("repository".to_owned(), Vec::new())])] {
        let everybody = WorkloadTrust { claims, ..trust("https://ci.example".to_owned(), "robot", &[]) };
        let refused = TrustedIssuers::new(vec![everybody], Arc::new(ManualClock::default())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
}
