//! `StripeBilling` against localstripe, an independent implementation of Stripe: the calls that it supports, and its
//! webhook signatures.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use hexabase_billing::{StripeBilling, StripeConfig};
use hexabase_core::ErrorKind;
use hexabase_core::billing::{BillingKey, BillingProvider as _, NewCustomer};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::fixture::id;
use hexabase_core::name::{DisplayName, Email};
use hexabase_test_servers::LocalStripe;
use tokio::sync::mpsc;

const SECRET: &str = "whsec_of_localstripe";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Starts a webhook endpoint; returns its URL, and a receiver of the signature and body of each delivery.
async fn listener() -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receive = move |headers: HeaderMap, body: Bytes| async move {
        let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
        let _ = sender.send((signature, body));
    };
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(socket, Router::new().route("/", post(receive))).await });
    (url, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_created_once_with_a_card_and_reported_by_a_signed_webhook() {
    let stripe = LocalStripe::start();
    let (endpoint, mut deliveries) = listener().await;
    let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build().unwrap();
    let body = serde_json::json!({ "url": endpoint, "secret": SECRET }).to_string();
    let webhook = http.post(format!("{}/_config/webhooks/hexabase", stripe.url()));
    let webhook = webhook.header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(webhook.status().is_success(), "{}", webhook.text().await.unwrap());

    let config = StripeConfig {
        api_base: stripe.url(),
        webhook_secrets: vec!["whsec_of_others".into(), SECRET.into()],
        ..StripeConfig::new("sk_test_12345".into())
    };
    let billing = StripeBilling::new(&config, Arc::new(SystemClock)).unwrap();
    let customer = NewCustomer {
        organization_id: id("acme"),
        name: DisplayName::parse("Acme").unwrap(),
        email: Some(Email::parse("ann@example.com").unwrap()),
    };
    let key = |text: &str| BillingKey(text.to_owned());
    let acme = billing.ensure_customer(&customer, &key("customer")).await.unwrap();
    assert_eq!(billing.ensure_customer(&customer, &key("another key")).await.unwrap(), acme);
    let card = billing.attach_payment_method(&acme, "pm_card_visa", &key("card")).await.unwrap();
    assert_eq!((card.title.as_str(), card.is_default), ("visa •••• 4242", true));
    assert!(
        billing
            .setup_intent(&acme, &key("intent"))
            .await
            .unwrap()
            .client_secret
            .unwrap()
            .contains("_secret_")
    );
    assert!(billing.list_invoices(&acme, 10, None).await.unwrap().is_empty());
    assert_eq!(billing.find_subscription(&acme).await.unwrap(), None);

    let (signature, body) = tokio::time::timeout(REQUEST_TIMEOUT, deliveries.recv()).await.unwrap().unwrap();
    let hint = billing.verify_webhook(&body, &signature, SystemClock.now()).unwrap();
    assert_eq!((hint.kind.as_str(), hint.customer), ("customer.created", Some(acme)));
    let tampered = billing.verify_webhook(&body[1..], &signature, SystemClock.now()).unwrap_err();
    assert_eq!(tampered.kind(), ErrorKind::Unauthenticated);
}
