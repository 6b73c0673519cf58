//! A provider that signs whatever it is told to, and one that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_auth::upstream::{OidcProvider, OidcSettings, VerifiedBy};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider as _};
use hexabase_core::name::ProviderName;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub(crate) struct Key {
    pub(crate) id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    pub(crate) fn new(id: &'static str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self { id, pair: EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap() }
    }

    pub(crate) fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": self.id })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A provider that hands out what it is told to.
struct Puppet {
    server: MockServer,
    clock: Arc<ManualClock>,
    key: Key,
    provider: OidcProvider,
}

impl Puppet {
    async fn new() -> Self {
        Self::verified_by(VerifiedBy::EmailVerified).await
    }

    async fn verified_by(verified_by: VerifiedBy) -> Self {
        let (server, clock) = (MockServer::start().await, Arc::new(ManualClock::default()));
        let name = ProviderName::parse("puppet").unwrap();
        let settings = OidcSettings { verified_by, ..OidcSettings::new(name, server.uri(), "hexabase") };
        let provider = OidcProvider::new(settings, clock.clone()).unwrap();
        let puppet = Self { server, clock, key: Key::new("first"), provider };
        puppet.shows(&[&puppet.key]).await;
        puppet
    }

    /// Describes itself, with these keys.
    async fn shows(&self, keys: &[&Key]) {
        self.server.reset().await;
        let url = self.server.uri();
        let discovery = json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        });
        self.answers("GET", "/.well-known/openid-configuration", discovery).await;
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        self.answers("GET", "/keys", json!({ "keys": keys })).await;
    }

    async fn answers(&self, verb: &str, place: &str, body: Value) {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method(verb))
            .and(path(place))
            .respond_with(answer)
            .with_priority(1)
            .mount(&self.server)
            .await;
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().as_second();
        json!({
            "iss": self.server.uri(), "sub": "1", "aud": "hexabase", "nonce": "nonce", "iat": now, "exp": now + 300,
            "email": "ann@example.com", "email_verified": true,
        })
    }

    /// What comes of signing in when it answers with a token.
    async fn sign_in(&self, token: &str) -> Result<ExternalIdentity> {
        let mock = Mock::given(method("POST")).and(path("/token")).respond_with(
            ResponseTemplate::new(200).set_body_json(
                json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": token }),
            ),
        );
        let _only_now = mock.mount_as_scoped(&self.server).await;
        let exchange = CodeExchange {
            code: "code".to_owned().into(),
            redirect_uri: "https://hexabase.example/auth/callback/puppet".to_owned(),
            nonce: "nonce".to_owned(),
            code_verifier: "verifier".to_owned().into(),
            issuer: None,
        };
        self.provider.exchange(&exchange).await
    }

    async fn sign_in_with(&self, change: impl FnOnce(&mut Value, &mut Value)) -> Result<ExternalIdentity> {
        let mut header = json!({ "alg": "ES256", "kid": self.key.id });
        let mut claims = self.claims();
        change(&mut header, &mut claims);
        self.sign_in(&self.key.sign(&header, &claims)).await
    }

    async fn times_asked(&self) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/keys").count()
    }
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: "https://hexabase.example/auth/callback/puppet".to_owned(),
        state: "state".to_owned(),
        nonce: "nonce".to_owned(),
        code_challenge: "challenge".to_owned(),
        login_hint: Some("ann@example.com".to_owned()),
        reauthenticate: true,
    }
}

#[tokio::test]
async fn a_token_as_it_should_be_signs_in() {
    let puppet = Puppet::new().await;
    let who = puppet.sign_in_with(|_, _| {}).await.unwrap();
    assert_eq!(who.verified_email.unwrap().as_str(), "ann@example.com");
}

#[tokio::test]
async fn whoever_is_expected_and_that_they_must_prove_it_anew_is_passed_on() {
    let url = Puppet::new().await.provider.authorization_url(&request()).await.unwrap();
    assert!(url.contains("login_hint=ann%40example.com&prompt=login&max_age=0"), "{url}");
}

#[tokio::test]
async fn hostile_tokens_are_refused() {
    let puppet = Puppet::new().await;
    let now = puppet.clock.now().as_second();
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header =
        |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    let hostile = [
        ("another issuer", claim("iss", json!("https://evil.example"))),
        ("another audience", claim("aud", json!("somebody-else"))),
        ("an audience besides", claim("aud", json!(["hexabase", "somebody-else"]))),
        ("another nonce", claim("nonce", json!("another"))),
        ("no nonce", claim("nonce", Value::Null)),
        ("expired", claim("exp", json!(now - 61))),
        ("issued later than now", claim("iat", json!(now + 61))),
        ("no algorithm", header("alg", json!("none"))),
        ("an algorithm that verifiers can sign with", header("alg", json!("HS256"))),
        ("an algorithm of another kind of key", header("alg", json!("RS256"))),
        ("an unknown key", header("kid", json!("unknown"))),
        ("an extension that must be understood", header("crit", json!(["exp"]))),
    ];
    for (what, change) in hostile {
        let refused = puppet.sign_in_with(change).await.expect_err(what);
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{what}");
    }
    let good = puppet.key.sign(&json!({ "alg": "ES256", "kid": "first" }), &puppet.claims());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let stripped = format!("{text}.");
    let forged = Key::new("first").sign(&json!({ "alg": "ES256", "kid": "first" }), &puppet.claims());
    let unsigned =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), text.split('.').nth(1).unwrap());
    let changed = format!("{}x.{signature}", text);
    for token in [stripped, forged, unsigned, changed, "junk".to_owned(), String::new()] {
        let refused = puppet.sign_in(&token).await.expect_err(&token);
        assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{token}");
    }
}

#[tokio::test]
async fn a_key_that_a_token_brings_along_is_not_looked_at() {
    let puppet = Puppet::new().await;
    let stranger = Key::new("stranger");
    let evil = format!("{}/evil-keys", puppet.server.uri());
    puppet.answers("GET", "/evil-keys", json!({ "keys": [stranger.public()] })).await;
    for (name, value) in [("jku", json!(evil)), ("x5u", json!(evil)), ("jwk", stranger.public())] {
        let header = json!({ "alg": "ES256", "kid": "stranger", name: value });
        let token = stranger.sign(&header, &puppet.claims());
        assert_eq!(puppet.sign_in(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{name}");
    }
    let asked = puppet.server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.url.path() != "/evil-keys"));
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute() {
    let puppet = Puppet::new().await;
    let now = puppet.clock.now().as_second();
    assert!(puppet.sign_in_with(|_, claims| claims["exp"] = json!(now - 59)).await.is_ok());
    assert!(puppet.sign_in_with(|_, claims| claims["iat"] = json!(now + 60)).await.is_ok());
}

#[tokio::test]
async fn a_new_key_is_learned_when_it_is_first_met() {
    let puppet = Puppet::new().await;
    puppet.sign_in_with(|_, _| {}).await.unwrap();
    let second = Key::new("second");
    puppet.shows(&[&puppet.key, &second]).await;
    puppet.clock.advance(Duration::from_secs(31));
    let token = second.sign(&json!({ "alg": "ES256", "kid": "second" }), &puppet.claims());
    assert!(puppet.sign_in(&token).await.is_ok());
}

#[tokio::test]
async fn made_up_keys_are_not_asked_for_all_the_time() {
    let puppet = Puppet::new().await;
    puppet.sign_in_with(|_, _| {}).await.unwrap();
    for number in 0..200 {
        let refused =
            puppet.sign_in_with(|header, _| header["kid"] = json!(format!("made-up-{number}"))).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(puppet.times_asked().await, 1);
    puppet.clock.advance(Duration::from_secs(31));
    for _ in 0..200 {
        puppet.sign_in_with(|header, _| header["kid"] = json!("made-up")).await.unwrap_err();
    }
    assert_eq!(puppet.times_asked().await, 2);
}

#[tokio::test]
async fn what_a_provider_said_outlives_its_absence_for_a_day() {
    let puppet = Puppet::new().await;
    assert!(puppet.provider.authorization_url(&request()).await.is_ok());
    puppet.server.reset().await;
    puppet.clock.advance(Duration::from_secs(23 * 3_600));
    assert!(puppet.provider.authorization_url(&request()).await.is_ok());
    puppet.clock.advance(Duration::from_secs(2 * 3_600));
    let error = puppet.provider.authorization_url(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_provider_that_never_answered_is_not_asked_by_everybody() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = MockServer::start().await;
    let counting = {
        let asked = asked.clone();
        move |_: &wiremock::Request| {
            asked.fetch_add(1, Ordering::Relaxed);
            ResponseTemplate::new(503)
        }
    };
    Mock::given(method("GET")).respond_with(counting).mount(&server).await;
    let settings = OidcSettings::new(ProviderName::parse("away").unwrap(), server.uri(), "hexabase");
    let provider = OidcProvider::new(settings, Arc::new(ManualClock::default())).unwrap();
    for _ in 0..100 {
        let error = provider.authorization_url(&request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn microsoft_vouches_for_addresses_in_its_own_way() {
    let puppet = Puppet::verified_by(VerifiedBy::XmsEdov).await;
    let address = async |change: fn(&mut Value)| {
        let who = puppet.sign_in_with(|_, claims| change(claims)).await.unwrap();
        who.verified_email.map(|email| email.to_string())
    };
    assert_eq!(address(|_| {}).await, None, "what `email_verified` says there is no proof");
    assert_eq!(address(|claims| claims["xms_edov"] = json!(false)).await, None);
    let vouched = Some("ann@example.com".to_owned());
    assert_eq!(address(|claims| claims["xms_edov"] = json!(true)).await, vouched);
    assert_eq!(address(|claims| claims["xms_edov"] = json!("1")).await, vouched);
}

#[tokio::test]
async fn an_address_that_looks_like_anothers_is_nobodys() {
    let puppet = Puppet::new().await;
    let address = async |address: &'static str| {
        let who = puppet.sign_in_with(|_, claims| claims["email"] = json!(address)).await.unwrap();
        who.verified_email.map(|email| email.to_string())
    };
    for alike in [
        // Cyrillic letters, fullwidth ones, one that cannot be seen, another full stop.
        "\u{430}nn@example.com",
        "ann@ex\u{430}mple.com",
        "\u{ff41}nn@example.com",
        "ann@example.com\u{200b}",
        "ann@example\u{3002}com",
        "ann@example.com\0",
        "Ann <ann@example.com>",
        "ann@example.com,eve@evil.example",
        "ann@example.com@evil.example",
        "\"ann@example.com\"@evil.example",
        "ann @example.com",
    ] {
        assert_eq!(address(alike).await, None, "{alike}");
    }
    assert_eq!(address("Ann@Example.COM").await.as_deref(), Some("ann@example.com"));
}

#[tokio::test]
async fn what_a_provider_says_of_groups_counts_for_nothing() {
    let puppet = Puppet::new().await;
    let plain = puppet.sign_in_with(|_, _| {}).await.unwrap();
    let masters = puppet.sign_in_with(|_, claims| {
        claims["groups"] = json!(["system:masters"]);
        claims["name"] = json!("system:masters");
        claims["preferred_username"] = json!("system:admin");
    });
    let masters = masters.await.unwrap();
    assert_eq!((masters.subject, masters.verified_email), (plain.subject, plain.verified_email));
}
