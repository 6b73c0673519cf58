//! Rate limits: the buckets of clients, networks and callers do not affect each other.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_core::Platform;
use hexabase_core::ephemeral::Rate;
use hexabase_core::platform::{Caller, CountedOrganizations, PlatformConfig, RateAccounting};
use hexabase_tests::operations::operations;
use hexabase_tests::request_bodies::request_body;
use hexabase_tests::{Client, CountingEphemeral, Response, TestApp};

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

/// Platform with a rate limit per organization that the tests do not reach, and its ephemeral store.
async fn app_with_organization_rate() -> (TestApp, std::sync::Arc<CountingEphemeral>) {
    let rate = Rate { burst: 1_000_000, period: Duration::from_secs(60) };
    let config = PlatformConfig { organization_rate: Some(rate), ..hexabase_tests::config() };
    let ephemeral = CountingEphemeral::new();
    let app = TestApp::with(|builder| builder.with_config(config).with_ephemeral(ephemeral.clone())).await;
    (app, ephemeral)
}

#[tokio::test]
async fn every_request_in_an_organization_takes_one_token_of_it_and_an_outsider_takes_none() {
    let (app, ephemeral) = app_with_organization_rate().await;
    let (ann, eve) = (app.sign_in("ann").await, app.sign_in("eve").await);
    let params = app.create_full_organization(&ann, "acme").await;
    let bucket = format!("rate:{}", params.id("org"));
    let operations = operations().into_iter().filter(|operation| operation.action.is_some());
    // Without the organization, later requests would not be counted.
    let (deletion, mut in_order): (Vec<_>, Vec<_>) = operations
        .partition(|operation| operation.method == Method::DELETE && operation.path.ends_with("/{org}"));
    in_order.extend(deletion);
    for operation in in_order {
        let path = format!("{}{}", params.path(&operation.path), operation.query());
        let body = request_body(&operation, &params);
        for (user, expected) in [(&eve, 0), (&ann, 1)] {
            let before = ephemeral.taken(&bucket);
            let response = user.client.send(operation.method.clone(), &path, &body).await;
            let taken = ephemeral.taken(&bucket) - before;
            assert_eq!(taken, expected, "{operation} as {}: {}", user.email, response.text);
        }
    }
}

#[tokio::test]
async fn a_caller_counts_per_request_and_organization_or_per_call() {
    let (app, ephemeral) = app_with_organization_rate().await;
    let ann = app.sign_in("ann").await;
    let (acme, globex) =
        (app.create_organization(&ann, "acme").await, app.create_organization(&ann, "globex").await);
    let per_call = Caller::for_user(ann.id.parse().unwrap());
    let per_request = || {
        let accounting = RateAccounting::PerRequest(CountedOrganizations::default());
        Caller { accounting, ..per_call.clone() }
    };
    let taken = || [&acme, &globex].map(|organization| ephemeral.taken(&format!("rate:{organization}")));
    let calls = async |caller: Caller| {
        let before = taken();
        let organizations = app.platform.organizations();
        let overview = async |organization: &str| {
            organizations.overview(&caller.clone(), organization.parse().unwrap()).await.unwrap()
        };
        tokio::join!(overview(&acme), overview(&acme), overview(&globex), overview(&acme));
        let after = taken();
        [after[0] - before[0], after[1] - before[1]]
    };
    assert_eq!(calls(per_request()).await, [1, 1]);
    assert_eq!(calls(per_request()).await, [1, 1], "the second request counts again");
    assert_eq!(calls(per_call.clone()).await, [3, 1], "a caller that is kept stays limited");
}
