//! An alert from its series to the mail, and its silence.

use axum::http::Method;
use hexabase_core::alerts::{AlertSource as _, NewSilence};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::model::AlertState::{Firing, Resolved};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::setup::{Setup, eventually};

/// States of the alerts of a rule at both Alertmanagers, such as `active` or `suppressed`.
async fn states(setup: &Setup, rule: &str) -> Vec<String> {
    let mut states = Vec::new();
    for server in &setup.alertmanagers {
        let url = format!("{}/api/v2/alerts?filter=rule=%22{rule}%22", server.url());
        let found: Value = serde_json::from_str(&hexabase_test_servers::fetch(&url).await).unwrap();
        let alerts = found.as_array().unwrap().iter();
        states.extend(alerts.map(|alert| alert["status"]["state"].as_str().unwrap().to_owned()));
    }
    states
}

/// A silence of a rule that ends in some seconds: long enough for both Alertmanagers to know it.
fn expiring_silence(setup: &Setup, rule: &str) -> NewSilence {
    let starts_at = SystemClock.now();
    NewSilence {
        rule_id: rule.parse().unwrap(),
        created_by: setup.shop.owner.id.parse().unwrap(),
        comment: "maintenance".to_owned(),
        starts_at,
        ends_at: starts_at + SignedDuration::from_secs(20),
    }
}

fn set_memory(setup: &Setup, index: usize, memory: f64) {
    setup.targets.update(|hosts| hosts.pods[index].memory = memory);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_fires_is_mailed_once_silenced_and_resolves() {
    let setup = Setup::new().await;
    let (shop, rival) = (&setup.shop, &setup.rival);
    let high = shop.create_rule("high", 1.5e9, None).await;
    let theirs = rival.create_rule("theirs", 1.5e9, Some(&rival.project)).await;
    setup.targets.update(|hosts| {
        hosts.pods = vec![shop.pod("web", "web", 2e9, 1.0), rival.pod("web", "web", 1e9, 1.0)];
    });
    setup.serve();

    eventually("the mail of the first alert", async || !setup.mailed(&shop.owner).await.is_empty()).await;
    assert_eq!(shop.alerts().await, [(json!(high), json!([]))]);
    // Both Alertmanagers have the alert, repeat it, and may send it both.
    eventually("both Alertmanagers", async || states(&setup, &high).await == ["active", "active"]).await;
    eventually("a repetition", async || setup.webhooks().len() > 2).await;
    setup.repeat(&setup.webhooks()[0]).await;
    assert_eq!(setup.mailed(&shop.owner).await, [("high".to_owned(), Firing)]);
    assert!(rival.alerts().await.is_empty() && setup.mailed(&rival.owner).await.is_empty());

    let path = format!("{}/alerts/{high}/silence", shop.workspace);
    let silence = shop.owner.client.send_ok(Method::POST, &path, &json!({ "minutes": 5 })).await;
    eventually("the silence", async || states(&setup, &high).await == ["suppressed", "suppressed"]).await;
    assert_eq!(shop.alerts().await, [(json!(high), json!([silence["id"]]))]);
    // It resolves and fires again, which is not mailed.
    set_memory(&setup, 0, 1e9);
    eventually("the end of the silenced alert", async || shop.alerts().await.is_empty()).await;
    set_memory(&setup, 0, 3e9);
    eventually("the silenced alert", async || shop.alerts().await == [(json!(high), json!([silence["id"]]))])
        .await;
    // The other tenant's alert comes later, and is mailed.
    set_memory(&setup, 1, 2e9);
    eventually("the other alert", async || !setup.mailed(&rival.owner).await.is_empty()).await;
    assert_eq!(rival.alerts().await, [(json!(theirs), json!([]))]);
    assert_eq!(setup.mailed(&rival.owner).await, [("theirs".to_owned(), Firing)]);
    assert_eq!(setup.mailed(&shop.owner).await, [("high".to_owned(), Firing)]);

    let path = format!("{}/silences/{}", shop.workspace, silence["id"].as_str().unwrap());
    shop.owner.client.send_ok(Method::DELETE, &path, &Value::Null).await;
    eventually("the mail after the silence", async || setup.mailed(&shop.owner).await.len() == 2).await;
    assert_eq!(shop.alerts().await, [(json!(high), json!([]))]);
    // A silence that expires has the same effect as one that is deleted.
    let silence = expiring_silence(&setup, &high);
    setup.alerts.create_silence(shop.workspace_id, &silence).await.unwrap();
    eventually("the second silence", async || states(&setup, &high).await == ["suppressed", "suppressed"])
        .await;
    set_memory(&setup, 0, 1e9);
    eventually("the end of the silenced alert", async || shop.alerts().await.is_empty()).await;
    set_memory(&setup, 0, 3e9);
    eventually("the mail after the expiry", async || setup.mailed(&shop.owner).await.len() == 3).await;
    assert!(SystemClock.now() >= silence.ends_at, "mailed while it is silenced");
    assert_eq!(shop.alerts().await, [(json!(high), json!([]))]);
    set_memory(&setup, 0, 1e9);
    eventually("the mail of the end", async || setup.mailed(&shop.owner).await.len() == 4).await;
    assert!(shop.alerts().await.is_empty());
    let mails = [Firing, Firing, Firing, Resolved].map(|state| ("high".to_owned(), state));
    assert_eq!(setup.mailed(&shop.owner).await, mails);
    assert_eq!(setup.mailed(&rival.owner).await, [("theirs".to_owned(), Firing)]);
}
