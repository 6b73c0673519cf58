use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Extracted;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use hexabase_core::clock::Clock;
use serde_json::Value;

use crate::Delivery;
use crate::events::sign;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::state::State;

/// How long to wait before an endpoint that did not take a delivery is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// A Stripe for tests. Cloning it gives another hand on the same one.
#[derive(Clone)]
pub struct FakeStripe(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    replies: Mutex<BTreeMap<String, Kept>>,
    weather: Mutex<Weather>,
    clock: Arc<dyn Clock>,
    address: Mutex<Option<SocketAddr>>,
    kill: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

/// What was answered to a key, and what was asked.
struct Kept {
    request: String,
    status: u16,
    body: String,
}

/// How well Stripe does today.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// It answers nothing but 503.
    pub down: bool,
    /// So many more requests that change something are done, and their answers are lost.
    pub lost_answers: u32,
    /// So many more requests are refused with 429 and `Retry-After: 0`.
    pub limited: u32,
    /// So many more requests that change something fail with 500, which is remembered under their keys.
    pub broken: u32,
    /// So long it takes to answer what it has done.
    pub slow: Duration,
    /// Whoever asks dies at one of the next requests that change something; see [`FakeStripe::kills`].
    pub fatal: Option<Fatal>,
    /// How many requests came.
    pub requests: u64,
}

/// When whoever asks dies.
#[derive(Debug, Clone, Copy)]
pub struct Fatal {
    /// How many requests that change something are answered before.
    pub after: u32,
    /// Whether the request at which they die is still done.
    pub done: bool,
}

impl fmt::Debug for FakeStripe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("FakeStripe").field(&*lock(&self.0.weather)).finish()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeStripe {
    /// A Stripe where nothing has happened yet, by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            replies: Mutex::default(),
            weather: Mutex::default(),
            clock,
            address: Mutex::default(),
            kill: Mutex::default(),
        }))
    }

    /// Everything that it answers.
    pub fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Answers on a free port as long as the runtime lives. Says where.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn serve(&self) -> String {
        self.serve_on(0).await
    }

    /// As [`Self::serve`], on this port.
    ///
    /// # Panics
    /// When the port is taken.
    pub async fn serve_on(&self, port: u16) -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        *lock(&self.0.address) = Some(address);
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    /// Changes how well it does.
    pub fn weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut lock(&self.0.weather));
    }

    /// How whoever asks dies, where the weather is fatal.
    pub fn kills(&self, kill: impl Fn() + Send + Sync + 'static) {
        *lock(&self.0.kill) = Some(Arc::new(kill));
    }

    /// Whether whoever asks dies at this request, and whether it is still done.
    fn dies(&self, method: &Method) -> Option<Fatal> {
        let mut weather = lock(&self.0.weather);
        let fatal = weather.fatal.as_mut().filter(|_| method != Method::GET)?;
        if fatal.after > 0 {
            fatal.after -= 1;
            return None;
        }
        weather.fatal.take()
    }

    /// How many requests came so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        lock(&self.0.weather).requests
    }

    /// Does what the API would, without a request: a person in the dashboard.
    ///
    /// # Panics
    /// When it is refused.
    pub fn act(&self, method: &str, path: &str, form: &str) -> Value {
        let mut state = lock(&self.0.state);
        state.now = self.0.clock.now().as_second();
        let acted = state.answer(method, path, &Parameters::parse(form));
        acted.unwrap_or_else(|problem| panic!("{method} {path}: {}", problem.body()))
    }

    /// Lets whatever is due by now happen.
    pub fn catch_up(&self) {
        let mut state = lock(&self.0.state);
        state.now = self.0.clock.now().as_second();
        state.catch_up();
    }

    /// What happened after the first `seen` events, as it is sent to endpoints.
    #[must_use]
    pub fn events_after(&self, seen: usize) -> Vec<Delivery> {
        let state = lock(&self.0.state);
        let delivery = |event: &Value| Delivery {
            body: event.to_string(),
            kind: event["type"].as_str().unwrap_or_default().to_owned(),
        };
        state.events.iter().skip(seen).map(delivery).collect()
    }

    /// Sends everything that happens to an endpoint, signed with a secret, again and again until it is taken, as long as
    /// the runtime lives.
    pub fn deliver_to(&self, url: &str, secret: &str) {
        let (stripe, url, secret) = (self.clone(), url.to_owned(), secret.to_owned());
        tokio::spawn(async move {
            let client =
                reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
            let mut seen = 0;
            loop {
                for delivery in stripe.events_after(seen) {
                    while !stripe.delivered(&client, &url, &secret, &delivery).await {
                        tokio::time::sleep(AGAIN).await;
                    }
                    seen += 1;
                }
                tokio::time::sleep(AGAIN / 10).await;
            }
        });
    }

    async fn delivered(
        &self,
        client: &reqwest::Client,
        url: &str,
        secret: &str,
        delivery: &Delivery,
    ) -> bool {
        let signature = sign(delivery.body.as_bytes(), &[secret], self.0.clock.now().as_second());
        let sent =
            client.post(url).header("stripe-signature", signature).body(delivery.body.clone()).send().await;
        sent.is_ok_and(|answer| answer.status().is_success())
    }

    fn reply(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
        let weather = {
            let mut weather = lock(&self.0.weather);
            weather.requests += 1;
            if weather.down {
                return answered(503, Problem::broken().body().to_string(), &[]);
            }
            if weather.limited > 0 {
                weather.limited -= 1;
                return answered(429, Problem::limited().body().to_string(), &[("retry-after", "0")]);
            }
            weather.clone()
        };
        if !is_authorized(headers) {
            return answered(401, Problem::unauthorized().body().to_string(), &[]);
        }
        let query = uri.query().unwrap_or_default();
        let form =
            if method == Method::GET { query.to_owned() } else { String::from_utf8_lossy(body).into_owned() };
        let key = headers
            .get("idempotency-key")
            .and_then(|key| key.to_str().ok())
            .filter(|_| method == Method::POST);
        let request = format!("{method} {} {form}", uri.path());
        let mut replies = lock(&self.0.replies);
        if let Some(kept) = key.and_then(|key| replies.get(key)) {
            return match kept.request == request {
                true => answered(kept.status, kept.body.clone(), &[("idempotent-replayed", "true")]),
                false => {
                    let problem = Problem::idempotency(key.unwrap_or_default());
                    answered(problem.status, problem.body().to_string(), &[])
                }
            };
        }
        let (status, text) = if method != Method::GET && weather.broken > 0 {
            lock(&self.0.weather).broken -= 1;
            (500, Problem::broken().body().to_string())
        } else {
            let mut state = lock(&self.0.state);
            state.now = self.0.clock.now().as_second();
            match state.answer(method.as_str(), uri.path(), &Parameters::parse(&form)) {
                Ok(value) => (200, value.to_string()),
                Err(problem) => (problem.status, problem.body().to_string()),
            }
        };
        // What was refused before anything was done is not remembered.
        if let Some(key) = key.filter(|_| ![400, 404].contains(&status)) {
            replies.insert(key.to_owned(), Kept { request, status, body: text.clone() });
        }
        if method != Method::GET && weather.lost_answers > 0 {
            lock(&self.0.weather).lost_answers -= 1;
            return answered(502, "<html>bad gateway</html>".to_owned(), &[]);
        }
        answered(status, text, &[])
    }
}

/// A secret key, as bearer or as the name of Basic authentication.
fn is_authorized(headers: &HeaderMap) -> bool {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    given.starts_with("Bearer sk_test_") || given.starts_with("Basic ")
}

async fn answer(
    Extracted(stripe): Extracted<FakeStripe>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let dies = stripe.dies(&method);
    let reply = match dies {
        Some(Fatal { done: false, .. }) => None,
        _ => Some(stripe.reply(&method, &uri, &headers, &body)),
    };
    if dies.is_some() {
        let kill = lock(&stripe.0.kill).clone();
        kill.iter().for_each(|kill| kill());
    }
    match (dies, reply) {
        (None, Some(reply)) => {
            let slow = lock(&stripe.0.weather).slow;
            tokio::time::sleep(slow).await;
            reply
        }
        // The dead hear nothing.
        _ => std::future::pending().await,
    }
}

fn answered(status: u16, body: String, headers: &[(&'static str, &'static str)]) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response =
        (status, [("content-type", "application/json"), ("request-id", "req_test")], body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, axum::http::HeaderValue::from_static(value));
    }
    response
}
