use std::fmt;

use hexabase_core::error::{Error, ErrorKind, Result};
use kube::Client;
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PropagationPolicy};
use kube::core::Request;
use serde_json::Value;

use crate::error::from_kube;
use crate::labels::FIELD_MANAGER;
use crate::object::{Kind, Object};

/// How many objects come in one answer.
const PAGE: u32 = 500;

/// One Kubernetes API server, spoken to in plain JSON.
#[derive(Clone)]
pub(crate) struct ApiServer(Client);

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
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Value> {
        self.0.request(request).await.map_err(from_kube)
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
        let (mut found, mut params) = (Vec::new(), params.limit(PAGE));
        loop {
            let request = Request::new(path(kind, namespace)).list(&params).map_err(unbuildable)?;
            let mut list = self.send(request).await?;
            if let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) {
                found.extend(items);
            }
            match list.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(token) if !token.is_empty() => params = params.continue_token(token),
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
        self.0.request_text(request).await.map(drop).map_err(from_kube)
    }
}
