use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Query as UrlQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::query::{Labels, Query};

/// Default of `max_entries_limit_per_query`.
const MAX_ENTRIES: usize = 5_000;
/// Default of `max_query_length`, 30 days and 1 hour, in nanoseconds.
const MAX_QUERY_LENGTH: i128 = (30 * 24 + 1) * 3_600_000_000_000;

/// In-process stand-in for Loki on a free loopback port. It stops with the runtime that it was started in.
#[derive(Debug, Clone)]
pub struct FakeLoki {
    url: String,
    state: Arc<Mutex<Store>>,
}

#[derive(Debug, Default)]
struct Store {
    tenants: HashMap<String, Vec<Entry>>,
    needs_tenant: bool,
    failure: Option<(u16, String)>,
    queries: Vec<(HeaderMap, String)>,
}

#[derive(Debug)]
struct Entry {
    labels: Labels,
    metadata: Labels,
    at: i128,
    line: String,
}

type Shared = State<Arc<Mutex<Store>>>;

fn lock(state: &Mutex<Store>) -> MutexGuard<'_, Store> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeLoki {
    /// Starts a server with `auth_enabled: true` if requests need a tenant.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn start(needs_tenant: bool) -> Self {
        let state = Arc::new(Mutex::new(Store { needs_tenant, ..Store::default() }));
        let router = Router::new()
            .route("/loki/api/v1/push", post(receive))
            .route("/loki/api/v1/query_range", get(query_range))
            .route("/ready", get(async || "ready\n"))
            .with_state(state.clone());
        let listener =
            tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("no port is free");
        let url = format!("http://{}", listener.local_addr().expect("the listener has an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Responds to queries with this status and text from now on; `None` responds normally.
    pub fn fail_with(&self, failure: Option<(u16, &str)>) {
        lock(&self.state).failure = failure.map(|(status, text)| (status, text.to_owned()));
    }

    /// Received queries, oldest first, as headers and value of `query`.
    #[must_use]
    pub fn queries(&self) -> Vec<(HeaderMap, String)> {
        lock(&self.state).queries.clone()
    }
}

/// Writes an error as Loki does: as plain text.
fn error(status: u16, text: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(status).expect("the status is valid");
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text.into()).into_response()
}

/// Returns the tenant of a request.
fn tenant(store: &Store, headers: &HeaderMap) -> Option<String> {
    match store.needs_tenant {
        true => headers.get("x-scope-orgid").and_then(|id| id.to_str().ok()).map(str::to_owned),
        false => Some("fake".to_owned()),
    }
}

async fn receive(State(state): Shared, headers: HeaderMap, body: String) -> Response {
    let mut store = lock(&state);
    let Some(tenant) = tenant(&store, &headers) else { return error(401, "no org id\n") };
    let Some(entries) = parse_push(&body) else { return error(400, "invalid push request\n") };
    let own = store.tenants.entry(tenant).or_default();
    for entry in entries {
        let is_same = |old: &Entry| {
            (&old.labels, &old.metadata, old.at, &old.line)
                == (&entry.labels, &entry.metadata, entry.at, &entry.line)
        };
        if !own.iter().any(is_same) {
            own.push(entry);
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

fn parse_push(body: &str) -> Option<Vec<Entry>> {
    let body: Value = serde_json::from_str(body).ok()?;
    let labels = |value: &Value| -> Option<Labels> {
        let pairs = value.as_object()?.iter();
        pairs.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    let mut entries = Vec::new();
    for stream in body["streams"].as_array()? {
        for value in stream["values"].as_array()? {
            entries.push(Entry {
                labels: labels(&stream["stream"])?,
                metadata: value.get(2).map_or_else(|| Some(Labels::new()), labels)?,
                at: value[0].as_str()?.parse().ok()?,
                line: value[1].as_str()?.to_owned(),
            });
        }
    }
    Some(entries)
}

async fn query_range(
    State(state): Shared,
    headers: HeaderMap,
    UrlQuery(parameters): UrlQuery<HashMap<String, String>>,
) -> Response {
    let mut store = lock(&state);
    let text = parameters.get("query").cloned().unwrap_or_default();
    store.queries.push((headers.clone(), text.clone()));
    if let Some((status, text)) = &store.failure {
        return error(*status, text.clone());
    }
    let Some(tenant) = tenant(&store, &headers) else { return error(401, "no org id\n") };
    match select(store.tenants.get(&tenant).map_or(&[], Vec::as_slice), &text, &parameters) {
        Ok(data) => axum::Json(json!({ "status": "success", "data": data })).into_response(),
        Err(text) => error(400, text),
    }
}

fn select(entries: &[Entry], text: &str, parameters: &HashMap<String, String>) -> Result<Value, String> {
    let number = |name: &str| -> Result<i128, String> {
        let value = parameters.get(name).ok_or_else(|| format!("the stand-in needs '{name}'"))?;
        value.parse().map_err(|_| format!("could not parse '{name}' parameter"))
    };
    let (start, end) = (number("start")?, number("end")?);
    let limit = usize::try_from(number("limit")?).ok().filter(|limit| *limit > 0);
    let limit = limit.ok_or("limit must be a positive value")?;
    if end < start {
        return Err("end timestamp must not be before or equal to start time".to_owned());
    }
    if limit > MAX_ENTRIES {
        return Err(format!(
            "max entries limit per query exceeded, limit > max_entries_limit_per_query ({limit} > {MAX_ENTRIES})"
        ));
    }
    if end - start > MAX_QUERY_LENGTH {
        return Err(
            "the query time range exceeds the limit (query length: 722h0m0s, limit: 721h0m0s)".to_owned()
        );
    }
    let is_forward = match parameters.get("direction").map(|direction| direction.to_lowercase()).as_deref() {
        Some("forward") => true,
        None | Some("backward") => false,
        Some(other) => return Err(format!("invalid direction '{other}'")),
    };
    let query = Query::parse(text)?;
    let mut found: Vec<(&Entry, Labels)> = Vec::new();
    for entry in
        entries.iter().filter(|entry| (start..end).contains(&entry.at) && query.selects(&entry.labels))
    {
        // Structured metadata is among the labels of the response.
        let labels: Labels = entry.labels.clone().into_iter().chain(entry.metadata.clone()).collect();
        if query.passes(&labels, &entry.line) {
            found.push((entry, labels));
        }
    }
    found.sort_by_key(|(entry, _)| if is_forward { entry.at } else { -entry.at });
    found.truncate(limit);
    let mut streams: Vec<(Labels, Vec<Value>)> = Vec::new();
    for (entry, labels) in found {
        let value = json!([entry.at.to_string(), entry.line]);
        match streams.iter_mut().find(|(existing, _)| *existing == labels) {
            Some((_, values)) => values.push(value),
            None => streams.push((labels, vec![value])),
        }
    }
    // Streams are in the order of their labels, not of time.
    streams.sort_by(|(labels, _), (other, _)| labels.cmp(other));
    let result: Vec<Value> =
        streams.into_iter().map(|(labels, values)| json!({ "stream": labels, "values": values })).collect();
    Ok(json!({ "resultType": "streams", "result": result, "stats": {} }))
}

/// Writes lines into a Loki, real or not, each as labels, structured metadata, time in nanoseconds and text, as the
/// tenant `tenant` unless it is empty.
///
/// # Panics
/// If Loki rejects them.
pub async fn push(url: &str, tenant: &str, lines: &[(Value, Value, i128, &str)]) {
    let streams: Vec<Value> = lines
        .iter()
        .map(|(labels, metadata, at, text)| json!({ "stream": labels, "values": [[at.to_string(), text, metadata]] }))
        .collect();
    let client = reqwest::Client::builder().build().expect("the client is valid");
    let request = client.post(format!("{url}/loki/api/v1/push")).json(&json!({ "streams": streams }));
    let request = if tenant.is_empty() { request } else { request.header("x-scope-orgid", tenant) };
    let response = request.send().await.expect("Loki cannot be reached");
    let status = response.status();
    assert!(status.is_success(), "{status}: {}", response.text().await.unwrap_or_default());
}
