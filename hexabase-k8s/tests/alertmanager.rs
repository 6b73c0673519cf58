//! `Alertmanager` against a real Alertmanager.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use async_trait::async_trait;
use hexabase_core::ErrorKind;
use hexabase_core::alerts::{ALERT_NAME, AlertSource, NewSilence, SilenceId};
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::conformance::alert_source::AlertHarness;
use hexabase_core::fixture::id;
use hexabase_core::id::{AlertRuleId, TypedId as _, WorkspaceId};
use hexabase_k8s::{Alertmanager, AlertmanagerConfig};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Source on a server, and direct access to that server.
#[derive(Debug)]
struct Harness {
    source: Alertmanager,
    url: String,
}

impl Harness {
    fn new(url: &str) -> Self {
        let source = Alertmanager::new(&AlertmanagerConfig::new(url)).unwrap();
        Self { source, url: url.to_owned() }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let request = reqwest::Client::builder()
            .build()
            .unwrap()
            .post(format!("{}/api/v2/{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string());
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Sends an alert as Prometheus does.
    async fn send(&self, labels: &Value, starts_at: Timestamp) {
        let ends_at = SystemClock.now() + SignedDuration::from_hours(1);
        let alert = json!([{ "labels": labels, "startsAt": starts_at, "endsAt": ends_at }]);
        self.post("alerts", &alert).await;
    }

    async fn silence(&self, created_by: &str, matchers: Value) -> SilenceId {
        let (now, hour) = (SystemClock.now(), SignedDuration::from_hours(1));
        let silence = json!({
            "matchers": matchers, "startsAt": now, "endsAt": now + hour, "createdBy": created_by, "comment": "x",
        });
        self.post("silences", &silence).await["silenceID"].as_str().unwrap().parse().unwrap()
    }
}

#[async_trait]
impl AlertHarness for Harness {
    fn source(&self) -> &dyn AlertSource {
        &self.source
    }

    async fn fire(&self, workspace: WorkspaceId, rule: AlertRuleId, starts_at: Timestamp) {
        // Another severity makes another alert of the same rule, as after a change of the rule.
        let labels = json!({
            "alertname": ALERT_NAME, "namespace": workspace.kubernetes_name(), "rule": rule.to_string(),
            "severity": starts_at.to_string(),
        });
        self.send(&labels, starts_at).await;
    }

    async fn fire_for_operators(&self, workspace: WorkspaceId) {
        let namespace = workspace.kubernetes_name();
        let now = SystemClock.now();
        for labels in [
            json!({ "alertname": "KubePodCrashLooping", "namespace": namespace, "pod": "ws-0" }),
            json!({ "alertname": "KubePodCrashLooping", "namespace": namespace, "rule": id::<AlertRuleId>("x").to_string() }),
            json!({ "alertname": ALERT_NAME, "namespace": namespace }),
            json!({ "alertname": ALERT_NAME, "namespace": namespace, "rule": "not an id" }),
        ] {
            self.send(&labels, now).await;
        }
    }

    async fn silence_for_operators(&self, workspace: WorkspaceId, rule: AlertRuleId) -> Vec<SilenceId> {
        let matcher = |name: &str, value: &str, is_regex: bool, is_equal: bool| json!({ "name": name, "value": value, "isRegex": is_regex, "isEqual": is_equal });
        let is = |name: &str, value: &str| matcher(name, value, false, true);
        let (namespace, rule) = (workspace.kubernetes_name(), rule.to_string());
        let (alert, tenant) = (is("alertname", ALERT_NAME), is("namespace", &namespace));
        let operator = "ops@example.com";
        let mut created = Vec::new();
        for matchers in [
            json!([tenant]),
            json!([alert]),
            json!([alert, tenant]),
            json!([tenant, is("rule", &rule)]),
            json!([alert, tenant, matcher("rule", ".*", true, true)]),
            json!([alert, tenant, matcher("rule", &rule, true, true)]),
            json!([alert, tenant, matcher("rule", &rule, false, false), is("severity", "critical")]),
            json!([alert, matcher("namespace", "ws-.*", true, true), is("rule", &rule)]),
            json!([alert, tenant, is("rule", &rule), is("severity", "critical")]),
            json!([alert, tenant, is("rule", &rule)]),
        ] {
            created.push(self.silence(operator, matchers).await);
        }
        created
    }
}

mod conformance {
    use super::Harness;

    hexabase_core::alert_source_conformance!(async {
        let server = hexabase_test_servers::Alertmanager::start();
        (Harness::new(server.url()), server)
    });
}

fn silence() -> NewSilence {
    let now = SystemClock.now();
    NewSilence {
        rule_id: id("rule"),
        created_by: id("ann"),
        comment: String::new(),
        starts_at: now,
        ends_at: now + SignedDuration::from_hours(1),
    }
}

#[tokio::test]
async fn the_token_is_sent_and_never_printed() {
    let server = MockServer::start().await;
    Mock::given(path("/monitoring/api/v2/alerts"))
        .and(header("authorization", "Bearer hunter2"))
        .respond_with(ResponseTemplate::new(200).set_body_raw("[]", "application/json"))
        .expect(1)
        .mount(&server)
        .await;
    let config = AlertmanagerConfig {
        token: Some("hunter2".into()),
        ..AlertmanagerConfig::new(format!("{}/monitoring", server.uri()))
    };
    let source = Alertmanager::new(&config).unwrap();
    assert!(source.alerts(id("shop")).await.unwrap().is_empty());
    assert!(!format!("{config:?} {source:?}").contains("hunter2"));
    let error = Alertmanager::new(&AlertmanagerConfig::new("http://ops:hunter2@127.0.0.1:9")).unwrap();
    let error = error.alerts(id("shop")).await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_down_or_broken_is_unavailable() {
    let broken = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string("<html>"))
        .mount(&broken)
        .await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).mount(&broken).await;
    let huge = MockServer::start().await;
    let body = "x".repeat(5 << 20);
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&huge)
        .await;
    let shop: WorkspaceId = id("shop");
    for url in [broken.uri(), huge.uri(), "http://127.0.0.1:9".to_owned()] {
        let source = Alertmanager::new(&AlertmanagerConfig::new(url.clone())).unwrap();
        let missing: SilenceId = "00000000-0000-4000-8000-000000000000".parse().unwrap();
        let errors = [
            source.alerts(shop).await.unwrap_err(),
            source.find_silence(shop, missing).await.unwrap_err(),
            source.silences(shop).await.unwrap_err(),
            source.delete_silence(shop, missing).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{url}: {error}");
        }
    }
    let source = Alertmanager::new(&AlertmanagerConfig::new(broken.uri())).unwrap();
    assert_eq!(source.create_silence(shop, &silence()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    for url in ["no url", "ftp://alertmanager.example", "unix:/socket"] {
        let error = Alertmanager::new(&AlertmanagerConfig::new(url)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
    }
}

/// A server that ignores the filters of a query must not show other tenants' alerts.
#[tokio::test]
async fn alerts_of_another_tenant_in_a_response_are_dropped() {
    let server = MockServer::start().await;
    let alert = |namespace: String| {
        json!({
            "labels": { "alertname": ALERT_NAME, "namespace": namespace, "rule": id::<AlertRuleId>("rule").to_string() },
            "annotations": {}, "startsAt": SystemClock.now(), "endsAt": SystemClock.now(),
            "fingerprint": "0", "receivers": [], "updatedAt": SystemClock.now(),
            "status": { "state": "active", "silencedBy": [], "inhibitedBy": [] },
        })
    };
    let body = json!([alert(id::<WorkspaceId>("rival").kubernetes_name())]).to_string();
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_string(body))
        .mount(&server)
        .await;
    let source = Alertmanager::new(&AlertmanagerConfig::new(server.uri())).unwrap();
    assert!(source.alerts(id("shop")).await.unwrap().is_empty());
    assert_eq!(source.alerts(id("rival")).await.unwrap().len(), 1);
}
