use axum::http::StatusCode;
use hexabase_core::clock::Clock as _;
use hexabase_test_stripe::{Delivery, sign};

use crate::harness::{Harness, OLD_SECRET, SECRET};

/// Creates a payment, and returns its webhook with the time of the signature.
async fn webhook_of_payment() -> (Harness, Vec<u8>, i64) {
    let mut harness = Harness::new().await;
    harness.add_card("pm_card_visa").await;
    harness.subscribe("team").await;
    let paid = harness
        .take_events()
        .into_iter()
        .find(|delivery: &Delivery| delivery.kind == "invoice.paid")
        .unwrap();
    let at = harness.clock.now().as_second();
    (harness, paid.body.into_bytes(), at)
}

/// Number of webhooks that are stored and not yet processed.
async fn pending_webhooks(harness: &Harness) -> usize {
    harness.platform().store().list_webhook_events(100).await.unwrap().len()
}

#[tokio::test]
async fn a_repeated_webhook_is_stored_once() {
    let (harness, body, at) = webhook_of_payment().await;
    harness.run_worker().await;
    for _ in 0..3 {
        let response = harness.webhook(body.clone(), &sign(&body, &[SECRET], at)).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text);
    }
    assert_eq!(pending_webhooks(&harness).await, 1);
    harness.run_worker().await;
    assert_eq!(pending_webhooks(&harness).await, 0);
    assert_eq!(harness.webhook(body.clone(), &sign(&body, &[SECRET], at)).await.status, StatusCode::OK);
    assert_eq!(pending_webhooks(&harness).await, 0, "a processed webhook is not processed again");
}

#[tokio::test]
async fn every_configured_secret_and_every_signature_is_accepted() {
    let (harness, body, at) = webhook_of_payment().await;
    for secrets in [
        &[SECRET][..],
        &[OLD_SECRET],
        &["whsec_of_another_endpoint", SECRET],
        &[OLD_SECRET, "whsec_of_another_endpoint"],
    ] {
        assert_eq!(harness.webhook(body.clone(), &sign(&body, secrets, at)).await.status, StatusCode::OK);
    }
    let with_other_schemes = format!("{},v0=00", sign(&body, &[SECRET], at));
    assert_eq!(harness.webhook(body, &with_other_schemes).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_webhook_without_a_recent_valid_signature_is_rejected_and_changes_nothing() {
    let (harness, body, _) = webhook_of_payment().await;
    harness.run_worker().await;
    let now = harness.clock.now().as_second();
    let good = sign(&body, &[SECRET], now);
    let (_, digest) = good.split_once("v1=").unwrap();
    let truncated = body[..body.len() - 1].to_vec();
    let rejected = [
        (body.clone(), sign(&body, &[SECRET], now - 301), "signed too long ago"),
        (body.clone(), sign(&body, &[SECRET], now + 301), "signed in the future"),
        (truncated, good.clone(), "truncated"),
        ([body.clone(), b" ".to_vec()].concat(), good.clone(), "extended"),
        (body.clone(), sign(&body, &["whsec_of_another_endpoint"], now), "signed with another secret"),
        (body.clone(), sign(&body, &[""], now), "signed with an empty secret"),
        (body.clone(), format!("t={now},v0={digest}"), "signed in an unsupported scheme"),
        (body.clone(), format!("t={},v1={digest}", now - 1), "with another time than the signed one"),
        (body.clone(), format!("v1={digest}"), "without a time"),
        (body.clone(), format!("t={now},v1={}", &digest[..62]), "with a truncated signature"),
        (body.clone(), "t=now,v1=zz".to_owned(), "with an invalid header"),
        (body, String::new(), "not signed"),
    ];
    for (body, signature, what) in rejected {
        let response = harness.webhook(body, &signature).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{what}: {}", response.text);
    }
    assert_eq!(pending_webhooks(&harness).await, 0);
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_rejected() {
    let (harness, ..) = webhook_of_payment().await;
    let body = vec![b' '; 10 * 1024 * 1024];
    let signature = sign(&body, &[SECRET], harness.clock.now().as_second());
    assert_eq!(harness.webhook(body, &signature).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn irrelevant_webhooks_and_webhooks_of_unknown_customers_change_nothing() {
    let (harness, ..) = webhook_of_payment().await;
    harness.run_worker().await;
    for (kind, object) in [
        ("invoice.paid", r#"{"id":"in_1","object":"invoice","customer":"cus_unknown"}"#),
        ("payout.paid", r#"{"id":"po_1","object":"payout"}"#),
        ("radar.early_fraud_warning.created", r#"{"id":"issfr_1","object":"radar.early_fraud_warning"}"#),
        ("customer.updated", r#"{"id":"cus_unknown","object":"customer","name":"Zoë"}"#),
    ] {
        let body =
            format!(r#"{{"id":"evt_{kind}","type":"{kind}","data":{{"object":{object}}}}}"#).into_bytes();
        let signature = sign(&body, &[SECRET], harness.clock.now().as_second());
        let response = harness.webhook(body, &signature).await;
        assert_eq!(response.status, StatusCode::OK, "{kind}: {}", response.text);
    }
    assert_eq!(pending_webhooks(&harness).await, 2, "an unknown customer is detected during processing");
    for shape in ["", r#","data":null"#, r#","data":{}"#, r#","related_object":{"id":"mtr_1"}"#] {
        let body = format!(r#"{{"id":"evt_thin","type":"customer.updated"{shape}}}"#).into_bytes();
        let signature = sign(&body, &[SECRET], harness.clock.now().as_second());
        let response = harness.webhook(body, &signature).await;
        assert_eq!(response.status, StatusCode::OK, "{shape}: {}", response.text);
    }
    assert_eq!(pending_webhooks(&harness).await, 2);
    let before = harness.get("subscription").await;
    harness.run_worker().await;
    assert_eq!(harness.get("subscription").await, before);
    let nonsense = b"{\"id\":1}".to_vec();
    let signature = sign(&nonsense, &[SECRET], harness.clock.now().as_second());
    assert_eq!(harness.webhook(nonsense, &signature).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(pending_webhooks(&harness).await, 0);
}
