//! Tokens and the flows that bring them: next to bare cryptography, to a handler that only signs, and to the provider of
//! another house.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

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
use hexabase_auth::issuer::{ClientCredential, RegisteredClient};
use hexabase_auth::{Auth, AuthConfig, DevProvider, LoginAnswer, LoginRequest, PendingApproval};
use hexabase_benches::{Pair, Target, in_turns, report, row};
use hexabase_core::Platform;
use hexabase_core::fixture;
use hexabase_core::model::{Origin, SignatureAlgorithm};
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::platform::ClusterAccess;
use hexabase_server::{App, AppParts, Entry, router};
use hexabase_store::{RedisEphemeral, RedisSettings};
use hexabase_test_servers::{OidcPeer, Redis};
use reqwest::header::{COOKIE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "http://127.0.0.1:9/callback";
const SECRET: &str = "a secret that nobody guesses";

/// So many tokens in turn that none is remembered when it comes again.
const SESSIONS: usize = 10_000;

/// How many flows are under way at a time, and how many are measured.
const AT_ONCE: u32 = 16;
const FLOWS: usize = 2_000;

fn main() {
    // Whoever the other house's provider is started by decides how it signs: as we do.
    assert_eq!(std::env::var("HEXABASE_TEST_PEER_SIGNS").as_deref(), Ok("ES256"), "scripts/bench sets this");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // On one thread, as between the tasks of one worker: threads that wake each other are not what is measured.
    let alone = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    type Measure = fn(&Runtime);
    let all: [(&str, &Runtime, Measure); 4] = [
        ("signing", &runtime, signing),
        ("bearer", &alone, bearer),
        ("refreshing", &runtime, refreshing),
        ("flows", &runtime, flows),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, runtime, measure) in all {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            measure(runtime);
        }
    }
}

/// What a future comes to that waits for nothing.
fn at_once<T>(future: impl Future<Output = T>) -> T {
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
        redirect_uris: vec![CALLBACK.to_owned()],
        post_logout_redirect_uris: Vec::new(),
        credential: ClientCredential::Secret(SECRET.to_owned().into()),
        workspace: None,
        trusted: true,
        algorithm,
    };
    let auth = Auth::new(platform, vec![dev], AuthConfig::default()).await.unwrap();
    auth.with_clients(vec![client("hexabase-peer", SignatureAlgorithm::Es256)])
}

/// What there is to sign about a token, and nothing around it.
struct Bare {
    pair: EcdsaKeyPair,
    message: Vec<u8>,
    signature: Signature,
}

impl Bare {
    fn over(token: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap();
        let message = token.rsplit_once('.').unwrap().0.as_bytes().to_vec();
        let signature = pair.sign(&SystemRandom::new(), &message).unwrap();
        Self { pair, message, signature }
    }

    fn sign(&self) -> Signature {
        self.pair.sign(&SystemRandom::new(), &self.message).unwrap()
    }

    fn verify(&self) {
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key());
        public.verify(&self.message, self.signature.as_ref()).unwrap();
    }
}

/// A token for a cluster, and bare signatures.
fn signing(runtime: &Runtime) {
    let auth = runtime.block_on(auth(platform("https://hexabase.example").build().unwrap()));
    let access = |groups: usize| ClusterAccess {
        workspace: fixture::workspace("dev"),
        user: fixture::user("ann"),
        groups: (0..groups).map(|number| format!("group-{number:04}")).collect(),
    };
    let few = access(3);
    let token = runtime.block_on(auth.cluster_token(&few)).unwrap().token;
    let bare = Bare::over(&token);
    let sign = || bare.sign();
    let ours = || at_once(auth.cluster_token(&few)).unwrap();
    report(
        "a token for a cluster, ES256",
        "the bare signature",
        in_turns(ours, sign),
        Target::TimesFloor(1.05),
    );

    let workspace = fixture::id("dev");
    let ours = || at_once(auth.verify_cluster_token(&token, workspace)).unwrap();
    let what = "the same verified";
    report(what, "the bare verification", in_turns(ours, || bare.verify()), Target::TimesFloor(1.05));

    let many = access(500);
    let ours = || at_once(auth.cluster_token(&many)).unwrap();
    let what = "a token for a cluster with 500 groups";
    report(what, "the bare signature", in_turns(ours, sign), Target::AtMost(Duration::from_millis(1)));
}

/// A request's access token, whose session may have been ended.
fn bearer(runtime: &Runtime) {
    let redis = Redis::shared();
    for kept_in in ["this process", "Redis"] {
        let auth = runtime.block_on(async {
            let mut builder = platform("https://hexabase.example");
            if kept_in == "Redis" {
                let store = RedisEphemeral::connect(&RedisSettings::new([redis.url()])).await.unwrap();
                builder = builder.with_ephemeral(Arc::new(store));
            }
            auth(builder.build().unwrap()).await
        });
        let token = runtime.block_on(signed_in(&auth, "ann@example.com"));
        let ephemeral = auth.platform().ephemeral();
        let ours = || runtime.block_on(auth.authenticate(&token)).unwrap();
        let asked = || runtime.block_on(ephemeral.get("a")).unwrap();
        let what = format!("bearer of a request, with revocations kept in {kept_in}");
        let (floor, bound) = ("a value read there", Target::AtMost(Duration::from_micros(40)));
        report(&what, floor, in_turns(ours, asked), bound);

        // What one costs a replica that has many requests under way, as any has that is busy.
        let ours =
            || runtime.block_on(try_join_all((0..AT_ONCE).map(|_| auth.authenticate(&token)))).unwrap();
        let asked = || runtime.block_on(try_join_all((0..AT_ONCE).map(|_| ephemeral.get("a")))).unwrap();
        let many = in_turns(ours, asked);
        let each = Pair { ours: many.ours / AT_ONCE, floor: many.floor / AT_ONCE };
        report("the same, each of 16 at once", floor, each, bound);

        if kept_in == "Redis" {
            let sign_in = |number| signed_in(&auth, format!("user-{number}@example.com"));
            let tokens: Vec<String> = runtime.block_on(join_all((0..SESSIONS).map(sign_in)));
            let (mut next, bare) = (tokens.iter().cycle(), Bare::over(&token));
            let ours = || runtime.block_on(auth.authenticate(next.next().unwrap())).unwrap();
            let asked = || {
                bare.verify();
                runtime.block_on(ephemeral.get("a")).unwrap()
            };
            let floor = "the bare verification and a value read there";
            report("the first time with a token", floor, in_turns(ours, asked), Target::TimesFloor(1.25));
        }
    }
}

/// The access token of somebody who signs in.
async fn signed_in(auth: &Auth, email: impl AsRef<str>) -> String {
    let who = DevProvider::identity(&Email::parse(email.as_ref()).unwrap(), None);
    let dev = ProviderName::parse("dev").unwrap();
    auth.sign_in(&dev, &who, &Origin::default()).await.unwrap().access_token
}

async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// A server with somebody signed in: where it is, and their session cookie.
async fn server() -> (String, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let platform = platform(&url).build().unwrap();
    let dev = DevProvider::new(platform.clone()).unwrap();
    let auth = auth(platform.clone()).await;
    let wanted = LoginRequest { return_to: "/".to_owned(), login_hint: None, reauthenticate: false };
    let started = auth.start_login("dev", wanted).await.unwrap();
    let query = query(&started.authorization_url);
    let request = PendingApproval {
        redirect_uri: query["redirect_uri"].clone(),
        state: query["state"].clone(),
        nonce: query["nonce"].clone(),
        code_challenge: query["code_challenge"].clone(),
    };
    let back = dev.approve(request, Email::parse("ann@example.com").unwrap(), None).await.unwrap();
    let back = self::query(&back);
    let answer =
        LoginAnswer { state: back["state"].clone(), code: back["code"].clone().into(), issuer: None };
    let finished = auth.finish_login("dev", answer, &started.binding, &Origin::default()).await.unwrap();
    let entry = Entry { requests_per_minute: u32::MAX, ..Entry::default() };
    let router = router(App::assemble(AppParts { entry, ..AppParts::new(platform, auth) }));
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
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Where a provider does what, who is signed in, and as whom the client comes.
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
        let place = Url::parse_with_params(
            &self.authorize,
            [
                ("client_id", self.client_id),
                ("redirect_uri", CALLBACK),
                ("response_type", "code"),
                ("scope", self.scope),
                ("state", "state"),
                ("nonce", "nonce"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ],
        );
        let answer = client.get(place.unwrap()).header(COOKIE, &self.cookie).send().await.unwrap();
        let back = answer.headers().get(LOCATION).map(|place| place.to_str().unwrap().to_owned());
        query(&back.unwrap())["code"].clone()
    }

    /// From a browser that is signed in to the tokens of a client.
    async fn flow(&self, client: &Client) -> Value {
        let code = self.code(client).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client_id),
            ("client_secret", self.secret),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        form(client, &self.token, &fields).await
    }

    /// How many flows a second.
    async fn rate(&self, client: &Client) -> f64 {
        let begun = Instant::now();
        let done = AtomicUsize::new(0);
        stream::iter(0..FLOWS)
            .for_each_concurrent(AT_ONCE as usize, |_| async {
                assert!(self.flow(client).await["id_token"].is_string());
                done.fetch_add(1, Ordering::Relaxed);
            })
            .await;
        f64::from(u32::try_from(done.load(Ordering::Relaxed)).unwrap()) / begun.elapsed().as_secs_f64()
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

/// What signs the same texts again and again.
struct Signs {
    pair: EcdsaKeyPair,
    texts: [String; 2],
}

/// Renewing tokens over HTTP, and a handler that signs as much for the same request.
fn refreshing(runtime: &Runtime) {
    let client = client();
    let (url, mut token, bare) = runtime.block_on(async {
        let (url, cookie) = server().await;
        let provider = Provider { scope: "openid email profile offline_access", ..ours(&url, &cookie) };
        let tokens = provider.flow(&client).await;
        let pair = {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).unwrap()
        };
        let unsigned = |name: &str| tokens[name].as_str().unwrap().rsplit_once('.').unwrap().0.to_owned();
        let signs = Arc::new(Signs { pair, texts: [unsigned("access_token"), unsigned("id_token")] });
        let bare = listen(Router::new().route("/oauth2/token", post(sign_twice)).with_state(signs)).await;
        (url, tokens["refresh_token"].as_str().unwrap().to_owned(), bare)
    });
    let ask = |url: &str, token: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "hexabase-peer"),
            ("client_secret", SECRET),
            ("refresh_token", token),
        ];
        runtime.block_on(form(&client, &format!("{url}/oauth2/token"), &fields))
    };
    let first = token.clone();
    let mut renew = || {
        let next = ask(&url, &token);
        token = next["refresh_token"].as_str().unwrap().to_owned();
    };
    let sign = || ask(&bare, &first);
    let pair = in_turns(&mut renew, sign);
    report(
        "refresh grant over HTTP",
        "an axum handler that signs two tokens",
        pair,
        Target::TimesFloor(1.43),
    );
}

async fn sign_twice(State(signs): State<Arc<Signs>>, _: axum::body::Bytes) -> Json<Value> {
    let [access_token, id_token] = signs.texts.each_ref().map(|text| {
        let signature = signs.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    });
    let answer = json!({ "access_token": access_token, "id_token": id_token, "token_type": "Bearer", "expires_in": 900 });
    Json(answer)
}

/// Whole flows of people who are signed in already, here and at the provider of another house.
fn flows(runtime: &Runtime) {
    let client = client();
    runtime.block_on(async {
        let (url, cookie) = server().await;
        let ours = ours(&url, &cookie);
        let peer = OidcPeer::start(&[CALLBACK]);
        let theirs = Provider {
            authorize: format!("{}/auth", peer.issuer()),
            token: format!("{}/token", peer.issuer()),
            cookie: peer.signed_in(CALLBACK, "ann@example.com").await,
            client_id: "hexabase",
            secret: OidcPeer::CLIENT_SECRET,
            scope: "openid email profile",
        };
        let (mut rates, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            rates.push(ours.rate(&client).await);
            floors.push(theirs.rate(&client).await);
        }
        rates.sort_by(f64::total_cmp);
        floors.sort_by(f64::total_cmp);
        let (rate, floor) = (rates[1], floors[1]);
        row(
            "code with PKCE, from the signed-in browser to the tokens, 16 at once",
            &format!("{rate:.0}/s"),
            &format!("{floor:.0}/s (oidc-provider on Node.js, in memory as well)"),
            &format!("{:.2}", rate / floor),
            &"≥ 5 × floor",
            rate >= 5.0 * floor,
        );
    });
}
