//! `StripeBilling` against a Stripe that neither we nor Stripe have written: the calls that it has, and how it signs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use hexabase_billing::{StripeBilling, StripeSettings};
use hexabase_core::ErrorKind;
use hexabase_core::billing::{BillingKey, BillingProvider as _, NewCustomer};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::fixture::id;
use hexabase_core::name::{DisplayName, Email};
use hexabase_test_servers::LocalStripe;
use tokio::sync::mpsc;

const SECRET: &str = "whsec_of_localstripe";
const PATIENCE: Duration = Duration::from_secs(20);

/// Somebody who takes in whatever is sent, and where.
async fn listener() -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
        let _ = sender.send((signature, body));
    };
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(socket, Router::new().route("/", post(take))).await });
    (url, receiver)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_made_once_pays_by_card_and_is_told_of_with_a_signature_that_fits() {
    let stripe = LocalStripe::start();
    let (endpoint, mut told) = listener().await;
    let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let body = serde_json::json!({ "url": endpoint, "secret": SECRET }).to_string();
    let hook = http.post(format!("{}/_config/webhooks/hexabase", stripe.url()));
    let hook = hook.header("content-type", "application/json").body(body).send().await.unwrap();
    assert!(hook.status().is_success(), "{}", hook.text().await.unwrap());

    let settings = StripeSettings {
        api_base: stripe.url(),
        webhook_secrets: vec!["whsec_of_others".into(), SECRET.into()],
        ..StripeSettings::new("sk_test_12345".into())
    };
    let billing = StripeBilling::new(&settings, Arc::new(SystemClock)).unwrap();
    let newcomer = NewCustomer {
        organization_id: id("acme"),
        name: DisplayName::parse("Acme").unwrap(),
        email: Some(Email::parse("ann@example.com").unwrap()),
    };
    let key = |text: &str| BillingKey(text.to_owned());
    let acme = billing.ensure_customer(&newcomer, &key("customer")).await.unwrap();
    assert_eq!(billing.ensure_customer(&newcomer, &key("another key")).await.unwrap(), acme);
    let card = billing.attach_payment_method(&acme, "pm_card_visa", &key("card")).await.unwrap();
    assert_eq!((card.title.as_str(), card.is_default), ("visa •••• 4242", true));
    assert!(billing.setup_intent(&acme, &key("intent")).await.unwrap().client_secret.contains("_secret_"));
    assert!(billing.list_invoices(&acme, 10, None).await.unwrap().is_empty());
    assert_eq!(billing.find_subscription(&acme).await.unwrap(), None);

    let (signature, body) = tokio::time::timeout(PATIENCE, told.recv()).await.unwrap().unwrap();
    let hint = billing.verify_webhook(&body, &signature, SystemClock.now()).unwrap();
    assert_eq!((hint.kind.as_str(), hint.customer), ("customer.created", Some(acme)));
    let spoilt = billing.verify_webhook(&body[1..], &signature, SystemClock.now()).unwrap_err();
    assert_eq!(spoilt.kind(), ErrorKind::Unauthenticated);
}
