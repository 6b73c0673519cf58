//! One API server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::MutexGuard;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::authorization::{Attributes, User};
use super::kinds::KindInfo;
use super::metadata;
use super::path::{Route, Target, query, route};
use super::reply::{Outcome, Refusal, Reply};
use super::selector::Selector;
use super::state::{Change, Name, SharedState, State};
use super::watch::{WatchRequest, watch};
use super::write::WriteRequest;
use crate::labels;

/// The version of Kubernetes whose API this is.
const VERSION: (&str, &str) = ("1", "36");

pub(super) struct Cluster {
    name: String,
    state: SharedState,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Cluster({})", self.name)
    }
}

impl Cluster {
    /// A cluster with the namespaces and roles that every cluster has, and what changes in it from now on.
    pub(super) fn new(name: &str) -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (state, changes) = State::new();
        let cluster = Self { name: name.to_owned(), state: SharedState::new(state) };
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            cluster.make("", "namespaces", "", json!({ "metadata": { "name": namespace } }));
        }
        let everything = json!({ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] });
        let role = json!({ "metadata": { "name": "cluster-admin" }, "rules": [everything] });
        cluster.make("rbac.authorization.k8s.io", "clusterroles", "", role);
        (cluster, changes)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Makes an object as the cluster's own controllers do. One that is refused, or there already, is left.
    pub(super) fn make(&self, group: &str, plural: &str, namespace: &str, body: Value) {
        if let Err(refusal) = self.try_make(group, plural, namespace, body) {
            tracing::debug!(cluster = %self.name, message = %refusal.message, "a controller was refused");
        }
    }

    /// Makes an object as the cluster's own controllers do, unless it is refused.
    pub(super) fn try_make(&self, group: &str, plural: &str, namespace: &str, body: Value) -> Outcome<Value> {
        let (params, user) = (BTreeMap::new(), User::admin());
        let mut state = self.lock();
        let kind = state.kinds.of_resource(group, plural).cloned().ok_or_else(Refusal::no_such_path)?;
        let target = Target {
            group: group.to_owned(),
            version: kind.version.clone(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: None,
            subresource: None,
        };
        let request =
            WriteRequest { kind, target, params: &params, user: &user, agent: "kube-controller-manager" };
        state.create(&request, body)
    }

    /// Changes the status of an object as the cluster's own controllers do.
    pub(super) fn set_status(&self, group: &str, plural: &str, name: &Name, status: Value) {
        self.change_status(group, plural, name, |_| status);
    }

    /// As [`Self::set_status`], by what the object is now.
    pub(super) fn change_status(
        &self,
        group: &str,
        plural: &str,
        name: &Name,
        status: impl FnOnce(&Value) -> Value,
    ) {
        let mut state = self.lock();
        let Some(kind) = state.kinds.of_resource(group, plural).cloned() else { return };
        let Some(stored) = state.find(&(group.to_owned(), plural.to_owned()), name).cloned() else { return };
        let status = status(&stored.body);
        if stored.body["status"] == status {
            return;
        }
        let mut body = (*stored.body).clone();
        body["status"] = status;
        state.store(&kind, body, stored.managers.to_vec());
    }

    /// Answers a request.
    pub(super) fn answer(&self, request: &http::Request<Bytes>, user: &User) -> Reply {
        self.try_answer(request, user).unwrap_or_else(|refusal| Reply::refused(&refusal))
    }

    fn try_answer(&self, request: &http::Request<Bytes>, user: &User) -> Outcome<Reply> {
        match route(request.uri().path()) {
            Route::Health => Ok(Reply::Text("ok")),
            Route::Version => Ok(Reply::ok(json!({
                "major": VERSION.0,
                "minor": VERSION.1,
                "gitVersion": format!("v{}.{}.0+sandbox", VERSION.0, VERSION.1),
                "platform": labels::SANDBOX_PLATFORM,
            }))),
            Route::Discovery(parts) => self.lock().discover(&parts).map(Reply::ok),
            Route::Objects(target) => self.objects(request, &target, user),
            Route::Unknown => Err(Refusal::no_such_path()),
        }
    }

    fn objects(&self, request: &http::Request<Bytes>, target: &Target, user: &User) -> Outcome<Reply> {
        let params = query(request.uri().query());
        if *request.method() == Method::POST {
            let body = parse(request)?;
            if let Some(answer) = self.lock().review(user, target, &body) {
                return answer.map(|answer| Reply::Json(StatusCode::CREATED, answer));
            }
        }
        let kind = self.lock().kinds.find(&target.group, &target.version, &target.plural).cloned();
        let kind = kind.ok_or_else(Refusal::no_such_path)?;
        let known_part = match target.subresource.as_deref() {
            None => true,
            Some("status") => kind.status,
            Some("finalize") => kind.kind == "Namespace",
            Some("eviction") => kind.kind == "Pod" && *request.method() == Method::POST,
            Some(_) => false,
        };
        if !known_part || (!kind.namespaced && !target.namespace.is_empty()) {
            return Err(Refusal::no_such_path());
        }
        let wants_watch = params.get("watch").is_some_and(|watch| watch == "true" || watch == "1");
        let verb = verb(request.method(), target, wants_watch)?;
        self.lock().authorize(user, &attributes(target, verb))?;
        let reply = match verb {
            "get" => self.get(&kind, target).map(Reply::ok),
            "list" => self.list(&kind, target, &params).map(Reply::ok),
            "watch" => self.watch(kind, target, &params),
            _ => self.write(request, kind, target, &params, user),
        }?;
        Ok(if metadata::is_all_that_is_wanted(request) { metadata::alone(reply) } else { reply })
    }

    fn get(&self, kind: &KindInfo, target: &Target) -> Outcome<Value> {
        let name = target.name.clone().unwrap_or_default();
        let resource = (kind.group.clone(), kind.plural.clone());
        let missing = Refusal::not_found(&kind.qualified(), &name);
        let state = self.lock();
        state
            .find(&resource, &(target.namespace.clone(), name))
            .map(super::state::Stored::show)
            .ok_or(missing)
    }

    fn list(&self, kind: &KindInfo, target: &Target, params: &BTreeMap<String, String>) -> Outcome<Value> {
        let selector = selector(params)?;
        let limit: usize = number(params, "limit")?.unwrap_or(0);
        let after: Option<Name> = params
            .get("continue")
            .filter(|token| !token.is_empty())
            .map(|token| position(token))
            .transpose()?;
        let resource = (kind.group.clone(), kind.plural.clone());
        let state = self.lock();
        let found =
            state.scan(&resource, &target.namespace).filter(|(_, stored)| selector.matches(&stored.body));
        let mut rest = found.filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after)).peekable();
        let (mut items, mut last) = (Vec::new(), None);
        while let Some((name, stored)) = rest.next_if(|_| limit == 0 || items.len() < limit) {
            items.push(entry(kind, stored.show()));
            last = Some(name.clone());
        }
        let mut metadata = json!({ "resourceVersion": state.version().to_string() });
        if let (Some(_), Some(last)) = (rest.peek(), last) {
            metadata["continue"] = json!(URL_SAFE_NO_PAD.encode(json!([last.0, last.1]).to_string()));
            if selector_is_empty(params) {
                metadata["remainingItemCount"] = json!(rest.count());
            }
        }
        Ok(json!({
            "kind": format!("{}List", kind.kind),
            "apiVersion": kind.api_version(),
            "metadata": metadata,
            "items": items,
        }))
    }

    fn watch(&self, kind: KindInfo, target: &Target, params: &BTreeMap<String, String>) -> Outcome<Reply> {
        let request = WatchRequest {
            kind,
            namespace: target.namespace.clone(),
            selector: selector(params)?,
            after: number(params, "resourceVersion")?.filter(|version| *version > 0),
            initial_events: params.get("sendInitialEvents").is_some_and(|flag| flag == "true"),
            timeout: number(params, "timeoutSeconds")?.map(Duration::from_secs),
        };
        watch(&self.state, request).map(Reply::Stream)
    }

    fn write(
        &self,
        request: &http::Request<Bytes>,
        kind: KindInfo,
        target: &Target,
        params: &BTreeMap<String, String>,
        user: &User,
    ) -> Outcome<Reply> {
        let body = parse(request)?;
        let agent = text_header(request, &header::USER_AGENT);
        let agent = agent.split(['/', ' ']).next().filter(|agent| !agent.is_empty()).unwrap_or("unknown");
        let write = WriteRequest { kind, target: target.clone(), params, user, agent };
        let mut state = self.lock();
        match *request.method() {
            // There are no controllers here that would keep a disruption budget's count.
            Method::POST if write.target.subresource.is_some() => {
                state.delete(&write, &Value::Null).map(|_| {
                    Reply::Json(
                        StatusCode::CREATED,
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
                    )
                })
            }
            Method::POST => state.create(&write, body).map(|made| Reply::Json(StatusCode::CREATED, made)),
            Method::PUT => state.replace(&write, body).map(Reply::ok),
            Method::PATCH => {
                let media_type = text_header(request, &header::CONTENT_TYPE);
                state
                    .patch(&write, media_type.split(';').next().unwrap_or_default().trim(), &body)
                    .map(Reply::ok)
            }
            Method::DELETE if target.name.is_none() => {
                let selector = selector(params)?;
                state.delete_collection(&write, &selector).map(Reply::ok)
            }
            Method::DELETE => state.delete(&write, &body).map(Reply::ok),
            _ => Err(Refusal::method_not_allowed()),
        }
    }
}

/// An object as it stands in a list: of a built-in kind, without saying so again.
fn entry(kind: &KindInfo, mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut().filter(|_| !kind.custom) {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    object
}

fn verb(method: &Method, target: &Target, wants_watch: bool) -> Outcome<&'static str> {
    let named = target.name.is_some();
    match (method, named) {
        (&Method::GET, true) => Ok("get"),
        (&Method::GET, false) if wants_watch => Ok("watch"),
        (&Method::GET, false) => Ok("list"),
        (&Method::POST, false) => Ok("create"),
        (&Method::POST, true) if target.subresource.as_deref() == Some("eviction") => Ok("create"),
        (&Method::PUT, true) => Ok("update"),
        (&Method::PATCH, true) => Ok("patch"),
        (&Method::DELETE, true) => Ok("delete"),
        (&Method::DELETE, false) => Ok("deletecollection"),
        _ => Err(Refusal::method_not_allowed()),
    }
}

fn attributes(target: &Target, verb: &str) -> Attributes {
    let resource = match &target.subresource {
        Some(subresource) => format!("{}/{subresource}", target.plural),
        None => target.plural.clone(),
    };
    Attributes {
        verb: verb.to_owned(),
        group: target.group.clone(),
        resource,
        name: target.name.clone().unwrap_or_default(),
        // A namespace counts as lying in itself.
        namespace: match (&target.name, target.plural.as_str()) {
            (Some(name), "namespaces") => name.clone(),
            _ => target.namespace.clone(),
        },
    }
}

fn text_header<'a>(request: &'a http::Request<Bytes>, name: &header::HeaderName) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// What some clients prefer to write built-in kinds in.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The body of a request, as JSON or YAML.
fn parse(request: &http::Request<Bytes>) -> Outcome<Value> {
    let body = request.body();
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let media_type = text_header(request, &header::CONTENT_TYPE);
    if media_type == PROTOBUF {
        return Err(Refusal::unsupported_media_type(media_type));
    }
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|error| Refusal::bad_request(error.to_string()))?;
    serde_saphyr::from_str(text)
        .map_err(|error| Refusal::bad_request(format!("neither JSON nor YAML: {error}")))
}

fn number<T: std::str::FromStr>(params: &BTreeMap<String, String>, name: &str) -> Outcome<Option<T>> {
    let given = params.get(name).filter(|value| !value.is_empty());
    let wrong = || Refusal::bad_request(format!("{name} is no number"));
    given.map(|value| value.parse().map_err(|_| wrong())).transpose()
}

fn selector(params: &BTreeMap<String, String>) -> Outcome<Selector> {
    let text = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    Selector::parse(text("labelSelector"), text("fieldSelector"))
}

fn selector_is_empty(params: &BTreeMap<String, String>) -> bool {
    ["labelSelector", "fieldSelector"].iter().all(|name| params.get(*name).is_none_or(String::is_empty))
}

fn position(token: &str) -> Outcome<Name> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let parsed = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    parsed.ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}
