use axum::http::StatusCode;
use hexabase_core::clock::Clock as _;
use hexabase_test_stripe::{Delivery, sign};

use crate::desk::{Desk, OLD_SECRET, SECRET};

/// A webhook as it was sent, and when.
async fn captured() -> (Desk, Vec<u8>, i64) {
    let mut desk = Desk::open().await;
    desk.card("pm_card_visa").await;
    desk.subscribe("team").await;
    let paid = desk.news().into_iter().find(|delivery: &Delivery| delivery.kind == "invoice.paid").unwrap();
    let at = desk.clock.now().as_second();
    (desk, paid.body.into_bytes(), at)
}

/// How much was told that nobody has heard yet.
async fn unheard(desk: &Desk) -> usize {
    desk.platform().store().list_webhook_events(100).await.unwrap().len()
}

#[tokio::test]
async fn a_webhook_is_taken_in_once_however_often_it_comes() {
    let (desk, body, at) = captured().await;
    desk.work().await;
    for _ in 0..3 {
        let answer = desk.webhook(body.clone(), &sign(&body, &[SECRET], at)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    assert_eq!(unheard(&desk).await, 1);
    desk.work().await;
    assert_eq!(unheard(&desk).await, 0);
    assert_eq!(desk.webhook(body.clone(), &sign(&body, &[SECRET], at)).await.status, StatusCode::OK);
    assert_eq!(unheard(&desk).await, 0, "what was heard is not heard again");
}

#[tokio::test]
async fn any_of_the_secrets_and_any_of_the_signatures_will_do() {
    let (desk, body, at) = captured().await;
    for secrets in
        [&[SECRET][..], &[OLD_SECRET], &["whsec_of_others", SECRET], &[OLD_SECRET, "whsec_of_others"]]
    {
        assert_eq!(desk.webhook(body.clone(), &sign(&body, secrets, at)).await.status, StatusCode::OK);
    }
    let with_other_schemes = format!("{},v0=00", sign(&body, &[SECRET], at));
    assert_eq!(desk.webhook(body, &with_other_schemes).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_stripe_did_not_sign_just_now_is_refused_and_changes_nothing() {
    let (desk, body, _) = captured().await;
    desk.work().await;
    let now = desk.clock.now().as_second();
    let good = sign(&body, &[SECRET], now);
    let (_, digest) = good.split_once("v1=").unwrap();
    let truncated = body[..body.len() - 1].to_vec();
    let refused = [
        (body.clone(), sign(&body, &[SECRET], now - 301), "signed too long ago"),
        (body.clone(), sign(&body, &[SECRET], now + 301), "signed in the future"),
        (truncated, good.clone(), "cut short"),
        ([body.clone(), b" ".to_vec()].concat(), good.clone(), "made longer"),
        (body.clone(), sign(&body, &["whsec_of_others"], now), "signed by somebody else"),
        (body.clone(), sign(&body, &[""], now), "signed with nothing"),
        (body.clone(), format!("t={now},v0={digest}"), "signed in a scheme that does not count"),
        (body.clone(), format!("t={},v1={digest}", now - 1), "with another time than was signed"),
        (body.clone(), format!("v1={digest}"), "without a time"),
        (body.clone(), format!("t={now},v1={}", &digest[..62]), "with half a signature"),
        (body.clone(), "t=now,v1=zz".to_owned(), "with nonsense"),
        (body, String::new(), "not signed"),
    ];
    for (body, signature, what) in refused {
        let answer = desk.webhook(body, &signature).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {}", answer.text);
    }
    assert_eq!(unheard(&desk).await, 0);
}

#[tokio::test]
async fn a_body_of_ten_mebibytes_is_not_read() {
    let (desk, ..) = captured().await;
    let body = vec![b' '; 10 * 1024 * 1024];
    let signature = sign(&body, &[SECRET], desk.clock.now().as_second());
    assert_eq!(desk.webhook(body, &signature).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_is_of_no_interest_or_about_nobody_is_taken_in_and_changes_nothing() {
    let (desk, ..) = captured().await;
    desk.work().await;
    for (kind, object) in [
        ("invoice.paid", r#"{"id":"in_1","object":"invoice","customer":"cus_of_others"}"#),
        ("payout.paid", r#"{"id":"po_1","object":"payout"}"#),
        ("radar.early_fraud_warning.created", r#"{"id":"issfr_1","object":"radar.early_fraud_warning"}"#),
        ("customer.updated", r#"{"id":"cus_of_others","object":"customer","name":"Zoë"}"#),
    ] {
        let body =
            format!(r#"{{"id":"evt_{kind}","type":"{kind}","data":{{"object":{object}}}}}"#).into_bytes();
        let signature = sign(&body, &[SECRET], desk.clock.now().as_second());
        let answer = desk.webhook(body, &signature).await;
        assert_eq!(answer.status, StatusCode::OK, "{kind}: {}", answer.text);
    }
    assert_eq!(unheard(&desk).await, 2, "who is nobody here is found out afterwards");
    let before = desk.get("subscription").await;
    desk.work().await;
    assert_eq!(desk.get("subscription").await, before);
    let nonsense = b"{\"id\":1}".to_vec();
    let signature = sign(&nonsense, &[SECRET], desk.clock.now().as_second());
    assert_eq!(desk.webhook(nonsense, &signature).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(unheard(&desk).await, 0);
}
