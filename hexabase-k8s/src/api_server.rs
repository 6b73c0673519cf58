//! Client of one Kubernetes API server, with limits on the time and size of its responses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::telemetry::Series;
use http::HeaderValue;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::api::{
    DeleteParams, EvictParams, GetParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy,
};
use kube::client::Body;
use kube::core::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::error::{from_kube, from_response, invalid_response};
use crate::labels::FIELD_MANAGER;
use crate::object::{Kind, Object};

/// Maximum duration of an eviction request.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(2);
/// Number of objects per page of a list.
const PAGE_SIZE: u32 = 500;

type BuiltRequest = std::result::Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    /// Objects of the page; `None` if the server sends `null` for an empty list.
    items: Option<Vec<Value>>,
    #[serde(default)]
    metadata: PageMetadata,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
}

const KUBERNETES_REQUEST_SECONDS: &str = "hexabase_kubernetes_request_seconds";
/// Metric series that this crate records: see [`hexabase_core::telemetry`].
pub const METRIC_SERIES: &[Series] = &[Series::histogram(
    KUBERNETES_REQUEST_SECONDS,
    &["server", "result"],
    "duration of a request to a `host` or `tenant` API server: `succeeded`, `rejected` (the server responded with an error), \
     `failed` (it did not respond) or `timeout`",
)];

/// Limits on the responses of an API server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestLimits {
    /// Kind of the server, as a label of metrics.
    server: &'static str,
    /// Maximum duration of a request, including all pages of a list and retries that the server asks for.
    pub(crate) timeout: Duration,
    /// Maximum size of a response in bytes, summed over all pages of a list.
    pub(crate) max_response_bytes: usize,
}

impl RequestLimits {
    /// Limits for a host cluster, which the operator controls.
    pub(crate) const HOST: Self =
        Self { server: "host", timeout: Duration::from_secs(30), max_response_bytes: 256 << 20 };
    /// Limits for a tenant cluster, whose control plane is not trusted.
    pub(crate) const TENANT: Self =
        Self { server: "tenant", timeout: Duration::from_secs(5), max_response_bytes: 8 << 20 };
    /// Limits for the metrics of a tenant cluster. Those of an API server with hundreds of CustomResourceDefinitions have
    /// a few MB.
    pub(crate) const METRICS: Self =
        Self { server: "tenant", timeout: Duration::from_secs(30), max_response_bytes: 32 << 20 };
}

/// Kubernetes API server that is called with plain JSON.
#[derive(Clone)]
pub(crate) struct ApiServer {
    client: Client,
    limits: RequestLimits,
    /// Bounds the number of concurrent requests.
    request_slots: Arc<Semaphore>,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ApiServer")
    }
}

fn path(kind: Kind, namespace: Option<&str>) -> String {
    let root = if kind.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group) };
    match namespace.filter(|_| kind.namespaced) {
        Some(namespace) => format!("{root}/{}/namespaces/{namespace}/{}", kind.version, kind.plural),
        None => format!("{root}/{}/{}", kind.version, kind.plural),
    }
}

fn get(path: &str) -> Result<http::Request<Vec<u8>>> {
    let request = http::Request::get(path).body(Vec::new());
    request.map_err(|error| Error::unexpected("invalid request path").caused_by(error))
}

fn invalid_request(error: kube::core::request::Error) -> Error {
    from_kube(kube::Error::BuildRequest(error))
}

/// `Yes` for a write that the API server decides on without making it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DryRun {
    Yes,
    No,
}

/// Part of the objects that a list contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    Metadata,
    Everything,
}

/// Header of requests that are sent as another user.
const IMPERSONATE_USER: &str = "impersonate-user";

/// Error of a response that is not complete.
fn aborted(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    let message = match error.is::<LengthLimitError>() {
        true => "the response of the API server exceeds the size limit",
        false => "the API server aborted its response",
    };
    Error::unavailable(message).caused_by(error)
}

/// Maps a `NotFound` error to `None`.
fn none_if_not_found<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl ApiServer {
    /// Creates a client with at most `concurrency` concurrent requests, at least one.
    pub(crate) fn new(client: Client, limits: RequestLimits, concurrency: usize) -> Self {
        Self { client, limits, request_slots: Arc::new(Semaphore::new(concurrency.max(1))) }
    }

    /// Sends a request and returns the body of a successful response of at most `max_bytes` bytes.
    async fn exchange(&self, request: http::Request<Vec<u8>>, max_bytes: usize) -> Result<Bytes> {
        let (status, body) = self.respond(request, max_bytes).await?;
        if status.is_success() { Ok(body) } else { Err(from_response(status, &body)) }
    }

    /// Sends a request and returns the status and the body of any response of at most `max_bytes` bytes.
    async fn respond(
        &self,
        request: http::Request<Vec<u8>>,
        max_bytes: usize,
    ) -> Result<(http::StatusCode, Bytes)> {
        let started = Instant::now();
        let responded = self.transfer(request, max_bytes).await;
        self.record(
            match &responded {
                Ok((status, _)) if status.is_success() => "succeeded",
                Ok(_) => "rejected",
                Err(_) => "failed",
            },
            started.elapsed(),
        );
        responded
    }

    fn record(&self, result: &'static str, duration: Duration) {
        let labels = [("server", self.limits.server), ("result", result)];
        metrics::histogram!(KUBERNETES_REQUEST_SECONDS, &labels).record(duration);
    }

    async fn transfer(
        &self,
        request: http::Request<Vec<u8>>,
        max_bytes: usize,
    ) -> Result<(http::StatusCode, Bytes)> {
        let response = self.client.send(request.map(Body::from)).await.map_err(from_kube)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), max_bytes).collect().await.map_err(aborted)?;
        Ok((status, body.to_bytes()))
    }

    /// Waits for a request slot, then runs one or more requests within one timeout.
    async fn with_timeout<T>(&self, exchange: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let _slot = self.request_slots.acquire().await;
        let timed_out = |_| {
            self.record("timeout", self.limits.timeout);
            Error::unavailable("the API server did not respond in time")
        };
        timeout(self.limits.timeout, exchange).await.map_err(timed_out)?
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Value> {
        let response = self.with_timeout(self.exchange(request, self.limits.max_response_bytes)).await?;
        serde_json::from_slice(&response).map_err(invalid_response)
    }

    /// Returns an object, or `None` if it does not exist.
    pub(crate) async fn find(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
        let request = Request::new(path(kind, Some(namespace))).get(name, &GetParams::default());
        none_if_not_found(self.send(request.map_err(invalid_request)?).await)
    }

    /// Returns all objects of a kind that match a label selector, in one namespace or in all.
    pub(crate) async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>> {
        self.list_by(kind, namespace, ListParams::default().labels(selector)).await
    }

    /// Returns all objects of a kind that match the list parameters.
    pub(crate) async fn list_by(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        params: ListParams,
    ) -> Result<Vec<Value>> {
        self.with_timeout(self.list_pages(kind, namespace, params, Request::list)).await
    }

    /// `true` if an object of a kind in a namespace matches a label selector. At most one object is read.
    pub(crate) async fn exists(&self, kind: Kind, namespace: &str, selector: &str) -> Result<bool> {
        let params = ListParams::default().labels(selector).limit(1);
        let request = Request::new(path(kind, Some(namespace))).list_metadata(&params);
        let response = self.send(request.map_err(invalid_request)?).await?;
        Ok(response.get("items").and_then(Value::as_array).is_some_and(|items| !items.is_empty()))
    }

    /// Returns only the metadata of all objects of a kind in a namespace that match the list parameters.
    pub(crate) async fn list_metadata(
        &self,
        kind: Kind,
        namespace: &str,
        params: ListParams,
    ) -> Result<Vec<Value>> {
        self.with_timeout(self.list_pages(kind, Some(namespace), params, Request::list_metadata)).await
    }

    /// Returns a page of the objects of a kind in a namespace, and the token of the next page; `None` after the last one.
    pub(crate) async fn list_page(
        &self,
        kind: Kind,
        namespace: &str,
        params: &ListParams,
        content: Content,
    ) -> Result<(Vec<Value>, Option<String>)> {
        let request = Request::new(path(kind, Some(namespace)));
        let request = match content {
            Content::Metadata => request.list_metadata(params),
            Content::Everything => request.list(params),
        };
        let response = self.send(request.map_err(invalid_request)?).await?;
        let page: Page = serde_json::from_value(response).map_err(invalid_response)?;
        Ok((page.items.unwrap_or_default(), page.metadata.next.filter(|token| !token.is_empty())))
    }

    async fn list_pages(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        params: ListParams,
        request_of: impl Fn(&Request, &ListParams) -> BuiltRequest + Send,
    ) -> Result<Vec<Value>> {
        let (mut found, mut params) = (Vec::new(), params.limit(PAGE_SIZE));
        let mut remaining_bytes = self.limits.max_response_bytes;
        loop {
            let request =
                request_of(&Request::new(path(kind, namespace)), &params).map_err(invalid_request)?;
            let response = self.exchange(request, remaining_bytes).await?;
            remaining_bytes -= response.len();
            let page: Page = serde_json::from_slice(&response).map_err(invalid_response)?;
            found.extend(page.items.into_iter().flatten());
            match page.metadata.next {
                Some(token) if !token.is_empty() => params = params.continue_token(&token),
                _ => return Ok(found),
            }
        }
    }

    /// Applies an object by server-side apply. Fields that other managers own are kept, except the fields that
    /// Hexabase
    /// renders: it takes their ownership (`force`).
    pub(crate) async fn apply(&self, object: &Object) -> Result<()> {
        let params = PatchParams { force: true, ..PatchParams::apply(FIELD_MANAGER) };
        let request = Request::new(path(object.kind, Some(&object.namespace)));
        let request =
            request.patch(&object.name, &params, &Patch::Apply(&object.body)).map_err(invalid_request)?;
        self.send(request).await.map(drop).map_err(|error| error.with("object", object.key()))
    }

    /// Changes single fields of an object by merge patch. Returns `None` if the object does not exist.
    pub(crate) async fn merge(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Option<Value>> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = Request::new(path(kind, Some(namespace))).patch(name, &params, &Patch::Merge(patch));
        none_if_not_found(self.send(request.map_err(invalid_request)?).await)
    }

    /// Deletes an object if it exists and, if `uid` is given, still has that uid.
    pub(crate) async fn delete(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        uid: Option<&str>,
    ) -> Result<()> {
        let mut params =
            DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..Default::default() };
        if let Some(uid) = uid {
            params.preconditions =
                Some(kube::api::Preconditions { uid: Some(uid.to_owned()), resource_version: None });
        }
        let request =
            Request::new(path(kind, Some(namespace))).delete(name, &params).map_err(invalid_request)?;
        none_if_not_found(self.send(request).await).map(drop)
    }

    /// Evicts a pod if it exists and its disruption budget allows it.
    ///
    /// # Errors
    /// `RateLimited` if the disruption budget forbids it; the client alone would retry for half a minute.
    pub(crate) async fn evict(&self, namespace: &str, pod: &str) -> Result<()> {
        let request = Request::new(path(Kind::POD, Some(namespace))).evict(pod, &EvictParams::default());
        let evicted = timeout(EVICTION_TIMEOUT, self.send(request.map_err(invalid_request)?)).await;
        none_if_not_found(evicted.unwrap_or_else(|_| Err(Error::rate_limited(EVICTION_TIMEOUT)))).map(drop)
    }

    /// Deletes all objects of a kind in a namespace that match a label selector.
    pub(crate) async fn delete_all(&self, kind: Kind, namespace: &str, selector: &str) -> Result<()> {
        let request = Request::new(path(kind, Some(namespace)))
            .delete_collection(&DeleteParams::default(), &ListParams::default().labels(selector));
        self.send(request.map_err(invalid_request)?).await.map(drop)
    }

    /// Returns the JSON document at a path that belongs to no kind, such as `/version`.
    pub(crate) async fn read(&self, path: &str) -> Result<Value> {
        self.send(get(path)?).await
    }

    /// Passes the body of a successful response at a path that belongs to no kind to `receive`, chunk by chunk, so that
    /// it is never in memory as a whole.
    pub(crate) async fn read_in_chunks(
        &self,
        path: &str,
        mut receive: impl FnMut(&[u8]) -> Result<()> + Send,
    ) -> Result<()> {
        let request = get(path)?;
        let transfer = async {
            let response = self.client.send(request.map(Body::from)).await.map_err(from_kube)?;
            let status = response.status();
            let mut body = Limited::new(response.into_body(), self.limits.max_response_bytes);
            if !status.is_success() {
                let message = body.collect().await.map_err(aborted)?.to_bytes();
                return Err(from_response(status, &message));
            }
            while let Some(frame) = body.frame().await {
                if let Ok(chunk) = frame.map_err(aborted)?.into_data() {
                    receive(&chunk)?;
                }
            }
            Ok(())
        };
        let exchange = async {
            let started = Instant::now();
            let read = transfer.await;
            self.record(if read.is_ok() { "succeeded" } else { "failed" }, started.elapsed());
            read
        };
        self.with_timeout(exchange).await
    }

    /// Returns the metadata of at most `limit` objects of a kind, in all namespaces, that match a label selector.
    pub(crate) async fn sample(&self, kind: Kind, selector: &str, limit: u32) -> Result<Vec<Value>> {
        let params = ListParams::default().labels(selector).limit(limit);
        let request = Request::new(path(kind, None)).list_metadata(&params).map_err(invalid_request)?;
        let response = self.send(request).await?;
        let page: Page = serde_json::from_value(response).map_err(invalid_response)?;
        Ok(page.items.unwrap_or_default())
    }

    /// Creates an object as `user`, or as itself for `None`. Returns the status code and the body of any response.
    pub(crate) async fn create_as(
        &self,
        user: Option<&str>,
        kind: Kind,
        namespace: &str,
        object: &Value,
        dry_run: DryRun,
    ) -> Result<(u16, Value)> {
        let params = PostParams { dry_run: dry_run == DryRun::Yes, field_manager: None };
        let request =
            Request::new(path(kind, Some(namespace))).create(&params, object.to_string().into_bytes());
        self.send_as(user, request.map_err(invalid_request)?).await
    }

    /// Creates a token of a ServiceAccount that expires after `lifetime`. Returns the TokenRequest.
    pub(crate) async fn create_token(
        &self,
        namespace: &str,
        account: &str,
        lifetime: Duration,
    ) -> Result<Value> {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "expirationSeconds": lifetime.as_secs() },
        });
        let request = Request::new(path(Kind::SERVICE_ACCOUNT, Some(namespace))).create_subresource(
            "token",
            account,
            &PostParams::default(),
            body.to_string().into_bytes(),
        );
        self.send(request.map_err(invalid_request)?).await
    }

    /// Changes single fields of an object as `user` by merge patch, as a dry run. Returns the status code and the
    /// body of any response.
    pub(crate) async fn dry_run_merge_as(
        &self,
        user: &str,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<(u16, Value)> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let request = Request::new(path(kind, Some(namespace))).patch(name, &params, &Patch::Merge(patch));
        self.send_as(Some(user), request.map_err(invalid_request)?).await
    }

    async fn send_as(&self, user: Option<&str>, mut request: http::Request<Vec<u8>>) -> Result<(u16, Value)> {
        if let Some(user) = user {
            let invalid = |error| Error::unexpected("invalid user name for impersonation").caused_by(error);
            request.headers_mut().insert(IMPERSONATE_USER, HeaderValue::from_str(user).map_err(invalid)?);
        }
        let (status, body) = self.with_timeout(self.respond(request, self.limits.max_response_bytes)).await?;
        Ok((status.as_u16(), serde_json::from_slice(&body).map_err(invalid_response)?))
    }

    /// Checks that a plain-text path such as `/readyz` responds with success.
    pub(crate) async fn ping(&self, path: &str) -> Result<()> {
        self.with_timeout(self.exchange(get(path)?, self.limits.max_response_bytes)).await.map(drop)
    }
}
