//! Rate limits: the buckets of clients, networks and callers do not affect each other.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_core::Platform;
use hexabase_tests::{Client, Response};

/// Limit of a caller in these tests.
const LIMIT: u32 = 5;
/// Limit of all unproven clients of a network.
const UNPROVEN_LIMIT: u32 = 10 * LIMIT;

/// Server whose only trusted proxy is 10.0.0.1.
async fn server() -> Router {
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .build()
        .unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let config = ApiConfig {
        requests_per_minute: LIMIT,
        sign_ins_per_minute: LIMIT,
        trusted_proxies: vec!["10.0.0.1/32".parse().unwrap()],
        ..ApiConfig::default()
    };
    router(ApiState::builder(platform, auth).with_config(config).build())
}

/// Sends a request through the proxy for a client.
async fn send(router: &Router, forwarded: &str, method: Method, path: &str, form: &str) -> Response {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-forwarded-for", forwarded)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 1))));
    Client::anonymous(router.clone()).send_request(request).await
}

async fn revoke(router: &Router, forwarded: &str, client: &str) -> StatusCode {
    let form = format!("client_id={client}&token=unknown");
    send(router, forwarded, Method::POST, "/oauth2/revoke", &form).await.status
}

#[tokio::test]
async fn key_and_discovery_documents_are_cacheable_and_not_counted() {
    let router = server().await;
    for (path, max_age) in [("/.well-known/openid-configuration", 300), ("/.well-known/jwks.json", 30)] {
        for _ in 0..2 * LIMIT {
            let response = send(&router, "192.0.2.1", Method::GET, path, "").await;
            assert_eq!(response.status, 200);
            assert_eq!(response.headers[CACHE_CONTROL], format!("public, max-age={max_age}"));
            assert!(!response.headers.contains_key("ratelimit"));
        }
    }
    let other = send(&router, "192.0.2.1", Method::GET, "/auth/providers", "").await;
    assert_eq!(other.headers["ratelimit"].to_str().unwrap().split(';').nth(1), Some("r=4"));
}

#[tokio::test]
async fn strangers_cannot_use_up_the_allowance_of_a_client_by_naming_it() {
    let router = server().await;
    assert_eq!(revoke(&router, "192.0.2.1", "hexabase").await, 200);
    // From another network.
    while revoke(&router, "198.51.100.7", "hexabase").await != 429 {}
    assert_eq!(revoke(&router, "192.0.2.1", "hexabase").await, 200);
    // From the same network, with names of clients that do not exist.
    let mut made_up = 0;
    while revoke(&router, "192.0.2.1", &format!("made-up-{made_up}")).await == 401 {
        made_up += 1;
    }
    // The bucket refills while the test runs.
    assert!((UNPROVEN_LIMIT - 1..2 * UNPROVEN_LIMIT).contains(&made_up), "{made_up} made-up clients");
    assert_eq!(revoke(&router, "192.0.2.1", "hexabase").await, 200, "the client has been proven before");
}

#[tokio::test]
async fn clients_of_one_address_do_not_share_the_bucket_of_other_requests() {
    let router = server().await;
    for _ in 0..LIMIT {
        assert_eq!(send(&router, "192.0.2.1", Method::GET, "/auth/providers", "").await.status, 200);
    }
    assert_eq!(send(&router, "192.0.2.1", Method::GET, "/auth/providers", "").await.status, 429);
    // The first request proves the client.
    for _ in 0..=LIMIT {
        assert_eq!(revoke(&router, "192.0.2.1", "hexabase").await, 200);
    }
    assert_eq!(revoke(&router, "192.0.2.1", "hexabase").await, 429);
}

#[tokio::test]
async fn clients_behind_a_proxy_that_appends_ports_have_separate_buckets() {
    let router = server().await;
    let get =
        async |forwarded: &str| send(&router, forwarded, Method::GET, "/auth/providers", "").await.status;
    for port in 0..LIMIT {
        assert_eq!(get(&format!("192.0.2.1:{port}")).await, 200);
        assert_eq!(get(&format!("[2001:db8::1]:{port}")).await, 200);
    }
    for (exhausted, other) in [("192.0.2.1:9", "192.0.2.2:9"), ("[2001:db8::2]", "[2001:db8:1::1]:9")] {
        assert_eq!(get(exhausted).await, 429);
        assert_eq!(get(other).await, 200);
    }
}

#[tokio::test]
async fn anonymous_state_is_limited_by_the_sign_in_allowance_of_the_address() {
    let router = server().await;
    let start = async |forwarded: &str| {
        let form = "client_id=hexabase&scope=openid";
        send(&router, forwarded, Method::POST, "/oauth2/device_authorization", form).await.status
    };
    for _ in 0..LIMIT {
        assert_eq!(start("192.0.2.1").await, 200);
    }
    assert_eq!(start("192.0.2.1").await, 429);
    let login = send(&router, "192.0.2.1", Method::GET, "/auth/login/dev", "").await;
    assert_eq!(login.status, 429, "all requests that start a sign-in share one allowance");
    assert_eq!(start("192.0.2.2").await, 200);
}
