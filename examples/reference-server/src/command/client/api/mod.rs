//! Client for the API of a server (`/api/v1`), for the commands that people and CI jobs run.
//!
//! [`Api::connect`] uses the API token in `HEXABASE_TOKEN`, or else the token of a CI job, or else the saved login, which acts
//! as the user and is refreshed when the server rejects it. Requests that the server cannot process now are repeated a few times, creations
//! with one `Idempotency-Key`. Error responses become errors of the kind that their status means; see [`problem`].

mod bearer;
mod events;
pub(in crate::command) mod names;
mod problem;
mod request;
mod retry;

use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::{IdSourceExt as _, SystemIds};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;

use self::bearer::Bearer;
pub(in crate::command) use self::events::{EventStream, StreamEvent};
pub(in crate::command) use self::request::{Request, Response};
use super::context::{Context, Contexts};
use super::saved_logins::SavedLogins;
use super::{Server, ServerArgs};

/// Prefix of the paths of the API.
const PREFIX: &str = "/api/v1";
/// Number of items per page of a list.
const PAGE_SIZE: usize = 200;
/// Maximum size in bytes of the body of a response.
const MAX_RESPONSE_SIZE: usize = 64 << 20;
/// Duration of a stream of events after which it is opened again.
const STREAM_TIMEOUT: Duration = Duration::from_hours(24);

/// Items of a list, up to a maximum number.
#[derive(Debug)]
pub(in crate::command) struct Items<T> {
    /// Items in the order of the server.
    pub(in crate::command) items: Vec<T>,
    /// `true` if the list has more items.
    pub(in crate::command) truncated: bool,
}

/// Page of a list.
#[derive(serde::Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

/// Client for the API of a server, with the credential of the user.
pub(in crate::command) struct Api {
    server: Server,
    bearer: Bearer,
    /// Remembered organization and workspace.
    context: Context,
}

impl Api {
    /// Returns a client for the selected server, or else the one of the remembered context or of the only login, with
    /// the credential of the user.
    ///
    /// # Errors
    /// - `Invalid` if several servers are possible, or the URL is not allowed.
    /// - `Unauthenticated` without a server.
    pub(in crate::command) fn connect(args: &ServerArgs) -> Result<Self> {
        let (logins, context) = (SavedLogins::read()?, Contexts::read()?.current()?);
        let server = args.connect_or(context.server.as_deref(), &logins)?;
        let is_of_server = context.server.as_deref() == Some(server.url.as_str());
        let context = if is_of_server { context } else { Context::default() };
        Ok(Self { server, bearer: Bearer::from_environment(), context })
    }

    /// Returns the organization and workspace that are remembered for the server and the current directory.
    pub(in crate::command) const fn context(&self) -> &Context {
        &self.context
    }

    /// Returns the URL of the server, without a trailing slash.
    pub(in crate::command) fn url(&self) -> &str {
        &self.server.url
    }

    /// Sends a request, and returns the successful response. A request that the server cannot process now (429 and 503)
    /// is repeated, and a rejected login or token of a job is refreshed once.
    ///
    /// # Errors
    /// The error that the problem document of the response means: `Invalid`, `Unauthenticated`, `Forbidden`, `NotFound`,
    /// `AlreadyExists`, `Conflict` (with the code `version_conflict` if `If-Match` failed), `QuotaExceeded`,
    /// `RateLimited` or `Unavailable`; `Unavailable` also if the server does not respond.
    pub(in crate::command) async fn send(&self, request: &Request) -> Result<Response> {
        let response = self.send_once_accepted(request, None).await?;
        let status = response.status();
        let location = request::text_header(response.headers(), "location");
        let text = self.read_text(response).await?;
        Ok(Response { status, location, text })
    }

    /// Returns the object at a path.
    ///
    /// # Errors
    /// See [`Self::send`].
    pub(in crate::command) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(&Request::new(Method::GET, path)).await?.parse()
    }

    /// Returns the items of a list from all pages, at most `max`.
    ///
    /// # Errors
    /// See [`Self::send`].
    pub(in crate::command) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        max: usize,
    ) -> Result<Items<T>> {
        let mut items: Vec<T> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut request = Request::new(Method::GET, path);
            for (name, value) in query {
                request = request.query(name, value);
            }
            let size = (max - items.len()).clamp(1, PAGE_SIZE);
            request = request.query("limit", &size.to_string());
            if let Some(cursor) = &cursor {
                request = request.query("cursor", cursor);
            }
            let page: Page<T> = self.send(&request).await?.parse()?;
            items.extend(page.items);
            let more = page.next_cursor.is_some();
            if !more || items.len() >= max {
                let truncated = more || items.len() > max;
                items.truncate(max);
                return Ok(Items { items, truncated });
            }
            cursor = page.next_cursor;
        }
    }

    /// Returns the items of a list that the server does not divide into pages.
    ///
    /// # Errors
    /// See [`Self::send`].
    pub(in crate::command) async fn list_unpaged<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<Items<T>> {
        let mut request = Request::new(Method::GET, path);
        for (name, value) in query {
            request = request.query(name, value);
        }
        let page: Page<T> = self.send(&request).await?.parse()?;
        Ok(Items { items: page.items, truncated: page.next_cursor.is_some() })
    }

    /// Opens a stream of server-sent events, after the event with an id or at its end.
    ///
    /// # Errors
    /// See [`Self::send`].
    pub(in crate::command) async fn stream(
        &self,
        request: &Request,
        after: Option<&str>,
    ) -> Result<EventStream> {
        let response = self.send_once_accepted(request, Some(after.unwrap_or_default())).await?;
        Ok(EventStream::new(response, self.server.url.clone()))
    }

    /// Sends a request until the server accepts it or rejects it finally. With `last_event_id` it opens a stream, which
    /// resumes after that event unless it is empty.
    async fn send_once_accepted(
        &self,
        request: &Request,
        last_event_id: Option<&str>,
    ) -> Result<reqwest::Response> {
        let key = (request.method == Method::POST).then(random_key);
        let mut attempt = 0;
        let mut bearer = self.bearer.get(&self.server).await?;
        let mut is_renewed = false;
        loop {
            let response = self.transmit(request, key.as_deref(), last_event_id, &bearer).await?;
            let status = response.status();
            if status.is_success() || status.is_redirection() {
                return Ok(response);
            }
            if status == StatusCode::UNAUTHORIZED && self.bearer.is_renewable() && !is_renewed {
                bearer = self.bearer.renew(&self.server, &bearer).await?;
                is_renewed = true;
                continue;
            }
            let retry_after = retry::parse_retry_after(response.headers());
            let Some(delay) = retry::delay(status, retry_after, attempt) else {
                let text = self.read_text(response).await?;
                return Err(problem::into_error(
                    status,
                    &text,
                    retry_after,
                    &self.bearer.remedy(&self.server),
                ));
            };
            tracing::debug!(%status, ?delay, attempt, "request is repeated");
            tokio::time::sleep(delay).await;
            attempt += 1;
        }
    }

    async fn transmit(
        &self,
        request: &Request,
        key: Option<&str>,
        last_event_id: Option<&str>,
        bearer: &str,
    ) -> Result<reqwest::Response> {
        let mut url = format!("{}{}", self.server.url, request.full_path());
        if !request.query.is_empty() {
            let pairs: Vec<(&str, &str)> =
                request.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            url = format!("{url}?{}", super::encode_form(&pairs)?);
        }
        let mut sent = self.server.http.request(request.method.clone(), url).bearer_auth(bearer);
        if let Some(body) = &request.body {
            sent = sent.json(body);
        }
        if let Some(version) = request.if_version {
            sent = sent.header("if-match", format!("\"{version}\""));
        }
        if let Some(key) = key {
            sent = sent.header("idempotency-key", key);
        }
        if let Some(id) = last_event_id {
            sent = sent.header("accept", "text/event-stream").timeout(STREAM_TIMEOUT);
            if !id.is_empty() {
                sent = sent.header("last-event-id", id);
            }
        }
        sent.send().await.map_err(|error| self.unreachable(error))
    }

    async fn read_text(&self, mut response: reqwest::Response) -> Result<String> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_RESPONSE_SIZE {
                return Err(Error::unavailable(
                    "the response of the server is too large; select less with filters",
                ));
            }
        }
        let invalid = |error| Error::unavailable("the response of the server is not text").caused_by(error);
        String::from_utf8(bytes).map_err(invalid)
    }

    fn unreachable(&self, error: reqwest::Error) -> Error {
        self.server.unreachable(error)
    }
}

fn random_key() -> String {
    format!("{:032x}", u128::from_be_bytes(SystemIds::default().bytes()))
}

#[cfg(test)]
mod tests;
