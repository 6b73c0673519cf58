//! Webhooks of a payment provider with an endpoint of its own, and of one without webhooks.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use hexabase_api::{ApiConfig, ApiState, router};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_core::billing::{WebhookEndpoint, WebhookHint};
use hexabase_core::error::Error;
use hexabase_core::mock::MockBillingProvider;
use hexabase_core::{Platform, fixture};
use serde_json::Value;
use tower::ServiceExt as _;

const ENDPOINT: WebhookEndpoint = WebhookEndpoint::from_static("/webhooks/payments", "payments-signature");
/// Limit of a caller in these tests.
const LIMIT: u32 = 2;

/// API over a payment provider that accepts webhooks with the signature `valid`.
async fn service(endpoint: Option<WebhookEndpoint>) -> Router {
    let mut billing = MockBillingProvider::new();
    billing.expect_webhook_endpoint().return_const(endpoint);
    billing.expect_verify_webhook().returning(|_, signature, _| match signature {
        "valid" => {
            Ok(WebhookHint { event_id: "evt_1".to_owned(), kind: "invoice.paid".to_owned(), customer: None })
        }
        _ => Err(Error::unauthenticated("the signature is wrong")),
    });
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(vec![fixture::plan("small")])
        .with_billing(Arc::new(billing))
        .build()
        .unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let config = ApiConfig { requests_per_minute: LIMIT, ..ApiConfig::default() };
    router(ApiState::builder(platform, auth).with_config(config).build())
}

/// Sends a webhook from one address, with a body of this size.
async fn send(service: &Router, path: &str, header: &str, bytes: usize) -> Response<Body> {
    let request = Request::post(path).header(header, "valid").header("content-type", "application/json");
    let mut request = request.body(Body::from(vec![b' '; bytes])).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 1))));
    service.clone().oneshot(request).await.unwrap()
}

#[tokio::test]
async fn webhooks_arrive_at_the_path_of_the_provider_signed_by_its_header() {
    for (path, header, status) in [
        (ENDPOINT.path(), ENDPOINT.signature_header(), StatusCode::OK),
        (ENDPOINT.path(), "stripe-signature", StatusCode::UNAUTHORIZED),
        ("/webhooks/stripe", "stripe-signature", StatusCode::NOT_FOUND),
        ("/webhooks", ENDPOINT.signature_header(), StatusCode::NOT_FOUND),
    ] {
        let response = send(&service(Some(ENDPOINT)).await, path, header, 2).await;
        assert_eq!(response.status(), status, "{path} {header}");
    }
    let without_webhooks = service(None).await;
    for path in [ENDPOINT.path(), "/webhooks/stripe"] {
        assert_eq!(send(&without_webhooks, path, "stripe-signature", 2).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_webhook_at_the_path_of_the_provider_can_be_as_large_as_an_authenticated_body() {
    let service = service(Some(ENDPOINT)).await;
    let sizes = [(1 << 20, StatusCode::OK), ((1 << 20) + 1, StatusCode::PAYLOAD_TOO_LARGE)];
    for (bytes, status) in sizes {
        let response = send(&service, ENDPOINT.path(), ENDPOINT.signature_header(), bytes).await;
        assert_eq!(response.status(), status, "{bytes}");
    }
}

#[tokio::test]
async fn webhooks_are_counted_apart_from_the_other_requests_of_an_address() {
    let service = service(Some(ENDPOINT)).await;
    for _ in 0..LIMIT {
        assert_eq!(send(&service, "/webhooks/stripe", "stripe-signature", 2).await.status(), 404);
    }
    assert_eq!(send(&service, "/webhooks/stripe", "stripe-signature", 2).await.status(), 429);
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let response = send(&service, ENDPOINT.path(), ENDPOINT.signature_header(), 2).await;
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn the_document_describes_the_path_of_the_provider() {
    for (endpoint, expected) in [(Some(ENDPOINT), vec![ENDPOINT.path()]), (None, Vec::new())] {
        let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
        let response = service(endpoint).await.oneshot(request).await.unwrap();
        let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        let paths = document["paths"].as_object().unwrap().keys();
        let webhooks: Vec<&String> =
            paths.filter(|path| path.starts_with("/webhooks") && *path != "/webhooks/alertmanager").collect();
        assert_eq!(webhooks, expected);
    }
}
