//! Tokens and the flows that issue them, compared with plain cryptography, with a handler that only signs, and with a
//! third-party provider.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, Signature,
    UnparsedPublicKey,
};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream::{self, StreamExt as _};
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::issuer::{ClientCredential, RegisteredClient};
use hexabase_auth::{Auth, AuthConfig, DevProvider, LoginCallback, LoginRequest, PendingApproval};
use hexabase_benches::{Comparison, Target, alternate, report, row};
use hexabase_core::Platform;
use hexabase_core::fixture;
use hexabase_core::model::{Origin, SignatureAlgorithm};
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::platform::ClusterAccess;
use hexabase_store::{RedisConfig, RedisEphemeral};
use hexabase_test_servers::{OidcPeer, Redis};
use reqwest::header::{COOKIE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Code verifier and challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";
const SECRET: &str = "a secret that is hard to guess";

/// Number of sessions, so large that no token is still cached when it is used again.
const SESSIONS: usize = 10_000;

/// Number of concurrent requests or flows.
const CONCURRENT_REQUESTS: u32 = 16;
/// Number of measured flows.
const FLOWS: usize = 2_000;

fn main() {
    // The environment determines the signature algorithm of the third-party provider. It must be that of Hexabase.
    assert_eq!(std::env::var("HEXABASE_TEST_PEER_SIGNS").as_deref(), Ok("ES256"), "scripts/bench sets this");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // A single thread, as between the tasks of one worker thread: wake-ups between threads are not to be measured.
    let single_threaded = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    type Measure = fn(&Runtime);
    let all: [(&str, &Runtime, Measure); 4] = [
        ("signing", &runtime, benchmark_cluster_tokens),
        ("bearer", &single_threaded, benchmark_bearer),
        ("refreshing", &runtime, benchmark_refresh),
        ("flows", &runtime, benchmark_flows),
    ];
    let selected: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, runtime, measure) in all {
        if selected.is_empty() || selected.iter().any(|word| word == name) {
            measure(runtime);
        }
    }
}

/// Result of a future that does not have to wait.
fn now_or_panic<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn platform(issuer: &str) -> hexabase_core::platform::PlatformBuilder {
    Platform::builder(issuer).with_plans(hexabase_billing::plans::built_in())
}

async fn auth(platform: Platform) -> Auth {
    let dev = Arc::new(DevProvider::new(platform.clone()).unwrap());
    let client = |id: &str, algorithm| RegisteredClient {
        id: id.to_owned(),
        name: id.to_owned(),
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        post_logout_redirect_uris: Vec::new(),
        credential: ClientCredential::Secret(SECRET.to_owned().into()),
        workspace: None,
        trusted: true,
        algorithm,
    };
    let config = AuthConfig {
        authorizations_per_minute: u32::MAX,
        refreshes_per_minute: u32::MAX,
        ..AuthConfig::default()
    };
    let auth = Auth::new(platform, vec![dev], config).await.unwrap();
    auth.with_clients(vec![client("hexabase-peer", SignatureAlgorithm::Es256)])
}

/// Signing input and signature of a token, without anything else.
struct PlainSignature {
    key_pair: EcdsaKeyPair,
    message: Vec<u8>,
    signature: Signature,
}

impl PlainSignature {
    fn over(token: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let key_pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
        let message = token.rsplit_once('.').unwrap().0.as_bytes().to_vec();
        let signature = key_pair.sign(&SystemRandom::new(), &message).unwrap();
        Self { key_pair, message, signature }
    }

    fn sign(&self) -> Signature {
        self.key_pair.sign(&SystemRandom::new(), &self.message).unwrap()
    }

    fn verify(&self) {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key_pair.public_key());
        public.verify(&self.message, self.signature.as_ref()).unwrap();
    }
}

/// Measures cluster tokens, compared with their signatures.
fn benchmark_cluster_tokens(runtime: &Runtime) {
    let platform = platform("https://hexabase.example").build().unwrap();
    let as_of = platform.clock().now();
    let auth = runtime.block_on(auth(platform));
    let access = |groups: usize| ClusterAccess {
        workspace: fixture::workspace("dev"),
        user: fixture::user("ann"),
        groups: (0..groups).map(|number| format!("group-{number:04}")).collect(),
        as_of,
    };
    let few = access(3);
    let token = runtime.block_on(auth.issuer().cluster_token(&few)).unwrap().token;
    let plain = PlainSignature::over(&token);
    let sign = || plain.sign();
    let ours = || now_or_panic(auth.issuer().cluster_token(&few)).unwrap();
    report("cluster token, ES256", "signature only", alternate(ours, sign), Target::TimesFloor(1.05));

    let workspace = fixture::id("dev");
    let ours = || now_or_panic(auth.issuer().verify_cluster_token(&token, workspace)).unwrap();
    let what = "verification of a cluster token";
    report(what, "signature verification only", alternate(ours, || plain.verify()), Target::TimesFloor(1.05));

    let many = access(500);
    let ours = || now_or_panic(auth.issuer().cluster_token(&many)).unwrap();
    let what = "cluster token with 500 groups";
    report(what, "signature only", alternate(ours, sign), Target::AtMost(Duration::from_millis(1)));
}

/// Measures the authentication of an access token, which checks that its session is not revoked.
fn benchmark_bearer(runtime: &Runtime) {
    let redis = Redis::shared();
    for location in ["this process", "Redis"] {
        let auth = runtime.block_on(async {
            let mut builder = platform("https://hexabase.example");
            if location == "Redis" {
                let store = RedisEphemeral::connect(&RedisConfig::new([redis.url()])).await.unwrap();
                builder = builder.with_ephemeral(Arc::new(store));
            }
            auth(builder.build().unwrap()).await
        });
        let token = runtime.block_on(sign_in(&auth, "ann@example.com"));
        let ephemeral = auth.platform().ephemeral();
        let ours = || runtime.block_on(auth.authenticate_bearer(&token)).unwrap();
        let read = || runtime.block_on(ephemeral.get("a")).unwrap();
        let what = format!("bearer authentication, revocations in {location}");
        let (floor, bound) = ("one read from the same store", Target::AtMost(Duration::from_micros(40)));
        report(&what, floor, alternate(ours, read), bound);

        // The cost per request in a replica with many concurrent requests.
        let ours = || {
            runtime
                .block_on(try_join_all((0..CONCURRENT_REQUESTS).map(|_| auth.authenticate_bearer(&token))))
                .unwrap()
        };
        let read =
            || runtime.block_on(try_join_all((0..CONCURRENT_REQUESTS).map(|_| ephemeral.get("a")))).unwrap();
        let many = alternate(ours, read);
        let each =
            Comparison { ours: many.ours / CONCURRENT_REQUESTS, floor: many.floor / CONCURRENT_REQUESTS };
        report("the same, 16 concurrent, per request", floor, each, bound);

        if location == "Redis" {
            let sign_in_user = |number| sign_in(&auth, format!("user-{number}@example.com"));
            let tokens: Vec<String> = runtime.block_on(join_all((0..SESSIONS).map(sign_in_user)));
            let (mut next, plain) = (tokens.iter().cycle(), PlainSignature::over(&token));
            let ours = || runtime.block_on(auth.authenticate_bearer(next.next().unwrap())).unwrap();
            let read = || {
                plain.verify();
                runtime.block_on(ephemeral.get("a")).unwrap()
            };
            let floor = "signature verification and one read from Redis";
            report(
                "bearer authentication, first use of a token",
                floor,
                alternate(ours, read),
                Target::TimesFloor(1.25),
            );
        }
    }
}

/// Signs a user in and returns the access token.
async fn sign_in(auth: &Auth, email: impl AsRef<str>) -> String {
    let identity = DevProvider::identity(&Email::parse(email.as_ref()).unwrap(), None);
    let dev = ProviderName::parse("dev").unwrap();
    auth.sign_in().with_identity(&dev, &identity, &Origin::default()).await.unwrap().access_token
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// Starts a server with a signed-in user. Returns its URL and the session cookie of the user.
async fn start_server() -> (String, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let platform = platform(&url).build().unwrap();
    let dev = DevProvider::new(platform.clone()).unwrap();
    let auth = auth(platform.clone()).await;
    let login = LoginRequest { return_to: "/".to_owned(), login_hint: None, reauthenticate: false };
    let started = auth.sign_in().start("dev", login).await.unwrap();
    let query = query(&started.authorization_url);
    let request = PendingApproval {
        redirect_uri: query["redirect_uri"].clone(),
        state: query["state"].clone(),
        nonce: query["nonce"].clone(),
        code_challenge: query["code_challenge"].clone(),
    };
    let redirect = dev.approve(request, Email::parse("ann@example.com").unwrap(), None).await.unwrap();
    let redirect = self::query(&redirect);
    let response = LoginCallback {
        state: redirect["state"].clone(),
        code: redirect["code"].clone().into(),
        issuer: None,
    };
    let finished =
        auth.sign_in().finish("dev", response, &started.binding, &Origin::default()).await.unwrap();
    let config = ApiConfig { requests_per_minute: u32::MAX, ..ApiConfig::default() };
    let router = router(ApiState::builder(platform, auth).with_config(config).build());
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, format!("hexabase_session={}", finished.session.unwrap().cookie))
}

fn query(url: &str) -> BTreeMap<String, String> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

async fn form(client: &Client, url: &str, fields: &[(&str, &str)]) -> Value {
    let body = Url::parse_with_params("http://x", fields).unwrap().query().unwrap().to_owned();
    let request = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert!(status.is_success(), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Endpoints of a provider, with the cookie of a signed-in user and the credentials of a client.
struct Provider {
    authorize: String,
    token: String,
    cookie: String,
    client_id: &'static str,
    secret: &'static str,
    scope: &'static str,
}

impl Provider {
    async fn code(&self, client: &Client) -> String {
        let url = Url::parse_with_params(
            &self.authorize,
            [
                ("client_id", self.client_id),
                ("redirect_uri", REDIRECT_URI),
                ("response_type", "code"),
                ("scope", self.scope),
                ("state", "state"),
                ("nonce", "nonce"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ],
        );
        let response = client.get(url.unwrap()).header(COOKIE, &self.cookie).send().await.unwrap();
        let redirect = response.headers().get(LOCATION).map(|url| url.to_str().unwrap().to_owned());
        query(&redirect.unwrap())["code"].clone()
    }

    /// Runs a flow from a signed-in browser to the tokens of a client.
    async fn flow(&self, client: &Client) -> Value {
        let code = self.code(client).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client_id),
            ("client_secret", self.secret),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        form(client, &self.token, &fields).await
    }

    /// Number of flows per second.
    async fn rate(&self, client: &Client) -> f64 {
        let started = Instant::now();
        let done = AtomicUsize::new(0);
        stream::iter(0..FLOWS)
            .for_each_concurrent(CONCURRENT_REQUESTS as usize, |_| async {
                assert!(self.flow(client).await["id_token"].is_string());
                done.fetch_add(1, Ordering::Relaxed);
            })
            .await;
        f64::from(u32::try_from(done.load(Ordering::Relaxed)).unwrap()) / started.elapsed().as_secs_f64()
    }
}

fn ours(url: &str, cookie: &str) -> Provider {
    Provider {
        authorize: format!("{url}/oauth2/authorize"),
        token: format!("{url}/oauth2/token"),
        cookie: cookie.to_owned(),
        client_id: "hexabase-peer",
        secret: SECRET,
        scope: "openid email profile",
    }
}

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

/// Key, and the two texts that it signs for every request.
struct Signer {
    key_pair: EcdsaKeyPair,
    texts: [String; 2],
}

/// Measures the refresh grant over HTTP, compared with a handler that signs as much for the same request.
fn benchmark_refresh(runtime: &Runtime) {
    let client = client();
    let (url, mut token, plain) = runtime.block_on(async {
        let (url, cookie) = start_server().await;
        let provider = Provider { scope: "openid email profile offline_access", ..ours(&url, &cookie) };
        let tokens = provider.flow(&client).await;
        let key_pair = {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap()
        };
        let unsigned = |name: &str| tokens[name].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
        let signer = Arc::new(Signer { key_pair, texts: [unsigned("access_token"), unsigned("id_token")] });
        let plain = listen(Router::new().route("/oauth2/token", post(sign_twice)).with_state(signer)).await;
        (url, tokens["refresh_token"].as_str().unwrap().to_owned(), plain)
    });
    let refresh = |url: &str, token: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "hexabase-peer"),
            ("client_secret", SECRET),
            ("refresh_token", token),
        ];
        runtime.block_on(form(&client, &format!("{url}/oauth2/token"), &fields))
    };
    let first = token.clone();
    let mut refresh_next = || {
        let next = refresh(&url, &token);
        token = next["refresh_token"].as_str().unwrap().to_owned();
    };
    let sign = || refresh(&plain, &first);
    let comparison = alternate(&mut refresh_next, sign);
    report(
        "refresh grant over HTTP",
        "an axum handler that signs two tokens",
        comparison,
        Target::TimesFloor(1.43),
    );
}

async fn sign_twice(State(signer): State<Arc<Signer>>, _: axum::body::Bytes) -> Json<Value> {
    let [access_token, id_token] = signer.texts.each_ref().map(|text| {
        let signature = signer.key_pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    });
    let response = json!({ "access_token": access_token, "id_token": id_token, "token_type": "Bearer", "expires_in": 900 });
    Json(response)
}

/// Measures complete flows of signed-in users, compared with a third-party provider.
fn benchmark_flows(runtime: &Runtime) {
    let client = client();
    runtime.block_on(async {
        let (url, cookie) = start_server().await;
        let ours = ours(&url, &cookie);
        let peer = OidcPeer::start(&[REDIRECT_URI]);
        let peer_provider = Provider {
            authorize: format!("{}/auth", peer.issuer()),
            token: format!("{}/token", peer.issuer()),
            cookie: peer.sign_in(REDIRECT_URI, "ann@example.com").await,
            client_id: "hexabase",
            secret: OidcPeer::CLIENT_SECRET,
            scope: "openid email profile",
        };
        let (mut rates, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            rates.push(ours.rate(&client).await);
            floors.push(peer_provider.rate(&client).await);
        }
        rates.sort_by(f64::total_cmp);
        floors.sort_by(f64::total_cmp);
        let (rate, floor) = (rates[1], floors[1]);
        row(
            "authorization code with PKCE, signed-in browser to tokens, 16 concurrent",
            &format!("{rate:.0}/s"),
            &format!("{floor:.0}/s (oidc-provider on Node.js, also in memory)"),
            &format!("{:.2}", rate / floor),
            &"≥ 5 × floor",
            rate >= 5.0 * floor,
        );
    });
}
