//! Thin HTTP client for Stripe's API: requests are forms, responses are JSON, and every call is safe to repeat.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use hexabase_core::backoff;
use hexabase_core::clock::{Clock, until};
use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use hexabase_core::telemetry::Series;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Method, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::Serializer;

use super::error::{ErrorBody, StripeApiError, StripeError};

/// Version of the API in which responses are read. Stripe keeps responding in it after newer releases
/// (<https://docs.stripe.com/api/versioning>).
pub(super) const API_VERSION: &str = "2026-10-28.endive";
/// Suffix of the idempotency key of a retry, after Stripe has stored a failure under the first key.
pub(super) const RETRY_KEY_SUFFIX: &str = "/again";
/// Maximum number of attempts of a request.
const MAX_ATTEMPTS: u32 = 3;
const INITIAL_BACKOFF: Duration = Duration::from_millis(300);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Parameters of a request: names such as `items[0][price]` with their values.
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

/// Page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

const PAYMENT_REQUEST_SECONDS: &str = "hexabase_payment_request_seconds";
/// Metric series that this crate records: see [`hexabase_core::telemetry`].
pub const METRIC_SERIES: &[Series] = &[Series::histogram(
    PAYMENT_REQUEST_SECONDS,
    &["resource", "result"],
    "duration of a request to the payment provider: `succeeded`, `rejected` or `unavailable` (may succeed later)",
)];

/// Records a request under the first segment of its path, which names a kind of object.
fn record<T>(path: &str, sent: &Result<T, StripeError>, duration: Duration) {
    let result = match sent {
        Ok(_) => "succeeded",
        Err(error) if error.is_transient() => "unavailable",
        Err(_) => "rejected",
    };
    let resource = path.split('/').next().unwrap_or_default().to_owned();
    metrics::histogram!(PAYMENT_REQUEST_SECONDS, "resource" => resource, "result" => result).record(duration);
}

/// Client of Stripe's API.
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
        let invalid =
            |_| Error::invalid("stripe_secret_key", "contains characters that no HTTP header can contain");
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.expose_secret())).map_err(invalid)?;
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
            .map_err(|error| Error::unexpected("the HTTP client cannot be created").caused_by(error))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), clock })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Form) -> Result<T, StripeError> {
        parse(&self.send_with_retries(Method::GET, path, query, None).await?)
    }

    /// Sends a change that is harmless to repeat. The idempotency key prevents a second execution
    /// (<https://docs.stripe.com/api/idempotent_requests>). If Stripe has stored a failure of its own under the key,
    /// and would replay it for a day, the change is sent again under another key.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
        key: &str,
    ) -> Result<T, StripeError> {
        match self.post_once(path, form, key).await {
            Err(error) if error.is_replayed_failure() => {
                self.post_once(path, form, &format!("{key}{RETRY_KEY_SUFFIX}")).await
            }
            outcome => outcome,
        }
    }

    /// Sends a change that must not be repeated. If Stripe has stored a failure of its own under the key, the caller
    /// must read the current state before it uses another key.
    pub(super) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
        key: &str,
    ) -> Result<T, StripeError> {
        parse(&self.send_with_retries(Method::POST, path, form, Some(key)).await?)
    }

    /// Sends a query that changes nothing, as a form because of its length.
    pub(super) async fn post_query<T: DeserializeOwned>(
        &self,
        path: &str,
        form: &Form,
    ) -> Result<T, StripeError> {
        parse(&self.send_with_retries(Method::POST, path, form, None).await?)
    }

    /// Deletes an object. A repetition is harmless by itself, so it needs no idempotency key.
    pub(super) async fn delete(&self, path: &str, form: &Form) -> Result<(), StripeError> {
        self.send_with_retries(Method::DELETE, path, form, None).await.map(drop)
    }

    /// Returns all objects of a list, page by page.
    pub(super) async fn list_all<T: DeserializeOwned + Identified>(
        &self,
        path: &str,
        query: &Form,
    ) -> Result<Vec<T>, StripeError> {
        let mut items: Vec<T> = Vec::new();
        loop {
            let mut query = query.clone().with("limit", 100);
            if let Some(last) = items.last() {
                query = query.with("starting_after", last.id());
            }
            let page: List<T> = self.get(path, &query).await?;
            let more = page.has_more && !page.data.is_empty();
            items.extend(page.data);
            if !more {
                return Ok(items);
            }
        }
    }

    async fn send_with_retries(
        &self,
        method: Method,
        path: &str,
        form: &Form,
        key: Option<&str>,
    ) -> Result<Vec<u8>, StripeError> {
        let mut attempt = 1;
        loop {
            let started_at = self.clock.now();
            let sent = self.send_once(method.clone(), path, form, key).await;
            record(path, &sent, until(started_at, self.clock.now()));
            let error = match sent {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            if attempt == MAX_ATTEMPTS || !error.is_transient() || error.is_replayed_failure() {
                return Err(error);
            }
            let retry_after = error.api_error().and_then(|api_error| api_error.retry_after);
            let wait = retry_after
                .unwrap_or_else(|| backoff::delay(attempt, INITIAL_BACKOFF, MAX_BACKOFF, u64::MAX / 2));
            tracing::debug!(%method, path, attempt, %error, "Stripe request failed; retrying");
            self.clock.sleep(wait.min(MAX_BACKOFF)).await;
            attempt += 1;
        }
    }

    async fn send_once(
        &self,
        method: Method,
        path: &str,
        form: &Form,
        key: Option<&str>,
    ) -> Result<Vec<u8>, StripeError> {
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
            request = request.header("idempotency-key", idempotency_key(key, &encoded));
        }
        let response = request.send().await.map_err(|error| StripeError::NoResponse(error.without_url()))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(|error| StripeError::NoResponse(error.without_url()))?;
        match status.is_success() {
            true => Ok(body.to_vec()),
            false => Err(StripeError::Api(api_error(status.as_u16(), &headers, &body))),
        }
    }
}

/// Object with an id, after which the next page of a list starts.
pub(super) trait Identified {
    fn id(&self) -> &str;
}

/// Returns an idempotency key that includes a digest of the form. Stripe rejects a key that is reused with other
/// parameters, such as those of a retry after a workspace was added.
fn idempotency_key(key: &str, form: &str) -> String {
    let digest = digest(&SHA256, form.as_bytes());
    let short: String = digest.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hexabase/{key}/{short}")
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, StripeError> {
    serde_json::from_slice(body).map_err(StripeError::InvalidResponse)
}

fn api_error(status: u16, headers: &HeaderMap, body: &[u8]) -> StripeApiError {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // A proxy in front of Stripe responds in another format.
    let details = serde_json::from_slice::<ErrorBody>(body).unwrap_or_default().error;
    StripeApiError {
        status,
        code: details.code.unwrap_or_default(),
        parameter: details.param.unwrap_or_default(),
        message: details.message.unwrap_or_default(),
        request_id: header("request-id").unwrap_or_default().to_owned(),
        replayed: header("idempotent-replayed") == Some("true"),
        should_retry: header("stripe-should-retry").and_then(|text| text.parse().ok()),
        retry_after: header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok()).map(Duration::from_secs),
    }
}
