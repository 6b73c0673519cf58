use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// Client that sends requests to a router in this process.
#[derive(Debug, Clone)]
pub struct Client {
    router: Router,
    bearer: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// Response to a request.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as JSON; `Null` if it is not JSON.
    pub body: Value,
    /// Body as text.
    pub text: String,
}

impl Client {
    /// Creates a client without credentials.
    #[must_use]
    pub fn anonymous(router: Router) -> Self {
        Self { router, bearer: None, headers: Vec::new() }
    }

    /// Sets the bearer token.
    #[must_use]
    pub fn with_bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    /// Returns the bearer token.
    #[must_use]
    pub fn bearer(&self) -> &str {
        self.bearer.as_deref().unwrap()
    }

    /// Adds a header to every request.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends a request with a JSON body, or without a body for `Null`.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        let content = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_null() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.send_request(request.body(content).unwrap()).await
    }

    /// Sends a request with the credentials and headers of this client. The body of an event stream is not read,
    /// because it never ends.
    pub async fn send_request(&self, mut request: Request<Body>) -> Response {
        if let Some(token) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let is_stream =
            head.headers.get(CONTENT_TYPE).is_some_and(|content_type| content_type == "text/event-stream");
        let bytes = if is_stream { Default::default() } else { body.collect().await.unwrap().to_bytes() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Response { status: head.status, headers: head.headers, body, text }
    }

    /// Sends a `GET` request, which must succeed, and returns the body.
    pub async fn get(&self, path: &str) -> Value {
        self.send_ok(Method::GET, path, &Value::Null).await
    }

    /// Sends a request, which must succeed, and returns the body.
    pub async fn send_ok(&self, method: Method, path: &str, body: &Value) -> Value {
        let response = self.send(method.clone(), path, body).await;
        assert!(response.status.is_success(), "{method} {path}: {} {}", response.status, response.text);
        response.body
    }

    /// Creates an object with a `POST` request and returns its id.
    pub async fn create(&self, path: &str, body: &Value) -> String {
        let created = self.send_ok(Method::POST, path, body).await;
        created["id"].as_str().unwrap().to_owned()
    }

    /// Creates an API token with all scopes for the user of this client. The token outlives the user's session.
    pub async fn create_token(&self) -> String {
        let request = serde_json::json!({ "name": "automation", "scopes": ["all"] });
        let created = self.send_ok(Method::POST, "/api/v1/me/tokens", &request).await;
        created["secret"].as_str().unwrap().to_owned()
    }
}
