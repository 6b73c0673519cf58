//! Webhook of Alertmanager: mails and live events.

use axum::http::{Method, StatusCode};
use hexabase_core::alerts::ALERT_NAME;
use hexabase_core::id::{AlertRuleId, TypedId as _, WorkspaceId};
use hexabase_core::model::AlertState;
use hexabase_core::notifier::Notification;
use hexabase_tests::{ALERT_WEBHOOK_TOKEN, Client};
use serde_json::{Value, json};

use super::setup::{Setup, rule};

const PATH: &str = "/webhooks/alertmanager";

fn alertmanager(setup: &Setup) -> Client {
    setup.app.anonymous().with_bearer(ALERT_WEBHOOK_TOKEN)
}

pub(crate) fn alert(workspace: WorkspaceId, rule: AlertRuleId, overrides: &Value) -> Value {
    let mut alert = json!({
        "status": "firing",
        "labels": {
            "alertname": ALERT_NAME, "namespace": workspace.kubernetes_name(), "rule": rule,
            "metric": "memory", "severity": "warning",
        },
        "annotations": { "value": "2e9" }, "startsAt": "2026-11-30T10:00:00.000Z",
        "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "", "fingerprint": "c0ffee0123456789",
    });
    for (name, value) in overrides.as_object().unwrap() {
        alert[name] = value.clone();
    }
    alert
}

fn payload(alerts: &[Value]) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "hexabase",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": alerts,
    })
}

/// Sends a webhook, and returns the status of the response.
pub(crate) async fn notify(setup: &Setup, alerts: &[Value]) -> StatusCode {
    alertmanager(setup).send(Method::POST, PATH, &payload(alerts)).await.status
}

async fn send(setup: &Setup, alerts: &[Value]) {
    assert_eq!(notify(setup, alerts).await, StatusCode::OK);
}

/// States of the mailed alerts of an address, with the names of their rules.
pub(crate) async fn mailed(setup: &Setup, email: &str) -> Vec<(String, AlertState)> {
    setup.app.run_worker().await;
    let mails = setup.app.mails.notifications(email).into_iter();
    mails
        .filter_map(|notification| match notification {
            Notification::Alert { rule, state, .. } => Some((rule, state)),
            _ => None,
        })
        .collect()
}

async fn changes(setup: &Setup) -> usize {
    let organization = setup.organization.parse().unwrap();
    let events = setup.app.platform.store().list_events(organization, None, 1_000).await.unwrap();
    events.iter().filter(|event| event.kind == "alerts.changed").count()
}

#[tokio::test]
async fn an_alert_is_mailed_once_although_two_alertmanagers_send_it() {
    let setup = Setup::new().await;
    setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    let notify = json!({ "notify": ["ann@example.com", "bob@example.com"] });
    let high = setup.create_rule(&rule("high", &notify)).await;
    let before = changes(&setup).await;
    let firing = alert(setup.workspace_id, high, &json!({}));
    // Both at once, and again after the repeat interval.
    let both = payload(std::slice::from_ref(&firing));
    let (one, two) = (alertmanager(&setup), alertmanager(&setup));
    let (one, two) = tokio::join!(one.send(Method::POST, PATH, &both), two.send(Method::POST, PATH, &both));
    // One may have to retry while the other's notice is being processed.
    let statuses = [one.status, two.status];
    assert!(statuses.contains(&StatusCode::OK), "{statuses:?}");
    assert!(statuses.iter().all(|status| [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(status)));
    send(&setup, &[firing.clone(), firing.clone()]).await;
    let expected = [("high".to_owned(), AlertState::Firing)];
    assert_eq!(mailed(&setup, "ann@example.com").await, expected);
    assert_eq!(mailed(&setup, "bob@example.com").await, expected);
    assert_eq!(changes(&setup).await, before + 1);

    let ended = json!({ "status": "resolved", "endsAt": "2026-11-30T10:05:00Z" });
    send(&setup, &[alert(setup.workspace_id, high, &ended)]).await;
    let again = json!({ "startsAt": "2026-11-30T11:00:00Z" });
    send(&setup, &[alert(setup.workspace_id, high, &again)]).await;
    let states: Vec<_> =
        mailed(&setup, "ann@example.com").await.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, [AlertState::Firing, AlertState::Resolved, AlertState::Firing]);
    assert_eq!(changes(&setup).await, before + 3);
}

#[tokio::test]
async fn a_member_who_left_is_not_notified() {
    let setup = Setup::new().await;
    let bob = setup.app.add_member(&setup.ann, &setup.organization, "bob", "member").await;
    let notify = json!({ "notify": ["ann@example.com", "bob@example.com"] });
    let high = setup.create_rule(&rule("high", &notify)).await;
    let member = format!("/api/v1/organizations/{}/members/{}", setup.organization, bob.id);
    setup.ann.client.send_ok(Method::DELETE, &member, &Value::Null).await;
    send(&setup, &[alert(setup.workspace_id, high, &json!({}))]).await;
    assert_eq!(mailed(&setup, "ann@example.com").await.len(), 1);
    assert!(mailed(&setup, "bob@example.com").await.is_empty());
}

#[tokio::test]
async fn a_notice_counts_only_for_a_rule_of_its_workspace() {
    let setup = Setup::new().await;
    let notify = json!({ "notify": ["ann@example.com"] });
    let high = setup.create_rule(&rule("high", &notify)).await;
    let workspaces = format!("/api/v1/organizations/{}/workspaces", setup.organization);
    let other = setup.ann.client.create(&workspaces, &json!({ "name": "other", "plan_id": "team" })).await;
    let (other, unknown): (WorkspaceId, WorkspaceId) =
        (other.parse().unwrap(), "ws_00000000000000000000000000".parse().unwrap());
    let before = changes(&setup).await;
    let missing = "alr_00000000000000000000000000".parse().unwrap();
    let forged = [
        alert(other, high, &json!({})),
        alert(unknown, high, &json!({})),
        alert(setup.workspace_id, missing, &json!({})),
        alert(setup.workspace_id, high, &json!({ "labels": { "alertname": "KubePodCrashLooping" } })),
    ];
    send(&setup, &forged).await;
    assert!(mailed(&setup, "ann@example.com").await.is_empty());
    assert_eq!(changes(&setup).await, before);
}

#[tokio::test]
async fn a_rule_that_flaps_has_a_bounded_number_of_mails() {
    let setup = Setup::new().await;
    let high = setup.create_rule(&rule("high", &json!({ "notify": ["ann@example.com"] }))).await;
    let flaps: Vec<_> = (0..60)
        .map(|second| json!({ "startsAt": format!("2026-11-30T10:00:{second:02}Z") }))
        .map(|overrides| alert(setup.workspace_id, high, &overrides))
        .collect();
    send(&setup, &flaps).await;
    assert_eq!(mailed(&setup, "ann@example.com").await.len(), 12);
}

#[tokio::test]
async fn only_alertmanager_may_send_payloads() {
    let setup = Setup::new().await;
    let high = setup.create_rule(&rule("high", &json!({ "notify": ["ann@example.com"] }))).await;
    let body = payload(&[alert(setup.workspace_id, high, &json!({}))]);
    let clients = [
        setup.app.anonymous(),
        setup.app.anonymous().with_bearer("token-of-the-webhoo"),
        setup.app.anonymous().with_bearer(""),
        setup.ann.client.clone(),
    ];
    for client in clients {
        let response = client.send(Method::POST, PATH, &body).await;
        assert_eq!(response.status, StatusCode::UNAUTHORIZED, "{}", response.text);
    }
    assert!(mailed(&setup, "ann@example.com").await.is_empty());
    for malformed in [json!({}), json!({ "version": "3", "alerts": [] }), json!([])] {
        let response = alertmanager(&setup).send(Method::POST, PATH, &malformed).await;
        assert_eq!(response.status, StatusCode::UNPROCESSABLE_ENTITY, "{malformed}: {}", response.text);
    }
}
