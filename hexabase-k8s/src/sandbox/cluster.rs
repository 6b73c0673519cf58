//! One API server of the sandbox.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::MutexGuard;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hexabase_core::clock::{Clock as _, SystemClock};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::authorization::{Attributes, User};
use super::default_roles;
use super::kinds::KindInfo;
use super::partial_metadata;
use super::patch;
use super::path::{Route, Target, query, route};
use super::protobuf;
use super::request_counters::RequestCounters;
use super::response::{ApiResponse, StatusError, StatusResult};
use super::scale;
use super::selector::Selector;
use super::state::{Change, Name, SharedState, State};
use super::table;
use super::watch::{WatchRequest, watch};
use super::write::WriteRequest;
use crate::labels;

/// Kubernetes version that the API corresponds to, as major and minor.
const VERSION: (&str, &str) = ("1", "36");

pub(super) struct Cluster {
    name: String,
    state: SharedState,
    requests: RequestCounters,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Cluster({})", self.name)
    }
}

impl Cluster {
    /// Cluster with the namespaces and roles that every cluster has, and the stream of its changes.
    pub(super) fn new(name: &str) -> (Self, mpsc::UnboundedReceiver<Change>) {
        let (state, changes) = State::new();
        let cluster = Self {
            name: name.to_owned(),
            state: SharedState::new(state),
            requests: RequestCounters::default(),
        };
        for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            cluster.create_as_controller("", "namespaces", "", json!({ "metadata": { "name": namespace } }));
        }
        for (plural, body) in default_roles::all() {
            cluster.create_as_controller(default_roles::GROUP, plural, "", body);
        }
        (cluster, changes)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Creates an object on behalf of the cluster's own controllers. A rejection, also of an object that exists
    /// already, is only logged.
    pub(super) fn create_as_controller(&self, group: &str, plural: &str, namespace: &str, body: Value) {
        if let Err(error) = self.try_create_as_controller(group, plural, namespace, body) {
            tracing::debug!(cluster = %self.name, message = %error.message, "controller write rejected; object not created");
        }
    }

    /// Creates an object on behalf of the cluster's own controllers.
    pub(super) fn try_create_as_controller(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        body: Value,
    ) -> StatusResult<Value> {
        let (params, user) = (BTreeMap::new(), User::admin());
        let mut state = self.lock();
        let kind = state.kinds.of_resource(group, plural).cloned().ok_or_else(StatusError::no_such_path)?;
        let target = Target {
            group: group.to_owned(),
            version: kind.version.clone(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: None,
            subresource: None,
        };
        let request = WriteRequest {
            kind,
            target,
            params: &params,
            user: &user,
            agent: "kube-controller-manager",
            is_internal: true,
        };
        state.create(&request, body)
    }

    /// Sets the status of an object on behalf of the cluster's own controllers.
    pub(super) fn set_status(&self, group: &str, plural: &str, name: &Name, status: Value) {
        self.update_status(group, plural, name, |_| status);
    }

    /// As [`Self::set_status`], computed from the current object.
    pub(super) fn update_status(
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

    /// Processes a request.
    pub(super) fn respond(&self, request: &http::Request<Bytes>, user: &User) -> ApiResponse {
        let response =
            self.try_respond(request, user).unwrap_or_else(|error| ApiResponse::from_error(&error));
        self.requests.count(request.method(), response.status());
        response
    }

    fn try_respond(&self, request: &http::Request<Bytes>, user: &User) -> StatusResult<ApiResponse> {
        let user = &*self.lock().impersonate(user, request.headers())?;
        let (route, path) = (route(request.uri().path()), request.uri().path());
        if !matches!(route, Route::Objects(_)) {
            self.lock().authorize_path(user, &request.method().as_str().to_lowercase(), path)?;
        }
        match route {
            Route::Health => Ok(ApiResponse::Text("ok".to_owned())),
            Route::Metrics => Ok(ApiResponse::Text(self.requests.to_text())),
            Route::Version => Ok(ApiResponse::ok(json!({
                "major": VERSION.0,
                "minor": VERSION.1,
                "gitVersion": format!("v{}.{}.0+sandbox", VERSION.0, VERSION.1),
                "platform": labels::SANDBOX_PLATFORM,
            }))),
            Route::Discovery(parts) => self.lock().discover(&parts).map(ApiResponse::ok),
            Route::OpenApi(parts) => self.lock().openapi(&parts).map(ApiResponse::ok),
            Route::Objects(target) => self.objects(request, &target, user),
            Route::Unknown => Err(StatusError::no_such_path()),
        }
    }

    fn objects(
        &self,
        request: &http::Request<Bytes>,
        target: &Target,
        user: &User,
    ) -> StatusResult<ApiResponse> {
        let params = query(request.uri().query());
        if *request.method() == Method::POST {
            let body = parse_body(request)?;
            if let Some(review) = self.lock().review(user, target, &body) {
                return review.map(|review| ApiResponse::Json(StatusCode::CREATED, review));
            }
        }
        let kind = self.lock().kinds.find(&target.group, &target.version, &target.plural).cloned();
        let kind = kind.ok_or_else(StatusError::no_such_path)?;
        let is_known_subresource = match target.subresource.as_deref() {
            None => true,
            Some("status") => kind.has_status,
            Some("scale") => scale::is_scalable(&kind),
            Some("finalize") => kind.kind == "Namespace",
            Some("eviction") => kind.kind == "Pod" && *request.method() == Method::POST,
            Some("token") => kind.kind == "ServiceAccount" && *request.method() == Method::POST,
            Some(_) => false,
        };
        if !is_known_subresource || (!kind.namespaced && !target.namespace.is_empty()) {
            return Err(StatusError::no_such_path());
        }
        let is_watch = params.get("watch").is_some_and(|watch| watch == "true" || watch == "1");
        let verb = verb(request.method(), target, is_watch)?;
        self.lock().authorize(user, &attributes(target, verb))?;
        if target.subresource.as_deref() == Some("scale") {
            return self.scale(request, kind, target, &params, user).map(ApiResponse::ok);
        }
        if target.subresource.as_deref() == Some("token") {
            let issued = self.lock().issue_bound_token(target, parse_body(request)?, SystemClock.now())?;
            return Ok(ApiResponse::Json(StatusCode::CREATED, issued));
        }
        let kind_name = kind.kind.clone();
        let response = match verb {
            "get" => self.get(&kind, target).map(ApiResponse::ok),
            "list" => self.list(&kind, target, &params).map(ApiResponse::ok),
            "watch" => self.watch(kind, target, &params),
            _ => self.write(request, kind, target, &params, user),
        }?;
        Ok(if partial_metadata::is_requested(request) {
            partial_metadata::reduce(response)
        } else if table::is_requested(request) && ["get", "list", "watch"].contains(&verb) {
            table::render(response, &kind_name, table::IncludeObject::parse(params.get("includeObject")))
        } else {
            response
        })
    }

    fn get(&self, kind: &KindInfo, target: &Target) -> StatusResult<Value> {
        let name = target.name.clone().unwrap_or_default();
        let resource = (kind.group.clone(), kind.plural.clone());
        let missing = StatusError::not_found(&kind.qualified(), &name);
        let state = self.lock();
        state
            .find(&resource, &(target.namespace.clone(), name))
            .map(super::state::Stored::with_managed_fields)
            .ok_or(missing)
    }

    fn list(
        &self,
        kind: &KindInfo,
        target: &Target,
        params: &BTreeMap<String, String>,
    ) -> StatusResult<Value> {
        let selector = parse_selector(params)?;
        let limit: usize = parse_number(params, "limit")?.unwrap_or(0);
        let start_after: Option<Name> = params
            .get("continue")
            .filter(|token| !token.is_empty())
            .map(|token| parse_continue_token(token))
            .transpose()?;
        let resource = (kind.group.clone(), kind.plural.clone());
        let state = self.lock();
        let found =
            state.scan(&resource, &target.namespace).filter(|(_, stored)| selector.matches(&stored.body));
        let mut rest = found
            .filter(|(name, _)| start_after.as_ref().is_none_or(|start_after| *name > start_after))
            .peekable();
        let (mut items, mut last) = (Vec::new(), None);
        while let Some((name, stored)) = rest.next_if(|_| limit == 0 || items.len() < limit) {
            items.push(list_item(kind, stored.with_managed_fields()));
            last = Some(name.clone());
        }
        let mut metadata = json!({ "resourceVersion": state.version().to_string() });
        if let (Some(_), Some(last)) = (rest.peek(), last) {
            metadata["continue"] = json!(URL_SAFE_NO_PAD.encode(json!([last.0, last.1]).to_string()));
            if has_no_selector(params) {
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

    fn watch(
        &self,
        kind: KindInfo,
        target: &Target,
        params: &BTreeMap<String, String>,
    ) -> StatusResult<ApiResponse> {
        let request = WatchRequest {
            kind,
            namespace: target.namespace.clone(),
            selector: parse_selector(params)?,
            after_version: parse_number(params, "resourceVersion")?.filter(|version| *version > 0),
            initial_events: params.get("sendInitialEvents").is_some_and(|flag| flag == "true"),
            timeout: parse_number(params, "timeoutSeconds")?.map(Duration::from_secs),
        };
        watch(&self.state, request).map(ApiResponse::Stream)
    }

    /// Returns the scale of a workload, after changing it unless the request only reads.
    fn scale(
        &self,
        request: &http::Request<Bytes>,
        kind: KindInfo,
        target: &Target,
        params: &BTreeMap<String, String>,
        user: &User,
    ) -> StatusResult<Value> {
        let target = Target { subresource: None, ..target.clone() };
        let live = self.get(&kind, &target)?;
        if *request.method() == Method::GET {
            return Ok(scale::scale_of(&live));
        }
        let write =
            WriteRequest { kind, target, params, user, agent: user_agent(request), is_internal: false };
        let body = parse_body(request)?;
        let mut scale = scale::scale_of(&live);
        match (request.method(), text_header(request, &header::CONTENT_TYPE)) {
            (&Method::PUT, _) => scale = body,
            (_, "application/merge-patch+json") => patch::merge_patch(&mut scale, &body),
            (_, "application/json-patch+json") => patch::json_patch(&mut scale, &body)?,
            (_, other) => return Err(StatusError::unsupported_media_type(other)),
        }
        let changed = scale::change(&scale)?;
        let updated = self.lock().patch(&write, "application/merge-patch+json", &changed)?;
        Ok(scale::scale_of(&updated))
    }

    fn write(
        &self,
        request: &http::Request<Bytes>,
        kind: KindInfo,
        target: &Target,
        params: &BTreeMap<String, String>,
        user: &User,
    ) -> StatusResult<ApiResponse> {
        let body = parse_body(request)?;
        let write = WriteRequest {
            kind,
            target: target.clone(),
            params,
            user,
            agent: user_agent(request),
            is_internal: false,
        };
        let mut state = self.lock();
        match *request.method() {
            // Eviction deletes at once: no controller here computes the status of PodDisruptionBudgets.
            Method::POST if write.target.subresource.is_some() => {
                state.delete(&write, &Value::Null).map(|_| {
                    ApiResponse::Json(
                        StatusCode::CREATED,
                        json!({ "kind": "Status", "apiVersion": "v1", "status": "Success" }),
                    )
                })
            }
            Method::POST => {
                state.create(&write, body).map(|created| ApiResponse::Json(StatusCode::CREATED, created))
            }
            Method::PUT => state.replace(&write, body).map(ApiResponse::ok),
            Method::PATCH => {
                let media_type = text_header(request, &header::CONTENT_TYPE);
                state
                    .patch(&write, media_type.split(';').next().unwrap_or_default().trim(), &body)
                    .map(ApiResponse::ok)
            }
            Method::DELETE if target.name.is_none() => {
                let selector = parse_selector(params)?;
                state.delete_collection(&write, &selector).map(ApiResponse::ok)
            }
            Method::DELETE => state.delete(&write, &body).map(ApiResponse::ok),
            _ => Err(StatusError::method_not_allowed()),
        }
    }
}

/// Object as an item of a list: items of built-in kinds omit `apiVersion` and `kind`.
fn list_item(kind: &KindInfo, mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut().filter(|_| !kind.custom) {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    object
}

fn verb(method: &Method, target: &Target, is_watch: bool) -> StatusResult<&'static str> {
    let named = target.name.is_some();
    match (method, named) {
        (&Method::GET, true) => Ok("get"),
        (&Method::GET, false) if is_watch => Ok("watch"),
        (&Method::GET, false) => Ok("list"),
        (&Method::POST, false) => Ok("create"),
        (&Method::POST, true) if matches!(target.subresource.as_deref(), Some("eviction" | "token")) => {
            Ok("create")
        }
        (&Method::PUT, true) => Ok("update"),
        (&Method::PATCH, true) => Ok("patch"),
        (&Method::DELETE, true) => Ok("delete"),
        (&Method::DELETE, false) => Ok("deletecollection"),
        _ => Err(StatusError::method_not_allowed()),
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
        // A request for a namespace counts as a request within it.
        namespace: match (&target.name, target.plural.as_str()) {
            (Some(name), "namespaces") => name.clone(),
            _ => target.namespace.clone(),
        },
    }
}

fn text_header<'a>(request: &'a http::Request<Bytes>, name: &header::HeaderName) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Name of the client program, from its user agent.
fn user_agent(request: &http::Request<Bytes>) -> &str {
    let agent = text_header(request, &header::USER_AGENT);
    agent.split(['/', ' ']).next().filter(|agent| !agent.is_empty()).unwrap_or("unknown")
}

/// Body of a request, from JSON, YAML or Protobuf; null if empty.
fn parse_body(request: &http::Request<Bytes>) -> StatusResult<Value> {
    let body = request.body();
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let media_type = text_header(request, &header::CONTENT_TYPE);
    if media_type.starts_with(protobuf::MEDIA_TYPE) {
        return protobuf::decode(body);
    }
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let text = std::str::from_utf8(body).map_err(|error| StatusError::bad_request(error.to_string()))?;
    serde_saphyr::from_str(text)
        .map_err(|error| StatusError::bad_request(format!("the body is neither JSON nor YAML: {error}")))
}

fn parse_number<T: std::str::FromStr>(
    params: &BTreeMap<String, String>,
    name: &str,
) -> StatusResult<Option<T>> {
    let value = params.get(name).filter(|value| !value.is_empty());
    let invalid = || StatusError::bad_request(format!("{name} is not a number"));
    value.map(|value| value.parse().map_err(|_| invalid())).transpose()
}

fn parse_selector(params: &BTreeMap<String, String>) -> StatusResult<Selector> {
    let text = |name: &str| params.get(name).map(String::as_str).unwrap_or_default();
    Selector::parse(text("labelSelector"), text("fieldSelector"))
}

fn has_no_selector(params: &BTreeMap<String, String>) -> bool {
    ["labelSelector", "fieldSelector"].iter().all(|name| params.get(*name).is_none_or(String::is_empty))
}

fn parse_continue_token(token: &str) -> StatusResult<Name> {
    let decoded = URL_SAFE_NO_PAD.decode(token).ok();
    let parsed = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    parsed.ok_or_else(|| StatusError::bad_request("continue key is not valid"))
}
