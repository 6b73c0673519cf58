use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::IntoResponse;
use hexabase_core::error::ErrorKind;
use hexabase_core::secret::SecretString;
use serde_json::{Value, json};

use super::*;

/// Status, value of `Retry-After`, and body.
type Prepared = (u16, &'static str, String);

/// Server with prepared responses, which records the requests.
#[derive(Clone, Default)]
struct FakeServer {
    responses: Arc<Mutex<VecDeque<Prepared>>>,
    requests: Arc<Mutex<Vec<(String, HeaderMap, String)>>>,
}

impl FakeServer {
    /// Starts a server that sends these statuses, values of `Retry-After` and bodies, and returns a client for it.
    async fn start(responses: &[(u16, &'static str, Value)]) -> (Self, Api) {
        let server = Self::default();
        let prepared = responses.iter().map(|(status, retry, body)| (*status, *retry, body.to_string()));
        server.responses.lock().unwrap().extend(prepared);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(respond).with_state(server.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        let bearer = Bearer::Token(SecretString::from("hxt_secret"));
        (server, Api { server: Server::new(url, None).unwrap(), bearer, context: Context::default() })
    }

    /// Returns the values of a header of all requests.
    fn header(&self, name: &str) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(_, headers, _)| Some(headers.get(name)?.to_str().unwrap().to_owned())).collect()
    }

    fn paths(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(path, _, _)| path.clone()).collect()
    }
}

async fn respond(
    State(server): State<FakeServer>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let body = String::from_utf8(body.to_vec()).unwrap();
    server.requests.lock().unwrap().push((uri.to_string(), headers, body));
    let (status, retry, body) = server.responses.lock().unwrap().pop_front().unwrap();
    let status = axum::http::StatusCode::from_u16(status).unwrap();
    (status, [("retry-after", retry)], body)
}

fn create() -> Request {
    Request::new(Method::POST, "/organizations").body(json!({ "name": "acme" }))
}

#[tokio::test]
async fn a_creation_is_repeated_with_one_idempotency_key() {
    let responses = [(429, "0", json!({})), (503, "0", json!({})), (201, "", json!({ "id": "org_1" }))];
    let (server, api) = FakeServer::start(&responses).await;
    let created: Value = api.send(&create()).await.unwrap().parse().unwrap();
    assert_eq!(created["id"], "org_1");
    let keys = server.header("idempotency-key");
    assert!(keys.len() == 3 && keys[0].is_some() && keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(server.header("authorization")[0].as_deref(), Some("Bearer hxt_secret"));
    let bodies: Vec<String> =
        server.requests.lock().unwrap().iter().map(|(_, _, body)| body.clone()).collect();
    assert_eq!(bodies, ["{\"name\":\"acme\"}"; 3]);

    // Another creation has another key.
    server.responses.lock().unwrap().push_back((201, "", "{}".to_owned()));
    api.send(&create()).await.unwrap();
    assert_ne!(server.header("idempotency-key")[3], keys[0]);
}

#[tokio::test]
async fn repetition_is_bounded_and_other_errors_are_final() {
    let limited = (429, "0", json!({ "detail": "too many requests", "code": "rate_limited" }));
    let (server, api) = FakeServer::start(&vec![limited; 9]).await;
    let error = api.send(&create()).await.unwrap_err();
    assert_eq!((error.kind(), server.paths().len()), (ErrorKind::RateLimited, 5));

    let rejected = (401, "", json!({ "detail": "invalid credentials", "code": "unauthenticated" }));
    let (server, api) = FakeServer::start(&[rejected]).await;
    let error = api.get::<Value>("/organizations").await.unwrap_err().to_string();
    assert!(error.contains("HEXABASE_TOKEN") && !error.contains("hxt_secret"), "{error}");
    assert_eq!(server.paths(), ["/api/v1/organizations"]);
}

#[tokio::test]
async fn lists_are_read_to_their_end_or_to_the_limit() {
    let page = |items: Value, cursor: Value| (200, "", json!({ "items": items, "next_cursor": cursor }));
    let pages = [page(json!([1, 2]), json!("a+b/&=")), page(json!([3]), json!(null))];
    let (server, api) = FakeServer::start(&pages).await;
    let all = api.list::<u32>("/plans", &[("q", "a b".to_owned())], 1000).await.unwrap();
    assert_eq!((all.items, all.truncated), (vec![1, 2, 3], false));
    let paths = server.paths();
    assert_eq!(paths[0], "/api/v1/plans?q=a+b&limit=200");
    assert_eq!(paths[1], "/api/v1/plans?q=a+b&limit=200&cursor=a%2Bb%2F%26%3D");

    let (server, api) = FakeServer::start(&pages).await;
    let first = api.list::<u32>("/plans", &[], 2).await.unwrap();
    assert_eq!((first.items, first.truncated), (vec![1, 2], true));
    assert_eq!(server.paths(), ["/api/v1/plans?limit=2"]);
}

#[tokio::test]
async fn a_conditional_change_names_the_version() {
    let conflict = (412, "", json!({ "detail": "changed", "code": "precondition_failed" }));
    let (server, api) = FakeServer::start(&[conflict]).await;
    let request = Request::new(Method::PATCH, "/organizations/org_1").body(json!({})).if_version(7);
    assert!(api.send(&request).await.unwrap_err().is_version_conflict());
    assert_eq!(server.header("if-match")[0].as_deref(), Some("\"7\""));
    assert_eq!(server.header("idempotency-key"), [None]);
}

#[tokio::test]
async fn a_page_of_a_proxy_is_no_response_of_the_server() {
    let (_server, api) = FakeServer::start(&[(200, "", json!("<html>"))]).await;
    let error = api.list::<Value>("/plans", &[], 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("check the URL"), "{error}");
}
