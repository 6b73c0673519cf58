//! Alerts that are firing, and their silences.

use axum::http::{Method, StatusCode};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::id::AlertRuleId;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::setup::{Setup, rule};

fn minutes_ago(minutes: i64) -> Timestamp {
    SystemClock.now() - SignedDuration::from_mins(minutes)
}

#[tokio::test]
async fn a_firing_alert_is_listed_silenced_and_heard_again() {
    let setup = Setup::new().await;
    let (first, second) = (
        setup.create_rule(&rule("first", &json!({}))).await,
        setup.create_rule(&rule("second", &json!({}))).await,
    );
    let since = minutes_ago(5);
    setup.app.alerts.fire(setup.workspace_id, first, since);
    // The alert of a rule that is deleted resolves later.
    setup.app.alerts.fire(setup.workspace_id, "alr_00000000000000000000000000".parse().unwrap(), since);
    let client = &setup.ann.client;
    let listed = client.get(&format!("{}/alerts", setup.workspace)).await;
    let expected = json!([{
        "id": first, "name": "first", "project": null, "metric": "memory", "severity": "warning",
        "starts_at": since, "silenced_by": [],
    }]);
    assert_eq!(listed["items"], expected);

    let path = format!("{}/alerts/{first}/silence", setup.workspace);
    let silence = client.send_ok(Method::POST, &path, &json!({ "minutes": 30, "comment": "deploy" })).await;
    assert_eq!((&silence["rule"], &silence["comment"]), (&json!(first), &json!("deploy")));
    let ends_at: Timestamp = silence["ends_at"].as_str().unwrap().parse().unwrap();
    assert!((minutes_ago(-29)..=minutes_ago(-30)).contains(&ends_at), "{ends_at}");
    // A rule that is not firing can be silenced too.
    let other = format!("{}/alerts/{second}/silence", setup.workspace);
    client.send_ok(Method::POST, &other, &json!({ "minutes": 1 })).await;
    let listed = client.get(&format!("{}/alerts", setup.workspace)).await;
    assert_eq!(listed["items"][0]["silenced_by"], json!([silence["id"]]));
    let silences = client.get(&format!("{}/silences", setup.workspace)).await;
    assert_eq!(silences["items"][0]["rule"], json!(second), "the first to end comes first");
    assert_eq!(silences["items"][1], silence);
    assert_eq!(silence["created_by"], setup.ann.id);

    let path = format!("{}/silences/{}", setup.workspace, silence["id"].as_str().unwrap());
    client.send_ok(Method::DELETE, &path, &Value::Null).await;
    let again = client.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND, "{}", again.text);
    let listed = client.get(&format!("{}/alerts", setup.workspace)).await;
    assert_eq!(listed["items"][0]["silenced_by"], json!([]));
    assert_eq!(setup.audited("silence.").await, ["silence.delete", "silence.create", "silence.create"]);
}

#[tokio::test]
async fn a_repeated_request_creates_one_silence() {
    let setup = Setup::new().await;
    let first = setup.create_rule(&rule("first", &json!({}))).await;
    setup.app.alerts.fire(setup.workspace_id, first, minutes_ago(1));
    let path = format!("{}/alerts/{first}/silence", setup.workspace);
    let client = setup.ann.client.clone().with_header("idempotency-key", "once");
    let body = json!({ "minutes": 30 });
    let silence = client.send_ok(Method::POST, &path, &body).await;
    assert_eq!(client.send_ok(Method::POST, &path, &body).await, silence);
    let listed = setup.ann.client.get(&format!("{}/alerts", setup.workspace)).await;
    assert_eq!(listed["items"][0]["silenced_by"], json!([silence["id"]]));
}

#[tokio::test]
async fn silences_are_bounded_and_belong_to_one_rule() {
    let setup = Setup::new().await;
    let first = setup.create_rule(&rule("first", &json!({}))).await;
    let path = |rule: AlertRuleId| format!("{}/alerts/{rule}/silence", setup.workspace);
    for (body, field) in [
        (json!({ "minutes": 0 }), "minutes"),
        (json!({ "minutes": 43_201 }), "minutes"),
        (json!({ "minutes": 5, "comment": "x".repeat(201) }), "comment"),
        (json!({ "minutes": 5, "comment": "a\nb" }), "comment"),
    ] {
        let response = setup.ann.client.send(Method::POST, &path(first), &body).await;
        assert_eq!(response.body["errors"][0]["field"], field, "{body}: {}", response.text);
    }
    let missing = "alr_00000000000000000000000000".parse().unwrap();
    let response = setup.ann.client.send(Method::POST, &path(missing), &json!({ "minutes": 5 })).await;
    assert_eq!(response.status, StatusCode::NOT_FOUND, "{}", response.text);
    for id in ["0f9b1c7e-8a3d-4f5e-9b1c-7e8a3d4f5e9b", "..%2Falerts", "x"] {
        let path = format!("{}/silences/{id}", setup.workspace);
        let response = setup.ann.client.send(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(response.status, StatusCode::NOT_FOUND, "{id}: {}", response.text);
    }
    assert!(setup.audited("silence.").await.is_empty());
}

#[tokio::test]
async fn a_workspace_cannot_fill_alertmanager_with_silences() {
    let setup = Setup::new().await;
    let first = setup.create_rule(&rule("first", &json!({}))).await;
    let path = format!("{}/alerts/{first}/silence", setup.workspace);
    for _ in 0..20 {
        setup.ann.client.send_ok(Method::POST, &path, &json!({ "minutes": 1 })).await;
    }
    let rejected = setup.ann.client.send(Method::POST, &path, &json!({ "minutes": 1 })).await;
    assert_eq!(rejected.status, StatusCode::TOO_MANY_REQUESTS, "{}", rejected.text);
    assert!(rejected.text.contains("silence for longer"), "{}", rejected.text);
}
