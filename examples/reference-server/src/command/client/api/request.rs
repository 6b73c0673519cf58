//! Requests to the API and their successful responses.

use hexabase_core::error::{Error, Result};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::PREFIX;

/// Request to the API.
#[derive(Debug, Clone)]
pub(in crate::command) struct Request {
    pub(super) method: Method,
    /// Path below `/api/v1`; a path that begins with `/auth/` is one of the server.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
    pub(super) if_version: Option<u64>,
}

impl Request {
    /// Returns a request without a body. The path is below `/api/v1` unless it begins with `/auth/`.
    pub(in crate::command) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), body: None, if_version: None }
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub(in crate::command) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub(in crate::command) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Makes the change conditional on the version of the object, the field `version` of its representation.
    #[must_use]
    pub(in crate::command) const fn if_version(mut self, version: u64) -> Self {
        self.if_version = Some(version);
        self
    }

    pub(super) fn full_path(&self) -> String {
        match self.path.starts_with("/auth/") {
            true => self.path.clone(),
            false => format!("{PREFIX}{}", self.path),
        }
    }
}

/// Successful response of the API.
#[derive(Debug)]
pub(in crate::command) struct Response {
    /// Status: a success or a redirection.
    pub(in crate::command) status: StatusCode,
    /// Target of a redirection.
    pub(in crate::command) location: Option<String>,
    /// Body; empty for the status 204.
    pub(in crate::command) text: String,
}

impl Response {
    /// Parses the body.
    ///
    /// # Errors
    /// `Unavailable` for a body of another form, such as one of a proxy.
    pub(in crate::command) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let text = if self.text.is_empty() { "null" } else { &self.text };
        serde_json::from_str(text).map_err(|error| {
            let message = format!(
                "the server sent an unexpected response ({}); check the URL of the server and the version of this program",
                self.status
            );
            Error::unavailable(message).caused_by(error)
        })
    }
}

pub(super) fn text_header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
