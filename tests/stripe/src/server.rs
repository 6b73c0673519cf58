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
use crate::error::StripeError;
use crate::events::sign;
use crate::parameters::Parameters;
use crate::state::State;

/// Delay before a rejected webhook delivery is repeated.
const REDELIVERY_DELAY: Duration = Duration::from_millis(50);

/// Stateful Stripe stand-in. Clones share the state.
#[derive(Clone)]
pub struct FakeStripe(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    stored_responses: Mutex<BTreeMap<String, StoredResponse>>,
    faults: Mutex<Faults>,
    clock: Arc<dyn Clock>,
    address: Mutex<Option<SocketAddr>>,
    crash_caller: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

/// Response that is stored for an idempotency key, with the request.
struct StoredResponse {
    request: String,
    status: u16,
    body: String,
}

/// Faults that the stand-in injects.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// `true` if every request fails with 503.
    pub unavailable: bool,
    /// Number of further mutating requests that are executed, but whose responses are lost.
    pub lost_responses: u32,
    /// Number of further requests that are rejected with 429 and `Retry-After: 0`.
    pub rate_limited: u32,
    /// Number of further mutating requests that fail with 500. The error is stored for their idempotency keys.
    pub internal_errors: u32,
    /// Delay of each response after the execution of the request.
    pub latency: Duration,
    /// Crash of the caller at one of the next mutating requests; see [`FakeStripe::on_caller_crash`].
    pub caller_crash: Option<CallerCrash>,
    /// Number of requests that were received.
    pub requests: u64,
}

/// Crash of the caller during a mutating request.
#[derive(Debug, Clone, Copy)]
pub struct CallerCrash {
    /// Number of mutating requests that are answered before the crash.
    pub after: u32,
    /// `true` if the request at which the caller crashes is still executed.
    pub executed: bool,
}

impl fmt::Debug for FakeStripe {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("FakeStripe").field(&*lock(&self.0.faults)).finish()
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeStripe {
    /// Creates a stand-in without objects that uses this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            stored_responses: Mutex::default(),
            faults: Mutex::default(),
            clock,
            address: Mutex::default(),
            crash_caller: Mutex::default(),
        }))
    }

    /// Router of the API.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Serves the API on a free port as long as the runtime lives, and returns its URL.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn serve(&self) -> String {
        self.serve_on(0).await
    }

    /// Serves the API on this port; see [`Self::serve`].
    ///
    /// # Panics
    /// If the port is in use.
    pub async fn serve_on(&self, port: u16) -> String {
        let listener =
            tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.expect("the port is in use");
        let address = listener.local_addr().expect("the listener has no address");
        *lock(&self.0.address) = Some(address);
        let router = self.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    /// Changes the faults.
    pub fn set_faults(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut lock(&self.0.faults));
    }

    /// Sets the function that simulates a crash of the caller.
    pub fn on_caller_crash(&self, crash_caller: impl Fn() + Send + Sync + 'static) {
        *lock(&self.0.crash_caller) = Some(Arc::new(crash_caller));
    }

    /// Crash of the caller at this request, if there is one.
    fn take_caller_crash(&self, method: &Method) -> Option<CallerCrash> {
        let mut faults = lock(&self.0.faults);
        let caller_crash = faults.caller_crash.as_mut().filter(|_| method != Method::GET)?;
        if caller_crash.after > 0 {
            caller_crash.after -= 1;
            return None;
        }
        faults.caller_crash.take()
    }

    /// Number of requests that were received.
    #[must_use]
    pub fn requests(&self) -> u64 {
        lock(&self.0.faults).requests
    }

    /// Executes an operation of the API without a request, like a user of the dashboard.
    ///
    /// # Panics
    /// If the operation fails.
    pub fn call(&self, method: &str, path: &str, form: &str) -> Value {
        let mut state = lock(&self.0.state);
        state.now = self.0.clock.now().as_second();
        let result = state.handle(method, path, &Parameters::parse(form));
        result.unwrap_or_else(|error| panic!("{method} {path}: {}", error.body()))
    }

    /// Executes everything that is due, such as renewals.
    pub fn catch_up(&self) {
        let mut state = lock(&self.0.state);
        state.now = self.0.clock.now().as_second();
        state.catch_up();
    }

    /// Events after the first `sent` ones, as they are delivered to endpoints.
    #[must_use]
    pub fn events_after(&self, sent: usize) -> Vec<Delivery> {
        let state = lock(&self.0.state);
        let delivery = |event: &Value| Delivery {
            body: event.to_string(),
            kind: event["type"].as_str().unwrap_or_default().to_owned(),
        };
        state.events.iter().skip(sent).map(delivery).collect()
    }

    /// Delivers all events to an endpoint, signed with a secret, as long as the runtime lives. Each delivery is
    /// repeated until it is accepted.
    pub fn deliver_to(&self, url: &str, secret: &str) {
        let (stripe, url, secret) = (self.clone(), url.to_owned(), secret.to_owned());
        tokio::spawn(async move {
            let client =
                reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("no HTTP client");
            let mut sent = 0;
            loop {
                for delivery in stripe.events_after(sent) {
                    while !stripe.deliver(&client, &url, &secret, &delivery).await {
                        tokio::time::sleep(REDELIVERY_DELAY).await;
                    }
                    sent += 1;
                }
                tokio::time::sleep(REDELIVERY_DELAY / 10).await;
            }
        });
    }

    async fn deliver(&self, client: &reqwest::Client, url: &str, secret: &str, delivery: &Delivery) -> bool {
        let signature = sign(delivery.body.as_bytes(), &[secret], self.0.clock.now().as_second());
        let sent =
            client.post(url).header("stripe-signature", signature).body(delivery.body.clone()).send().await;
        sent.is_ok_and(|response| response.status().is_success())
    }

    fn respond(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
        let faults = {
            let mut faults = lock(&self.0.faults);
            faults.requests += 1;
            if faults.unavailable {
                return http_response(503, StripeError::internal_error().body().to_string(), &[]);
            }
            if faults.rate_limited > 0 {
                faults.rate_limited -= 1;
                return http_response(
                    429,
                    StripeError::rate_limited().body().to_string(),
                    &[("retry-after", "0")],
                );
            }
            faults.clone()
        };
        if !is_authorized(headers) {
            return http_response(401, StripeError::unauthorized().body().to_string(), &[]);
        }
        let query = uri.query().unwrap_or_default();
        let form =
            if method == Method::GET { query.to_owned() } else { String::from_utf8_lossy(body).into_owned() };
        let key = headers
            .get("idempotency-key")
            .and_then(|key| key.to_str().ok())
            .filter(|_| method == Method::POST);
        let request = format!("{method} {} {form}", uri.path());
        let mut stored_responses = lock(&self.0.stored_responses);
        if let Some(stored) = key.and_then(|key| stored_responses.get(key)) {
            return match stored.request == request {
                true => http_response(stored.status, stored.body.clone(), &[("idempotent-replayed", "true")]),
                false => {
                    let error = StripeError::idempotency(key.unwrap_or_default());
                    http_response(error.status, error.body().to_string(), &[])
                }
            };
        }
        let (status, text) = if method != Method::GET && faults.internal_errors > 0 {
            lock(&self.0.faults).internal_errors -= 1;
            (500, StripeError::internal_error().body().to_string())
        } else {
            let mut state = lock(&self.0.state);
            state.now = self.0.clock.now().as_second();
            match state.handle(method.as_str(), uri.path(), &Parameters::parse(&form)) {
                Ok(value) => (200, value.to_string()),
                Err(error) => (error.status, error.body().to_string()),
            }
        };
        // Stripe does not store the responses to requests that were rejected before execution.
        if let Some(key) = key.filter(|_| ![400, 404].contains(&status)) {
            stored_responses.insert(key.to_owned(), StoredResponse { request, status, body: text.clone() });
        }
        if method != Method::GET && faults.lost_responses > 0 {
            lock(&self.0.faults).lost_responses -= 1;
            return http_response(502, "<html>bad gateway</html>".to_owned(), &[]);
        }
        http_response(status, text, &[])
    }
}

/// `true` if the request has a secret key, as bearer token or as user name of Basic authentication.
fn is_authorized(headers: &HeaderMap) -> bool {
    let authorization =
        headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    authorization.starts_with("Bearer sk_test_") || authorization.starts_with("Basic ")
}

async fn handle(
    Extracted(stripe): Extracted<FakeStripe>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let crash = stripe.take_caller_crash(&method);
    let response = match crash {
        Some(CallerCrash { executed: false, .. }) => None,
        _ => Some(stripe.respond(&method, &uri, &headers, &body)),
    };
    if crash.is_some() {
        let crash_caller = lock(&stripe.0.crash_caller).clone();
        crash_caller.iter().for_each(|crash| crash());
    }
    match (crash, response) {
        (None, Some(response)) => {
            let latency = lock(&stripe.0.faults).latency;
            tokio::time::sleep(latency).await;
            response
        }
        // A crashed caller receives no response.
        _ => std::future::pending().await,
    }
}

fn http_response(status: u16, body: String, headers: &[(&'static str, &'static str)]) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response =
        (status, [("content-type", "application/json"), ("request-id", "req_test")], body).into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, axum::http::HeaderValue::from_static(value));
    }
    response
}
