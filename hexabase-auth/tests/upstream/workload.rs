//! Workload tokens of a CI system, modelled on GitHub Actions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hexabase_auth::issuer::WorkloadIdentities as _;
use hexabase_auth::upstream::{TrustedIssuers, WorkloadTrust};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::fixture::id;
use hexabase_core::id::UserId;
use hexabase_core::model::{Scope, Scopes};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::mock_provider::TestKey;

const AUDIENCE: &str = "https://hexabase.example";

/// Mock issuer of workload tokens, and the trusted issuers under test.
struct CiIssuer {
    server: MockServer,
    clock: Arc<ManualClock>,
    key: TestKey,
    trusted: Arc<TrustedIssuers>,
}

fn trust(issuer: String, account: &str, claims: &[(&str, &[&str])]) -> WorkloadTrust {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    WorkloadTrust {
        name: account.to_owned(),
        issuer,
        audience: AUDIENCE.to_owned(),
        claims: claims.iter().map(|(name, all)| ((*name).to_owned(), values(all))).collect(),
        service_account: id(account),
        api_scopes: Scopes::default(),
        certificate_authority: None,
    }
}

impl CiIssuer {
    async fn new() -> Self {
        let (server, clock) = (MockServer::start().await, Arc::new(ManualClock::default()));
        let trusts = vec![
            trust(server.uri(), "deployer", &[("repository", &["acme/shop"]), ("ref", &["refs/heads/main"])]),
            trust(server.uri(), "tester", &[("repository_id", &["7", "8"])]),
        ];
        let trusted = Arc::new(TrustedIssuers::new(trusts, clock.clone()).unwrap());
        let ci = Self { server, clock, key: TestKey::new("first"), trusted };
        ci.publish_metadata(Duration::ZERO).await;
        ci
    }

    /// Publishes the key set; the discovery document has no sign-in endpoints.
    async fn publish_metadata(&self, delay: Duration) {
        let url = self.server.uri();
        let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
        for (url_path, body) in [
            ("/.well-known/openid-configuration", discovery),
            ("/keys", json!({ "keys": [self.key.public()] })),
        ] {
            let response = ResponseTemplate::new(200).set_body_json(body).set_delay(delay);
            Mock::given(method("GET")).and(path(url_path)).respond_with(response).mount(&self.server).await;
        }
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let now = self.clock.now().as_second();
        let mut header = json!({ "alg": "ES256", "kid": self.key.id, "typ": "JWT" });
        let mut claims = json!({
            "iss": self.server.uri(), "sub": "repo:acme/shop:ref:refs/heads/main", "aud": AUDIENCE,
            "iat": now, "nbf": now, "exp": now + 300,
            "repository": "acme/shop", "ref": "refs/heads/main", "repository_id": "42",
        });
        change(&mut header, &mut claims);
        self.key.sign(&header, &claims)
    }

    async fn service_account_of(&self, change: impl FnOnce(&mut Value, &mut Value)) -> Result<UserId> {
        let identity = self.trusted.identify(&self.token(change)).await?;
        assert!(identity.api_scopes.is_empty(), "access to clusters only unless the trust says more");
        Ok(identity.service_account)
    }
}

#[tokio::test]
async fn a_job_is_identified_by_the_claims_of_its_token() {
    let ci = CiIssuer::new().await;
    assert_eq!(ci.service_account_of(|_, _| {}).await.unwrap(), id("deployer"));
    let other = ci.service_account_of(|_, claims| {
        (claims["ref"], claims["repository_id"]) = (json!("refs/tags/1"), json!(8))
    });
    assert_eq!(other.await.unwrap(), id("tester"), "numbers are compared by their text");
}

#[tokio::test]
async fn a_job_has_the_scopes_of_its_trust_in_the_api() {
    let ci = CiIssuer::new().await;
    let scopes = Scopes::from_iter([Scope::WorkspacesWrite]);
    let trust = WorkloadTrust {
        api_scopes: scopes.clone(),
        ..trust(ci.server.uri(), "deployer", &[("repository", &["acme/shop"])])
    };
    let trusted = TrustedIssuers::new(vec![trust], ci.clock.clone()).unwrap();
    let identity = trusted.identify(&ci.token(|_, _| {})).await.unwrap();
    assert_eq!((identity.service_account, identity.api_scopes), (id("deployer"), scopes));
    assert_eq!(identity.workload.trust, "deployer");
    assert_eq!(identity.workload.subject.as_deref(), Some("repo:acme/shop:ref:refs/heads/main"));
}

#[tokio::test]
async fn tokens_that_match_no_trust_are_rejected() {
    let ci = CiIssuer::new().await;
    let now = ci.clock.now().as_second();
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header =
        |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    for (case, change) in [
        ("another repository", claim("repository", json!("acme/shop-evil"))),
        ("a confusable repository name", claim("repository", json!("\u{430}cme/shop"))),
        ("another branch", claim("ref", json!("refs/heads/main2"))),
        ("a list instead of a text", claim("repository", json!(["acme/shop"]))),
        ("no repository", claim("repository", Value::Null)),
        ("another issuer", claim("iss", json!("https://evil.example"))),
        ("another audience", claim("aud", json!("https://elsewhere.example"))),
        ("an additional audience", claim("aud", json!([AUDIENCE, "https://elsewhere.example"]))),
        ("expired", claim("exp", json!(now - 61))),
        ("not yet valid", claim("nbf", json!(now + 61))),
        ("an invalid not-before time", claim("nbf", json!("soon"))),
        ("no algorithm", header("alg", json!("none"))),
        ("a symmetric algorithm", header("alg", json!("HS256"))),
        ("an unknown key", header("kid", json!("unknown"))),
    ] {
        let error = ci.service_account_of(change).await.expect_err(case);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{case}");
    }
    let foreign_key = TestKey::new("first");
    let forged = ci.token(|_, _| {});
    let (text, _) = forged.rsplit_once('.').unwrap();
    let foreign = foreign_key.sign(
        &json!({ "alg": "ES256", "kid": "first" }),
        &json!({ "iss": ci.server.uri(), "repository_id": "7" }),
    );
    for token in [foreign.as_str(), text, &format!("{text}."), "", "junk", &"x".repeat(17_000)] {
        let error = ci.trusted.identify(token).await.expect_err(token);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{token}");
    }
}

#[tokio::test]
async fn unknown_key_ids_cause_one_request_while_the_issuer_is_unavailable() {
    let ci = CiIssuer::new().await;
    ci.service_account_of(|_, _| {}).await.unwrap();
    ci.server.reset().await;
    ci.clock.advance(Duration::from_secs(31));
    for number in 0..10_000 {
        let made_up =
            ci.service_account_of(|header, _| header["kid"] = json!(format!("made-up-{number}"))).await;
        assert_eq!(made_up.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(ci.server.received_requests().await.unwrap().len(), 1, "one fetch for all unknown keys");
    assert!(ci.service_account_of(|_, _| {}).await.is_ok(), "the cached keys are still used");
}

#[tokio::test]
async fn a_slow_issuer_delays_one_request_only() {
    let ci = CiIssuer::new().await;
    ci.service_account_of(|_, _| {}).await.unwrap();
    ci.server.reset().await;
    ci.publish_metadata(Duration::from_secs(3_600)).await;
    ci.clock.advance(Duration::from_secs(31));
    let (trusted, made_up) = (ci.trusted.clone(), ci.token(|header, _| header["kid"] = json!("made-up")));
    let first = tokio::spawn(async move { trusted.identify(&made_up).await });
    while ci.server.received_requests().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert!(ci.service_account_of(|header, _| header["kid"] = json!("made-up")).await.is_err());
        assert!(ci.service_account_of(|_, _| {}).await.is_ok());
    }
    assert!(!first.is_finished(), "the first request still waits for the issuer");
    first.abort();
}

#[test]
fn a_trust_without_claims_is_rejected() {
    for claims in [BTreeMap::new(), BTreeMap::from([("repository".to_owned(), Vec::new())])] {
        let unrestricted = WorkloadTrust { claims, ..trust("https://ci.example".to_owned(), "robot", &[]) };
        let error = TrustedIssuers::new(vec![unrestricted], Arc::new(ManualClock::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
}
