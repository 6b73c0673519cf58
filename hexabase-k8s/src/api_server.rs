use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hexabase_core::error::{Error, ErrorKind, Result};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::Client;
use kube::api::{DeleteParams, EvictParams, GetParams, ListParams, Patch, PatchParams, PropagationPolicy};
use kube::client::Body;
use kube::core::Request;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::{from_kube, of_answer, unreadable};
use crate::labels::FIELD_MANAGER;
use crate::object::{Kind, Object};

/// How long to wait for a pod to be asked to go.
const EVICTION: Duration = Duration::from_secs(2);
/// How many objects come on one page.
const PAGE: u32 = 500;

type Built = std::result::Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    /// `null` where there are none, as some servers say.
    items: Option<Vec<Value>>,
    #[serde(default)]
    metadata: PageMetadata,
}

#[derive(Default, Deserialize)]
struct PageMetadata {
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// How much an API server may ask of us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long an answer may take, with all its pages and with waiting as long as the server asks for.
    pub(crate) time: Duration,
    /// How long an answer may be, with all its pages.
    pub(crate) bytes: usize,
}

impl Bounds {
    /// A host cluster is the operator's.
    pub(crate) const HOST: Self = Self { time: Duration::from_secs(30), bytes: 256 << 20 };
    /// A tenant cluster may be in anybody's hands.
    pub(crate) const TENANT: Self = Self { time: Duration::from_secs(5), bytes: 8 << 20 };
}

/// One Kubernetes API server, spoken to in plain JSON.
#[derive(Clone)]
pub(crate) struct ApiServer {
    client: Client,
    bounds: Bounds,
    /// Lets so many requests be under way at a time.
    gate: Arc<Semaphore>,
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

fn unbuildable(error: kube::core::request::Error) -> Error {
    from_kube(kube::Error::BuildRequest(error))
}

/// Nothing, for what is not there.
fn optional<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl ApiServer {
    /// A server that is asked at most `concurrency` things at a time.
    pub(crate) fn new(client: Client, bounds: Bounds, concurrency: usize) -> Self {
        Self { client, bounds, gate: Arc::new(Semaphore::new(concurrency.max(1))) }
    }

    /// Sends a request, and answers what came back if that was no failure and no longer than `room`.
    async fn exchange(&self, request: http::Request<Vec<u8>>, room: usize) -> Result<Bytes> {
        let answer = self.client.send(request.map(Body::from)).await.map_err(from_kube)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), room).collect().await.map_err(|error| {
            let message = match error.is::<LengthLimitError>() {
                true => "the API server answers more than is read of it",
                false => "the API server broke off its answer",
            };
            Error::unavailable(message).caused_by(error)
        })?;
        let body = body.to_bytes();
        if status.is_success() { Ok(body) } else { Err(of_answer(status, &body)) }
    }

    /// Waits for its turn, and then for an exchange, or for several that belong together, as long as an answer may take.
    async fn in_time<T>(&self, exchange: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let _entered = self.gate.acquire().await;
        let late = |_| Error::unavailable("the API server does not answer in time");
        timeout(self.bounds.time, exchange).await.map_err(late)?
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Value> {
        let answer = self.in_time(self.exchange(request, self.bounds.bytes)).await?;
        serde_json::from_slice(&answer).map_err(unreadable)
    }

    /// An object, if there is one.
    pub(crate) async fn find(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Value>> {
        let request = Request::new(path(kind, Some(namespace))).get(name, &GetParams::default());
        optional(self.send(request.map_err(unbuildable)?).await)
    }

    /// All objects of a kind that a label selector selects, in one namespace or everywhere.
    pub(crate) async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>> {
        self.list_by(kind, namespace, ListParams::default().labels(selector)).await
    }

    /// All objects of a kind that these parameters select.
    pub(crate) async fn list_by(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        params: ListParams,
    ) -> Result<Vec<Value>> {
        self.in_time(self.pages(kind, namespace, params, Request::list)).await
    }

    /// The metadata of all objects of a kind in a namespace that a label selector selects, and nothing else of them.
    pub(crate) async fn list_metadata(
        &self,
        kind: Kind,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<Value>> {
        let params = ListParams::default().labels(selector);
        self.in_time(self.pages(kind, Some(namespace), params, Request::list_metadata)).await
    }

    async fn pages(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        params: ListParams,
        page: impl Fn(&Request, &ListParams) -> Built + Send,
    ) -> Result<Vec<Value>> {
        let (mut found, mut room, mut params) = (Vec::new(), self.bounds.bytes, params.limit(PAGE));
        loop {
            let request = page(&Request::new(path(kind, namespace)), &params).map_err(unbuildable)?;
            let answer = self.exchange(request, room).await?;
            room -= answer.len();
            let page: Page = serde_json::from_slice(&answer).map_err(unreadable)?;
            found.extend(page.items.into_iter().flatten());
            match page.metadata.next {
                Some(token) if !token.is_empty() => params = params.continue_token(&token),
                _ => return Ok(found),
            }
        }
    }

    /// Makes an object what it should be, by server-side apply. What others say about it stays, but for the
    /// fields that Hexabase renders: those are Hexabase's.
    pub(crate) async fn apply(&self, object: &Object) -> Result<()> {
        let params = PatchParams { force: true, ..PatchParams::apply(FIELD_MANAGER) };
        let request = Request::new(path(object.kind, Some(&object.namespace)));
        let request =
            request.patch(&object.name, &params, &Patch::Apply(&object.body)).map_err(unbuildable)?;
        self.send(request).await.map(drop).map_err(|error| error.with("object", object.key()))
    }

    /// Changes single fields of an object, if it is there.
    pub(crate) async fn merge(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Option<Value>> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let request = Request::new(path(kind, Some(namespace))).patch(name, &params, &Patch::Merge(patch));
        optional(self.send(request.map_err(unbuildable)?).await)
    }

    /// Removes an object, if it is there and still the one with this uid.
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
        let request = Request::new(path(kind, Some(namespace))).delete(name, &params).map_err(unbuildable)?;
        optional(self.send(request).await).map(drop)
    }

    /// Asks a pod to go, if it is there and its disruption budget lets it.
    ///
    /// # Errors
    /// `RateLimited` while its disruption budget does not: the client would ask for half a minute.
    pub(crate) async fn evict(&self, namespace: &str, pod: &str) -> Result<()> {
        let request = Request::new(path(Kind::POD, Some(namespace))).evict(pod, &EvictParams::default());
        let asked = timeout(EVICTION, self.send(request.map_err(unbuildable)?)).await;
        optional(asked.unwrap_or_else(|_| Err(Error::rate_limited(EVICTION)))).map(drop)
    }

    /// Removes all objects of a kind in a namespace that a label selector selects.
    pub(crate) async fn delete_all(&self, kind: Kind, namespace: &str, selector: &str) -> Result<()> {
        let request = Request::new(path(kind, Some(namespace)))
            .delete_collection(&DeleteParams::default(), &ListParams::default().labels(selector));
        self.send(request.map_err(unbuildable)?).await.map(drop)
    }

    /// Whether a path that answers plain text, such as `/readyz`, answers well.
    pub(crate) async fn ping(&self, path: &str) -> Result<()> {
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|error| Error::unexpected("a path is none").caused_by(error))?;
        self.in_time(self.exchange(request, self.bounds.bytes)).await.map(drop)
    }
}
