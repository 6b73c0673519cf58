//! Mock OpenID Connect provider that signs arbitrary tokens, and providers that are unavailable.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_auth::upstream::{OidcConfig, OidcProvider, VerifiedBy};
use hexabase_core::clock::{Clock as _, ManualClock};
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider as _};
use hexabase_core::name::ProviderName;
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Signing key of a mock issuer.
pub(crate) struct TestKey {
    pub(crate) id: &'static str,
    pair: EcdsaKeyPair,
}

impl TestKey {
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

/// Mock OpenID Connect provider, and the client of it under test.
pub(crate) struct MockProvider {
    pub(crate) server: MockServer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) key: TestKey,
    pub(crate) provider: Arc<OidcProvider>,
}

impl MockProvider {
    pub(crate) async fn new() -> Self {
        Self::with_verified_by(VerifiedBy::EmailVerified).await
    }

    async fn with_verified_by(verified_by: VerifiedBy) -> Self {
        let (server, clock) = (MockServer::start().await, Arc::new(ManualClock::default()));
        let name = ProviderName::parse("mock").unwrap();
        let config = OidcConfig { verified_by, ..OidcConfig::new(name, server.uri(), "hexabase") };
        let provider = Arc::new(OidcProvider::new(config, clock.clone()).unwrap());
        let mock = Self { server, clock, key: TestKey::new("first"), provider };
        mock.publish_keys(&[&mock.key]).await;
        mock
    }

    /// Publishes a discovery document and these keys.
    async fn publish_keys(&self, keys: &[&TestKey]) {
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
        self.respond_with_json("GET", "/.well-known/openid-configuration", discovery).await;
        let keys: Vec<Value> = keys.iter().map(|key| key.public()).collect();
        self.respond_with_json("GET", "/keys", json!({ "keys": keys })).await;
    }

    async fn respond_with_json(&self, http_method: &str, url_path: &str, body: Value) {
        let response = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method(http_method))
            .and(path(url_path))
            .respond_with(response)
            .with_priority(1)
            .mount(&self.server)
            .await;
    }

    pub(crate) fn claims(&self) -> Value {
        let now = self.clock.now().as_second();
        json!({
            "iss": self.server.uri(), "sub": "1", "aud": "hexabase", "nonce": "nonce", "iat": now, "exp": now + 300,
            "email": "ann@example.com", "email_verified": true,
        })
    }

    /// Signs in with this ID token in the token response.
    async fn sign_in(&self, token: &str) -> Result<ExternalIdentity> {
        let mock = Mock::given(method("POST")).and(path("/token")).respond_with(
            ResponseTemplate::new(200).set_body_json(
                json!({ "access_token": "opaque", "token_type": "Bearer", "id_token": token }),
            ),
        );
        let _mounted = mock.mount_as_scoped(&self.server).await;
        let exchange = CodeExchange {
            code: "code".to_owned().into(),
            redirect_uri: "https://hexabase.example/auth/callback/mock".to_owned(),
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

    async fn key_set_requests(&self) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == "/keys").count()
    }
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: "https://hexabase.example/auth/callback/mock".to_owned(),
        state: "state".to_owned(),
        nonce: "nonce".to_owned(),
        code_challenge: "challenge".to_owned(),
        login_hint: Some("ann@example.com".to_owned()),
        reauthenticate: true,
    }
}

#[tokio::test]
async fn a_valid_token_signs_the_user_in() {
    let mock = MockProvider::new().await;
    let identity = mock.sign_in_with(|_, _| {}).await.unwrap();
    assert_eq!(identity.verified_email.unwrap().as_str(), "ann@example.com");
}

#[tokio::test]
async fn the_time_of_the_authentication_is_read() {
    let mock = MockProvider::new().await;
    let now = mock.clock.now();
    let stated = mock.sign_in_with(|_, claims| claims["auth_time"] = json!(now.as_second())).await.unwrap();
    assert_eq!(stated.auth_time.map(|time| time.as_second()), Some(now.as_second()));
    assert_eq!(mock.sign_in_with(|_, _| {}).await.unwrap().auth_time, None);
}

#[tokio::test]
async fn login_hint_and_reauthentication_are_passed_to_the_provider() {
    let url = MockProvider::new().await.provider.authorization_url(&request()).await.unwrap();
    assert!(url.contains("login_hint=ann%40example.com&prompt=login&max_age=0"), "{url}");
}

#[tokio::test]
async fn forged_tokens_are_rejected() {
    let mock = MockProvider::new().await;
    let now = mock.clock.now().as_second();
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim =
        |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header =
        |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    let forged = [
        ("another issuer", claim("iss", json!("https://evil.example"))),
        ("another audience", claim("aud", json!("other-client"))),
        ("an additional audience", claim("aud", json!(["hexabase", "other-client"]))),
        ("another nonce", claim("nonce", json!("another"))),
        ("no nonce", claim("nonce", Value::Null)),
        ("expired", claim("exp", json!(now - 61))),
        ("issued in the future", claim("iat", json!(now + 61))),
        ("no algorithm", header("alg", json!("none"))),
        ("a symmetric algorithm", header("alg", json!("HS256"))),
        ("an algorithm of another key type", header("alg", json!("RS256"))),
        ("an unknown key", header("kid", json!("unknown"))),
        ("a critical header parameter", header("crit", json!(["exp"]))),
    ];
    for (case, change) in forged {
        let error = mock.sign_in_with(change).await.expect_err(case);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{case}");
    }
    let good = mock.key.sign(&json!({ "alg": "ES256", "kid": "first" }), &mock.claims());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let stripped = format!("{text}.");
    let forged = TestKey::new("first").sign(&json!({ "alg": "ES256", "kid": "first" }), &mock.claims());
    let unsigned =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), text.split('.').nth(1).unwrap());
    let changed = format!("{}x.{signature}", text);
    for token in [stripped, forged, unsigned, changed, "junk".to_owned(), String::new()] {
        let error = mock.sign_in(&token).await.expect_err(&token);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{token}");
    }
}

#[tokio::test]
async fn keys_that_a_token_contains_or_references_are_ignored() {
    let mock = MockProvider::new().await;
    let stranger = TestKey::new("stranger");
    let evil = format!("{}/evil-keys", mock.server.uri());
    mock.respond_with_json("GET", "/evil-keys", json!({ "keys": [stranger.public()] })).await;
    for (name, value) in [("jku", json!(evil)), ("x5u", json!(evil)), ("jwk", stranger.public())] {
        let header = json!({ "alg": "ES256", "kid": "stranger", name: value });
        let token = stranger.sign(&header, &mock.claims());
        assert_eq!(mock.sign_in(&token).await.unwrap_err().kind(), ErrorKind::Unauthenticated, "{name}");
    }
    let requests = mock.server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| request.url.path() != "/evil-keys"));
}

#[tokio::test]
async fn one_minute_of_clock_skew_is_tolerated() {
    let mock = MockProvider::new().await;
    let now = mock.clock.now().as_second();
    assert!(mock.sign_in_with(|_, claims| claims["exp"] = json!(now - 59)).await.is_ok());
    assert!(mock.sign_in_with(|_, claims| claims["iat"] = json!(now + 60)).await.is_ok());
}

#[tokio::test]
async fn an_unknown_key_is_fetched() {
    let mock = MockProvider::new().await;
    mock.sign_in_with(|_, _| {}).await.unwrap();
    let second = TestKey::new("second");
    mock.publish_keys(&[&mock.key, &second]).await;
    mock.clock.advance(Duration::from_secs(31));
    let token = second.sign(&json!({ "alg": "ES256", "kid": "second" }), &mock.claims());
    assert!(mock.sign_in(&token).await.is_ok());
}

#[tokio::test]
async fn a_key_that_replaced_another_one_under_its_id_is_fetched() {
    let mock = MockProvider::new().await;
    mock.sign_in_with(|_, _| {}).await.unwrap();
    let replacement = TestKey::new("first");
    mock.publish_keys(&[&replacement]).await;
    mock.clock.advance(Duration::from_secs(31));
    let token = replacement.sign(&json!({ "alg": "ES256", "kid": "first" }), &mock.claims());
    assert!(mock.sign_in(&token).await.is_ok());
}

#[tokio::test]
async fn unknown_key_ids_cause_one_fetch_per_cooldown() {
    let mock = MockProvider::new().await;
    mock.sign_in_with(|_, _| {}).await.unwrap();
    for number in 0..200 {
        let error = mock.sign_in_with(|header, _| header["kid"] = json!(format!("made-up-{number}"))).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unauthenticated);
    }
    assert_eq!(mock.key_set_requests().await, 1);
    mock.clock.advance(Duration::from_secs(31));
    for _ in 0..200 {
        mock.sign_in_with(|header, _| header["kid"] = json!("made-up")).await.unwrap_err();
    }
    assert_eq!(mock.key_set_requests().await, 2);
}

#[tokio::test]
async fn metadata_is_used_for_a_day_while_the_provider_is_unavailable() {
    let mock = MockProvider::new().await;
    assert!(mock.provider.authorization_url(&request()).await.is_ok());
    mock.server.reset().await;
    mock.clock.advance(Duration::from_secs(23 * 3_600));
    assert!(mock.provider.authorization_url(&request()).await.is_ok());
    mock.clock.advance(Duration::from_secs(2 * 3_600));
    let error = mock.provider.authorization_url(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_unavailable_provider_is_requested_once_per_cooldown() {
    let requests = Arc::new(AtomicUsize::new(0));
    let server = MockServer::start().await;
    let counting = {
        let requests = requests.clone();
        move |_: &wiremock::Request| {
            requests.fetch_add(1, Ordering::Relaxed);
            ResponseTemplate::new(503)
        }
    };
    Mock::given(method("GET")).respond_with(counting).mount(&server).await;
    let config = OidcConfig::new(ProviderName::parse("away").unwrap(), server.uri(), "hexabase");
    let provider = OidcProvider::new(config, Arc::new(ManualClock::default())).unwrap();
    for _ in 0..100 {
        let error = provider.authorization_url(&request()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(format!("{error:?}").contains("503"), "the cause is known during the cooldown: {error:?}");
    }
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn microsoft_addresses_are_verified_by_xms_edov_only() {
    let mock = MockProvider::with_verified_by(VerifiedBy::XmsEdov).await;
    let address = async |change: fn(&mut Value)| {
        let identity = mock.sign_in_with(|_, claims| change(claims)).await.unwrap();
        identity.verified_email.map(|email| email.to_string())
    };
    assert_eq!(address(|_| {}).await, None, "`email_verified` is not evidence");
    assert_eq!(address(|claims| claims["xms_edov"] = json!(false)).await, None);
    let verified = Some("ann@example.com".to_owned());
    assert_eq!(address(|claims| claims["xms_edov"] = json!(true)).await, verified);
    assert_eq!(address(|claims| claims["xms_edov"] = json!("1")).await, verified);
}

#[tokio::test]
async fn confusable_addresses_are_rejected() {
    let mock = MockProvider::new().await;
    let address = async |address: &'static str| {
        let identity = mock.sign_in_with(|_, claims| claims["email"] = json!(address)).await.unwrap();
        identity.verified_email.map(|email| email.to_string())
    };
    for lookalike in [
        // Cyrillic letters, fullwidth letters, an invisible character, another full stop.
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
        assert_eq!(address(lookalike).await, None, "{lookalike}");
    }
    assert_eq!(address("Ann@Example.COM").await.as_deref(), Some("ann@example.com"));
}

#[tokio::test]
async fn group_claims_of_a_provider_are_ignored() {
    let mock = MockProvider::new().await;
    let plain = mock.sign_in_with(|_, _| {}).await.unwrap();
    let privileged = mock.sign_in_with(|_, claims| {
        claims["groups"] = json!(["system:masters"]);
        claims["name"] = json!("system:masters");
        claims["preferred_username"] = json!("system:admin");
    });
    let privileged = privileged.await.unwrap();
    assert_eq!((privileged.subject, privileged.verified_email), (plain.subject, plain.verified_email));
}
