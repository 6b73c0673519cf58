//! Causes of failed sign-ins: a table of failures, each of which leaves one line in the log, within the span of its
//! request, that names the cause. The error, which the person sees, does not name it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use hexabase_auth::{Auth, AuthConfig, LoginCallback, LoginRequest};
use hexabase_core::clock::Clock as _;
use hexabase_core::error::Error;
use hexabase_core::model::Origin;
use hexabase_core::seal::MasterKey;
use hexabase_core::store::MemoryStore;
use hexabase_core::{ErrorKind, Platform, fixture};
use serde_json::{Value, json};
use tracing::Instrument as _;
use url::Url;
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::mock_provider::{MockProvider, TestKey};

/// Log that is kept in memory.
#[derive(Debug, Clone, Default)]
struct MemoryLog(Arc<Mutex<Vec<u8>>>);

impl Write for MemoryLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().map_err(|_| io::Error::other("a writer panicked"))?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MemoryLog {
    /// Returns the lines of failed sign-ins.
    fn failed_sign_ins(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"] == "sign-in failed").collect()
    }
}

/// What a provider, its browser and the clock do after a person has signed in at the provider.
struct Attempt {
    /// Header and claims of the ID token.
    header: Value,
    claims: Value,
    key: TestKey,
    /// Status and body of the token response; the ID token is added unless the body has one.
    status: u16,
    token: Value,
    /// Issuer that the authorization response names.
    issuer: Option<String>,
    /// Cookie of the browser.
    binding: String,
}

/// Environment of one sign-in at a mock provider.
struct SignIn {
    mock: MockProvider,
    auth: Auth,
}

impl SignIn {
    async fn new() -> Self {
        let mock = MockProvider::new().await;
        let platform = Platform::builder("https://hexabase.example")
            .with_clock(mock.clock.clone())
            .with_store(Arc::new(MemoryStore::new()))
            .with_master_key(MasterKey::new([7; 32]))
            .with_plans(vec![fixture::plan("small")])
            .build()
            .unwrap();
        let auth = Auth::new(platform, vec![mock.provider.clone()], AuthConfig::default()).await.unwrap();
        Self { mock, auth }
    }

    /// Signs a person in with a changed attempt.
    async fn run(self, change: impl FnOnce(&mut Attempt)) -> Result<(), Error> {
        let request = LoginRequest { return_to: "/".to_owned(), login_hint: None, reauthenticate: false };
        let started = self.auth.sign_in().start("mock", request).await.unwrap();
        let url = Url::parse(&started.authorization_url).unwrap();
        let parameter =
            |name: &str| url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
        let mut attempt = Attempt {
            header: json!({ "alg": "ES256", "kid": self.mock.key.id }),
            claims: self.mock.claims(),
            key: self.mock.key,
            status: 200,
            token: json!({ "access_token": "opaque", "token_type": "Bearer" }),
            issuer: None,
            binding: started.binding,
        };
        attempt.claims["nonce"] = json!(parameter("nonce"));
        change(&mut attempt);
        if attempt.token.get("id_token").is_none() {
            attempt.token["id_token"] = json!(attempt.key.sign(&attempt.header, &attempt.claims));
        }
        let response = ResponseTemplate::new(attempt.status).set_body_json(attempt.token);
        Mock::given(method("POST")).and(path("/token")).respond_with(response).mount(&self.mock.server).await;
        let callback = LoginCallback {
            state: parameter("state"),
            code: "the secret code".to_owned().into(),
            issuer: attempt.issuer,
        };
        let origin = Origin { address: None, device: String::new(), request_id: String::new() };
        self.auth.sign_in().finish("mock", callback, &attempt.binding, &origin).await.map(drop)
    }
}

/// Runs a sign-in, with this request id, whose log is kept.
async fn logged_sign_in(id: &str, change: impl FnOnce(&mut Attempt)) -> (Result<(), Error>, Vec<Value>) {
    let sign_in = SignIn::new().await;
    let log = MemoryLog::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
    let _subscriber = tracing::subscriber::set_default(subscriber.finish());
    let finished = sign_in.run(change).instrument(tracing::info_span!("request", id)).await;
    (finished, log.failed_sign_ins())
}

#[tokio::test]
async fn the_log_names_the_cause_of_each_failed_sign_in() {
    type Change = Box<dyn FnOnce(&mut Attempt)>;
    let claim = |name: &'static str, value: Value| -> Change {
        Box::new(move |attempt| attempt.claims[name] = value)
    };
    let token = |status: u16, body: Value| -> Change {
        Box::new(move |attempt| (attempt.status, attempt.token) = (status, body))
    };
    let now = hexabase_core::clock::ManualClock::default().now().as_second();
    let rejected = json!({ "error": "invalid_client", "error_description": "client authentication failed" });
    let cases: Vec<(&str, ErrorKind, Change, &str)> = vec![
        (
            "wrong client secret",
            ErrorKind::Unauthenticated,
            token(401, rejected),
            "the token endpoint responded with the error invalid_client: client authentication failed",
        ),
        (
            "used code",
            ErrorKind::Unauthenticated,
            token(400, json!({ "error": "invalid_grant" })),
            "the token endpoint responded with the error invalid_grant",
        ),
        (
            "provider without an ID token",
            ErrorKind::Unauthenticated,
            token(200, json!({ "id_token": null })),
            "the token response has no ID token",
        ),
        (
            "provider down",
            ErrorKind::Unavailable,
            token(503, json!({})),
            "the server responded with status 503",
        ),
        (
            "issuer of the token",
            ErrorKind::Unauthenticated,
            claim("iss", json!("https://evil.example")),
            "the issuer (iss) is another one",
        ),
        (
            "issuer of the authorization response",
            ErrorKind::Unauthenticated,
            Box::new(|attempt| attempt.issuer = Some("https://evil.example".to_owned())),
            "the authorization response is from another issuer",
        ),
        (
            "audience",
            ErrorKind::Unauthenticated,
            claim("aud", json!("other-client")),
            "the audience (aud) does not include this client",
        ),
        (
            "authorized party",
            ErrorKind::Unauthenticated,
            claim("azp", json!("other-client")),
            "the authorized party (azp) is another client",
        ),
        (
            "nonce",
            ErrorKind::Unauthenticated,
            claim("nonce", json!("another")),
            "the nonce is missing or another one",
        ),
        (
            "unreadable subject",
            ErrorKind::Unauthenticated,
            claim("sub", json!({ "id": 1 })),
            "the subject (sub) is missing or not valid",
        ),
        (
            "unreadable expiry",
            ErrorKind::Unauthenticated,
            claim("exp", json!("tomorrow")),
            "the token has no valid time of expiry (exp)",
        ),
        (
            "unreadable time of issue",
            ErrorKind::Unauthenticated,
            claim("iat", json!("today")),
            "the token has no valid time of issue (iat)",
        ),
        (
            "unreadable token",
            ErrorKind::Unauthenticated,
            token(200, json!({ "id_token": "junk" })),
            "the token is not a signed JWT in compact form",
        ),
        (
            "clock behind the provider's",
            ErrorKind::Unauthenticated,
            claim("iat", json!(now + 61)),
            "the token was issued in the future",
        ),
        (
            "clock ahead of the provider's",
            ErrorKind::Unauthenticated,
            claim("exp", json!(now - 61)),
            "the token has expired",
        ),
        (
            "token that is not valid yet",
            ErrorKind::Unauthenticated,
            claim("nbf", json!(now + 61)),
            "the token is not valid yet",
        ),
        (
            "unknown key",
            ErrorKind::Unauthenticated,
            Box::new(|attempt| attempt.header["kid"] = json!("unknown")),
            "no published key has the id and the algorithm of the token",
        ),
        (
            "forged signature",
            ErrorKind::Unauthenticated,
            Box::new(|attempt| attempt.key = TestKey::new("first")),
            "the signature is wrong",
        ),
        (
            "other browser",
            ErrorKind::Unauthenticated,
            Box::new(|attempt| attempt.binding = String::new()),
            "the browser has no cookie of a sign-in with this state, or it has expired",
        ),
    ];
    for (case, kind, change, cause) in cases {
        let (finished, lines) = logged_sign_in(case, change).await;
        let error = finished.expect_err(case);
        assert_eq!(error.kind(), kind, "{case}: {error:?}");
        let [line] = &lines[..] else { panic!("{case}: {} lines", lines.len()) };
        assert_eq!((&line["level"], &line["provider"]), (&json!("WARN"), &json!("mock")), "{case}: {line}");
        assert_eq!(line["span"]["id"], case, "{line}");
        assert!(line["error"].as_str().unwrap().contains(cause), "{case}: {line}");
        assert!(!error.message().contains(cause), "{case}: the person sees the cause: {error}");
        assert!(!line.to_string().contains("the secret code"), "{case}: {line}");
    }
}

#[tokio::test]
async fn a_successful_sign_in_leaves_no_line_of_a_failed_one() {
    let (finished, lines) = logged_sign_in("success", |_| {}).await;
    assert!(finished.is_ok() && lines.is_empty(), "{finished:?} {lines:?}");
}
