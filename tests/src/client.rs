use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// Sends requests to a router.
#[derive(Debug, Clone)]
pub struct Client {
    router: Router,
    bearer: Option<String>,
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, if it is JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Client {
    /// Somebody whom nobody knows.
    #[must_use]
    pub fn anonymous(router: Router) -> Self {
        Self { router, bearer: None, headers: Vec::new() }
    }

    /// The same with a token.
    #[must_use]
    pub fn with_bearer(mut self, token: &str) -> Self {
        self.bearer = Some(token.to_owned());
        self
    }

    /// The same with another header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Sends a request with a JSON body, or none for `Null`.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let content = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = Request::builder().method(method).uri(path);
        if !body.is_null() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        self.carry(request.body(content).unwrap()).await
    }

    /// Sends any request, with this client's credentials and headers. Of an answer that goes on for ever only the
    /// head is read.
    pub async fn carry(&self, mut request: Request<Body>) -> Answer {
        if let Some(token) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let endless = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if endless { Default::default() } else { body.collect().await.unwrap().to_bytes() };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Answer { status: head.status, headers: head.headers, body, text }
    }

    /// What is at a path, which must be there.
    pub async fn get(&self, path: &str) -> Value {
        self.must(Method::GET, path, &Value::Null).await
    }

    /// Sends a request that must succeed.
    pub async fn must(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.send(method.clone(), path, body).await;
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text);
        answer.body
    }

    /// Makes something, and answers its id.
    pub async fn make(&self, path: &str, body: &Value) -> String {
        let made = self.must(Method::POST, path, body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    /// Makes a token that stands for this client and outlives its session.
    pub async fn make_token(&self) -> String {
        let wanted = serde_json::json!({ "name": "automation", "scopes": ["all"] });
        let made = self.must(Method::POST, "/api/v1/me/tokens", &wanted).await;
        made["secret"].as_str().unwrap().to_owned()
    }
}
