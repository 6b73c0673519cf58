//! Evaluation of an alert rule over the last day.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use hexabase_core::alerts::EVALUATION_INTERVAL;
use hexabase_core::clock::ManualClock;
use hexabase_core::fixture::FIXTURE_TIME;
use hexabase_core::id::WorkspaceId;
use hexabase_core::metrics::{MemoryMetrics, Metric, Sample, SeriesLabels};
use hexabase_tests::{Response, TestApp, plans};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::setup::{Setup, rule};

/// Workspace with metrics and a clock.
struct Measured {
    setup: Setup,
    metrics: Arc<MemoryMetrics>,
    clock: Arc<ManualClock>,
}

impl Measured {
    async fn new() -> Self {
        let metrics = Arc::new(MemoryMetrics::new());
        let mut plans = plans();
        plans.iter_mut().for_each(|plan| plan.limits.alert_rules = 2);
        let clock = Arc::new(ManualClock::new(FIXTURE_TIME));
        let app = TestApp::with(|builder| {
            builder.with_plans(plans).with_clock(clock.clone()).with_metrics(metrics.clone())
        })
        .await;
        Self { setup: Setup::on(app).await, metrics, clock }
    }

    async fn dry_run(&self, body: &Value) -> Response {
        let path = format!("{}?dry_run=true", self.setup.rules());
        self.setup.ann.client.send(Method::POST, &path, body).await
    }

    async fn evaluate(&self, body: &Value) -> Value {
        let response = self.dry_run(body).await;
        assert_eq!(response.status, StatusCode::OK, "{}", response.text);
        response.body
    }
}

fn minutes_ago(minutes: i64) -> Timestamp {
    FIXTURE_TIME - SignedDuration::from_mins(minutes)
}

/// Measures memory at each evaluation of the last day. The value depends on the number of minutes ago; times without one
/// are not measured.
fn measure(
    metrics: &MemoryMetrics,
    workspace: WorkspaceId,
    part: &SeriesLabels,
    value: impl Fn(u32) -> Option<f64>,
) {
    for evaluation in 0..24 * 60 * 2 {
        let at = FIXTURE_TIME - EVALUATION_INTERVAL * evaluation;
        if let Some(value) = value(evaluation / 2) {
            metrics.measure_part(workspace, Metric::Memory, part, Sample { at, value });
        }
    }
}

#[tokio::test]
async fn a_dry_run_says_when_a_rule_would_have_fired_and_creates_nothing() {
    let measured = Measured::new().await;
    let setup = &measured.setup;
    // Above the limit for an hour ten hours ago, and in the last half hour; not measured from 300 to 200 minutes ago.
    measure(&measured.metrics, setup.workspace_id, &SeriesLabels::default(), |ago| match ago {
        600..660 | 0..30 => Some(2e9 + 1e6 * f64::from(ago)),
        200..300 => None,
        _ => Some(1e9),
    });
    let found = measured.evaluate(&rule("high", &json!({}))).await;
    let half_after = |minutes: i64| minutes_ago(minutes) + SignedDuration::from_secs(30);
    let expected = json!({
        "start": minutes_ago(24 * 60), "end": FIXTURE_TIME, "step": "30s", "unit": "bytes", "threshold": 1.5e9,
        // A value remains valid for five minutes.
        "measured": [[minutes_ago(24 * 60), half_after(296)], [minutes_ago(200), FIXTURE_TIME]],
        "lowest": 1e9, "highest": 2.659e9, "count": 2, "sandbox": false,
        "periods": [
            { "starts_at": half_after(655), "ends_at": half_after(600), "lowest": 2.6e9, "highest": 2.654e9 },
            { "starts_at": half_after(25), "ends_at": null, "lowest": 2e9, "highest": 2.024e9 },
        ],
    });
    assert_eq!(found, expected);

    let below = rule("low", &json!({ "comparison": "below", "threshold": 1e9, "for": "0" }));
    let quiet = measured.evaluate(&below).await;
    assert_eq!((&quiet["count"], &quiet["periods"]), (&json!(0), &json!([])));
    assert!(setup.listed().await.is_empty());
    assert!(setup.audited("alert_rule.").await.is_empty());
}

#[tokio::test]
async fn a_rule_of_a_project_is_evaluated_with_its_values_and_quota_since_its_creation() {
    let measured = Measured::new().await;
    let setup = &measured.setup;
    // The values begin before the project: another one may have had its name.
    for (name, value) in [("web", 0.6e9), ("other", 5e9)] {
        let part = SeriesLabels { project: Some(name.to_owned()), ..SeriesLabels::default() };
        measure(&measured.metrics, setup.workspace_id, &part, |_| Some(value));
        for evaluation in 1..=240 {
            let at = FIXTURE_TIME + EVALUATION_INTERVAL * evaluation;
            measured.metrics.measure_part(setup.workspace_id, Metric::Memory, &part, Sample { at, value });
        }
    }
    let project = json!({ "name": "web", "quota": { "memory": "1G" } });
    let web = setup.ann.client.create(&format!("{}/projects", setup.workspace), &project).await;
    // The session ends meanwhile.
    let client = setup.app.anonymous().with_bearer(&setup.ann.client.create_token().await);
    measured.clock.advance(EVALUATION_INTERVAL * 240);
    let half = json!({ "project": web, "threshold": null, "percent_of_quota": 50, "for": "1h" });
    let path = format!("{}?dry_run=true", setup.rules());
    let found = client.send_ok(Method::POST, &path, &rule("half", &half)).await;
    assert_eq!((&found["threshold"], &found["highest"]), (&json!(0.5e9), &json!(0.6e9)), "{found}");
    let at = |evaluation: u32| FIXTURE_TIME + EVALUATION_INTERVAL * evaluation;
    assert_eq!(found["measured"], json!([[at(0), at(240)]]));
    let fires = json!({ "starts_at": at(121), "ends_at": null, "lowest": 0.6e9, "highest": 0.6e9 });
    assert_eq!(found["periods"], json!([fires]));
}

#[tokio::test]
async fn a_metric_that_was_not_measured_is_said_and_fires_nothing() {
    let measured = Measured::new().await;
    let below = rule("low", &json!({ "comparison": "below", "for": "0" }));
    let found = measured.evaluate(&below).await;
    assert_eq!(
        [&found["measured"], &found["lowest"], &found["highest"], &found["count"], &found["periods"]],
        [&json!([]), &Value::Null, &Value::Null, &json!(0), &json!([])]
    );
}

#[tokio::test]
async fn many_periods_are_counted_and_the_last_are_returned() {
    let measured = Measured::new().await;
    let setup = &measured.setup;
    let flapping = |ago: u32| Some(if ago.is_multiple_of(2) { 2e9 } else { 1e9 });
    measure(&measured.metrics, setup.workspace_id, &SeriesLabels::default(), flapping);
    let found = measured.evaluate(&rule("high", &json!({ "for": "0" }))).await;
    let periods = found["periods"].as_array().unwrap();
    assert_eq!((&found["count"], periods.len()), (&json!(720), 100));
    assert_eq!(periods[99]["ends_at"], Value::Null);
}

#[tokio::test]
async fn a_dry_run_is_checked_as_the_creation_except_for_the_name_and_the_plan() {
    let measured = Measured::new().await;
    let setup = &measured.setup;
    let keyed = setup.ann.client.clone().with_header("idempotency-key", "once");
    let path = format!("{}?dry_run=true", setup.rules());
    keyed.send_ok(Method::POST, &path, &rule("high", &json!({}))).await;
    // The key is still free, and so is the name.
    keyed.send_ok(Method::POST, &setup.rules(), &rule("high", &json!({}))).await;
    let project = "prj_00000000000000000000000000";
    for overrides in [
        json!({ "threshold": null }),
        json!({ "threshold": null, "percent_of_quota": 101 }),
        json!({ "threshold": null, "percent_of_quota": 50, "metric": "api_requests" }),
        json!({ "project": project }),
        json!({ "notify": ["stranger@example.com"] }),
        json!({ "metric": "temperature" }),
        json!({ "name": "Not A Name" }),
    ] {
        let body = rule("other", &overrides);
        let (dry, (status, created)) = (measured.dry_run(&body).await, setup.create(&body).await);
        assert_eq!(dry.status, StatusCode::UNPROCESSABLE_ENTITY, "{overrides}: {}", dry.text);
        assert_eq!((dry.status, &dry.body["errors"]), (status, &created["errors"]), "{overrides}");
    }
    for query in ["dry_run=maybe", "dry_run=", "dryrun=true", "dry_run=true&dry_run=true"] {
        let path = format!("{}?{query}", setup.rules());
        let rejected = setup.ann.client.send(Method::POST, &path, &rule("other", &json!({}))).await;
        assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", rejected.text);
    }
    setup.create_rule(&rule("last", &json!({}))).await;
    measured.evaluate(&rule("high", &json!({ "for": "1h" }))).await;
    setup.ann.client.send_ok(Method::DELETE, &setup.workspace, &Value::Null).await;
    let deleting = measured.dry_run(&rule("other", &json!({}))).await;
    assert_eq!(deleting.body["code"], "workspace_deleting", "{}", deleting.text);
    assert_eq!(setup.audited("alert_rule.").await, ["alert_rule.create", "alert_rule.create"]);
}
