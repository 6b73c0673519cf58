//! A thin client: forms out, JSON in, and every call safe to be repeated.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use hexabase_core::backoff;
use hexabase_core::clock::Clock;
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;

use super::problem::{Body, Problem, Refusal};

/// The version of the API whose answers are read here. Stripe goes on answering in it whatever it does since
/// (<https://docs.stripe.com/api/versioning>).
pub(super) const API_VERSION: &str = "2026-10-28.endive";
/// What is added to a key under which Stripe failed.
pub(super) const AGAIN: &str = "/again";
/// How often a call is tried at most.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What is sent along: names such as `items[0][price]` with their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    pub(super) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn encoded(&self) -> String {
        Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// Speaks with Stripe.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(
        key: &SecretString,
        base: &str,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let bad = |_| Error::invalid("stripe_secret_key", "holds what no header can hold");
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).map_err(bad)?;
        bearer.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .user_agent(concat!("hexabase/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::unexpected("there can be no HTTP client").caused_by(error))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), clock })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Form) -> Result<T, Problem> {
        read(&self.patiently(Method::GET, path, query, None).await?)
    }

    /// Changes something that it does no harm to change twice. The key makes a repetition harmless
    /// (<https://docs.stripe.com/api/idempotent_requests>); where Stripe failed under it, and would repeat that failure
    /// for a day, it is tried under another one.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
        key: &str,
    ) -> Result<T, Problem> {
        match self.post_once(path, form, key).await {
            Err(problem) if problem.is_stuck() => self.post_once(path, form, &format!("{key}{AGAIN}")).await,
            outcome => outcome,
        }
    }

    /// Changes something that must not be changed twice: whoever finds that Stripe failed under the key has to see how
    /// things stand before they try another one.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
        key: &str,
    ) -> Result<T, Problem> {
        read(&self.patiently(Method::POST, path, form, Some(key)).await?)
    }

    /// Asks for something that changes nothing, in a form because it is long.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str, form: &Form) -> Result<T, Problem> {
        read(&self.patiently(Method::POST, path, form, None).await?)
    }

    /// Removes something, which is harmless to repeat by itself.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Problem> {
        self.patiently(Method::DELETE, path, &Form::new(), None).await.map(drop)
    }

    /// Everything in a list, page by page.
    pub(super) async fn all<T: DeserializeOwned + Named>(
        &self,
        path: &str,
        query: &Form,
    ) -> Result<Vec<T>, Problem> {
        let mut all: Vec<T> = Vec::new();
        loop {
            let mut query = query.clone().with("limit", 100);
            if let Some(last) = all.last() {
                query = query.with("starting_after", last.id());
            }
            let page: List<T> = self.get(path, &query).await?;
            let more = page.has_more && !page.data.is_empty();
            all.extend(page.data);
            if !more {
                return Ok(all);
            }
        }
    }

    async fn patiently(
        &self,
        method: Method,
        path: &str,
        form: &Form,
        key: Option<&str>,
    ) -> Result<Vec<u8>, Problem> {
        let mut attempt = 1;
        loop {
            let problem = match self.once(method.clone(), path, form, key).await {
                Ok(body) => return Ok(body),
                Err(problem) => problem,
            };
            if attempt == TRIES || !problem.is_transient() || problem.is_stuck() {
                return Err(problem);
            }
            let asked = problem.refusal().and_then(|refusal| refusal.retry_after);
            let wait =
                asked.unwrap_or_else(|| backoff::delay(attempt, FIRST_WAIT, LONGEST_WAIT, u64::MAX / 2));
            tracing::debug!(%method, path, attempt, error = %problem, "Stripe is asked again");
            self.clock.sleep(wait.min(LONGEST_WAIT)).await;
            attempt += 1;
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        form: &Form,
        key: Option<&str>,
    ) -> Result<Vec<u8>, Problem> {
        let url = format!("{}/v1/{path}", self.base);
        let encoded = form.encoded();
        let mut request = match method {
            Method::GET => self.http.get(format!("{url}?{encoded}")),
            method => self
                .http
                .request(method, url)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(encoded.clone()),
        };
        if let Some(key) = key {
            request = request.header("idempotency-key", bound(key, &encoded));
        }
        let answer = request.send().await.map_err(|error| Problem::Silence(error.without_url()))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(|error| Problem::Silence(error.without_url()))?;
        match status.is_success() {
            true => Ok(body.to_vec()),
            false => Err(Problem::Refusal(refusal(status.as_u16(), &headers, &body))),
        }
    }
}

/// Something with a name by which lists go on.
pub(super) trait Named {
    fn id(&self) -> &str;
}

/// A key that belongs to what is asked: Stripe refuses one that comes back with something else, such as when a
/// workspace has come since the first try.
fn bound(key: &str, form: &str) -> String {
    let digest = digest(&SHA256, form.as_bytes());
    let short: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hexabase/{key}/{short}")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(Problem::Nonsense)
}

fn refusal(status: u16, headers: &HeaderMap, body: &[u8]) -> Refusal {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // What stands in front of Stripe answers in other words.
    let details = serde_json::from_slice::<Body>(body).unwrap_or_default().error;
    Refusal {
        status,
        code: details.code.unwrap_or_default(),
        parameter: details.param.unwrap_or_default(),
        message: details.message.unwrap_or_default(),
        request_id: header("request-id").unwrap_or_default().to_owned(),
        replayed: header("idempotent-replayed") == Some("true"),
        should_retry: header("stripe-should-retry").and_then(|word| word.parse().ok()),
        retry_after: header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs),
    }
}
