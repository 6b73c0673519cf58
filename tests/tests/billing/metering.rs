//! Metering, from the measurement to the charge.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::clock::Clock as _;
use hexabase_core::faults::{FaultPlan, FaultPoint};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::metering::SAMPLE_INTERVAL;
use hexabase_core::metrics::{MemoryMetrics, Metric, Sample};
use hexabase_core::model::{Hour, Meter, Month};
use hexabase_core::notifier::Notification;
use hexabase_core::worker::Worker;
use hexabase_test_stripe::CallerCrash;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{DAY, Harness};

const HOUR: Duration = Duration::from_secs(3_600);
/// Bytes per second that add up to one GiB in an hour.
const GIB_PER_HOUR: f64 = 1_073_741_824.0 / 3_600.0;

/// Organization on the plan `team`, which includes 500 GiB of outgoing traffic and charges five cents for each further
/// GiB.
struct MeteringHarness {
    harness: Harness,
    metrics: Arc<MemoryMetrics>,
}

impl MeteringHarness {
    async fn new() -> Self {
        let (harness, metrics) = Harness::with_metrics().await;
        harness.add_card("pm_card_visa").await;
        harness.subscribe("team").await;
        Self { harness, metrics }
    }

    async fn workspace(&self, name: &str) -> (String, WorkspaceId) {
        let path = self.harness.create_workspace(name, "team").await;
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        (path, id)
    }

    /// First hour that begins after the current time.
    fn next_hour(&self) -> Hour {
        Hour::of(self.harness.clock.now()).after(1)
    }

    /// Records outgoing traffic of a workspace for these minutes of an hour, in GiB per hour. Workspaces without
    /// measurements have no traffic.
    fn measure(&self, workspace: WorkspaceId, hour: Hour, minutes: std::ops::Range<i64>, gib: f64) {
        let step = i64::try_from(SAMPLE_INTERVAL.as_secs()).unwrap() / 60;
        let mut minute = minutes.start + step;
        while minute <= minutes.end {
            let at = hour.start() + SignedDuration::from_mins(minute);
            self.metrics.measure(
                workspace,
                Metric::NetworkTransmit,
                Sample { at, value: gib * GIB_PER_HOUR },
            );
            minute += step;
        }
    }

    /// Advances the time until this hour has ended and its usage is collected and reported.
    async fn collect_hour(&self, hour: Hour) {
        let end = hour.end() + SignedDuration::from_mins(6);
        self.harness
            .advance(Duration::try_from(end.duration_since(self.harness.clock.now())).unwrap_or_default());
        self.harness.run_worker().await;
    }

    fn organization(&self) -> OrganizationId {
        self.harness.organization_path().rsplit('/').next().unwrap().parse().unwrap()
    }

    /// Outgoing traffic of the current month in thousandths of a GiB: as measured, as reported, and as the provider
    /// has it.
    async fn verification(&self) -> [u64; 3] {
        let month = Month::of(self.harness.clock.now());
        let verifications =
            self.harness.platform().billing().verify_usage(self.organization(), month).await.unwrap();
        let [verification] = verifications.as_slice() else {
            panic!("expected one charged meter, found {verifications:?}")
        };
        assert_eq!(verification.meter, Meter::NetworkTransmit);
        [verification.used, verification.reported, verification.provider]
    }

    /// Percentages in the notifications of usage and of the budget.
    fn alerts(&self) -> Vec<(&'static str, u8)> {
        let notifications = self.harness.app.mails.notifications("ann@example.com").into_iter();
        let percentage = |notification: Notification| match notification {
            Notification::IncludedUsage { meter, percent, .. } => Some((meter.as_str(), percent)),
            Notification::Budget { percent, .. } => Some(("budget", percent)),
            _ => None,
        };
        notifications.filter_map(percentage).collect()
    }
}

/// Entry of a meter in a list of meters.
fn entry_of<'a>(meters: &'a Value, meter: &str) -> &'a Value {
    meters.as_array().unwrap().iter().find(|it| it["meter"] == meter).unwrap()
}

#[tokio::test]
async fn usage_beyond_the_included_amount_is_reported_shown_and_charged() {
    let metering = MeteringHarness::new().await;
    let ((_, shop), (_, blog)) = (metering.workspace("shop").await, metering.workspace("blog").await);
    let first = metering.next_hour();
    metering.measure(shop, first, 0..60, 350.0);
    metering.measure(blog, first, 0..60, 60.0);
    metering.collect_hour(first).await;
    assert_eq!(metering.verification().await, [410_000; 3]);
    assert_eq!(metering.alerts(), [("network_transmit", 80)]);
    let upcoming = metering.harness.get("invoices/upcoming").await;
    assert_eq!(upcoming["total"]["amount"], 4_900, "all usage is included: {upcoming}");

    metering.measure(shop, first.after(1), 0..60, 250.0);
    metering.measure(blog, first.after(1), 0..60, 240.125);
    metering.collect_hour(first.after(1)).await;
    assert_eq!(metering.verification().await, [900_125; 3]);
    assert_eq!(metering.alerts()[1..], [("network_transmit", 100)]);

    // Usage by workspace, and in total.
    let usage = metering.harness.get("usage").await;
    let total = entry_of(&usage["total"], "network_transmit");
    assert_eq!((&total["amount"], &total["unit"]), (&json!(900.125), &json!("gib")));
    let mut named: Vec<_> = usage["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (it["name"].as_str().unwrap(), entry_of(&it["meters"], "network_transmit")["amount"].clone())
        })
        .collect();
    named.sort_by_key(|(name, _)| *name);
    assert_eq!(named, [("blog", json!(300.125)), ("shop", json!(600))]);
    let one = metering.harness.get(&format!("usage?workspace={blog}&from={}", first.end())).await;
    assert_eq!(one["workspaces"].as_array().unwrap().len(), 1);
    assert_eq!(entry_of(&one["total"], "network_transmit")["amount"], 240.125);

    // 400.125 GiB at five cents each.
    let overview = metering.harness.get("overview").await;
    assert_eq!(overview["usage"]["cost"], json!({ "amount": 2_001, "currency": "usd" }));
    assert_eq!(overview["usage"]["meters"][0]["included"], 500);
    let whole =
        metering.harness.client().get(&format!("{}/overview", metering.harness.organization_path())).await;
    assert_eq!(whole["month_to_date_cost"]["amount"], 4_900 + 2_001);
    let upcoming = metering.harness.get("invoices/upcoming").await;
    assert_eq!(upcoming["total"]["amount"], 4_900 + 2_001, "{upcoming}");

    // The invoice divides the amount by workspace, to the cent.
    metering.harness.advance(31 * DAY);
    assert_eq!(metering.harness.charges(), [4_900, 4_900 + 2_001]);
    let invoice =
        metering.harness.get("invoices?limit=1").await["items"][0]["id"].as_str().unwrap().to_owned();
    let invoice = metering.harness.get(&format!("invoices/{invoice}")).await;
    let lines = invoice["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["unit"] == "gib" && line["amount"]["amount"] != 0).unwrap();
    assert_eq!((&line["quantity"], &line["amount"]["amount"]), (&json!(400.125), &json!(2_001)));
    let shares = line["workspaces"].as_array().unwrap();
    let parts: i64 = shares.iter().map(|share| share["amount"]["amount"].as_i64().unwrap()).sum();
    assert_eq!((shares.len(), parts), (2, 2_001), "{invoice}");
}

#[tokio::test]
async fn late_measurements_correct_the_usage() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    let hour = metering.next_hour();
    let since = format!("usage?from={}", hour.start());
    metering.measure(shop, hour, 0..20, 60.0);
    metering.collect_hour(hour).await;
    assert_eq!(metering.verification().await, [20_000; 3]);
    let usage = metering.harness.get(&since).await;
    assert_eq!(entry_of(&usage["total"], "network_transmit")["unmeasured_minutes"], 40);

    // The other measurements come late, and some of them a second time.
    metering.measure(shop, hour, 10..60, 60.0);
    metering.measure(shop, hour.after(1), 0..60, 0.0);
    metering.collect_hour(hour.after(1)).await;
    assert_eq!(metering.verification().await, [60_000; 3]);
    let usage = metering.harness.get(&since).await;
    let total = entry_of(&usage["total"], "network_transmit");
    assert_eq!((&total["amount"], &total["unmeasured_minutes"]), (&json!(60), &json!(0)));
    assert_eq!(entry_of(&usage["total"], "cpu")["unmeasured_minutes"], 120, "processors are not measured");
}

#[tokio::test]
async fn a_deleted_workspace_is_charged_until_its_deletion() {
    let metering = MeteringHarness::new().await;
    let (path, shop) = metering.workspace("shop").await;
    let hour = metering.next_hour();
    metering.collect_hour(hour.after(-1)).await;
    metering.measure(shop, hour, 0..30, 100.0);
    metering.harness.advance(HOUR / 2);
    let deleted = metering.harness.client().send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    metering.harness.run_worker().await;
    assert_eq!(
        metering.harness.client().send(Method::GET, &path, &Value::Null).await.status,
        StatusCode::NOT_FOUND
    );
    metering.collect_hour(hour).await;
    assert_eq!(metering.verification().await, [50_000; 3]);
    let usage = metering.harness.get("usage").await;
    let row =
        usage["workspaces"].as_array().unwrap().iter().find(|it| it["workspace_id"] == shop.to_string());
    assert_eq!(row.unwrap()["name"], Value::Null);
}

#[tokio::test]
async fn usage_during_an_outage_is_reported_afterwards() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    let first = metering.next_hour();
    metering.harness.stripe.set_faults(|faults| faults.unavailable = true);
    for hours in 0..5 {
        metering.measure(shop, first.after(hours), 0..60, 10.0);
        metering.collect_hour(first.after(hours)).await;
    }
    let usage = metering.harness.get("usage").await;
    assert_eq!(entry_of(&usage["total"], "network_transmit")["amount"], 50, "collected usage is shown");
    metering.harness.stripe.set_faults(|faults| faults.unavailable = false);
    metering.harness.advance(HOUR);
    metering.harness.run_worker().await;
    metering.harness.run_worker().await;
    assert_eq!(metering.verification().await, [50_000; 3]);
}

#[tokio::test]
async fn an_order_does_not_wait_for_a_backlog_of_usage_reports() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    let first = metering.next_hour();
    metering.harness.stripe.set_faults(|faults| faults.unavailable = true);
    for hours in 0..30 {
        metering.measure(shop, first.after(hours), 0..60, 10.0);
        metering.collect_hour(first.after(hours)).await;
    }
    metering.harness.stripe.set_faults(|faults| faults.unavailable = false);
    let ordered = metering.harness.subscribe("business").await;
    assert_eq!(ordered["plan_id"], "business");
    assert_eq!(metering.verification().await, [300_000, 0, 0], "the order reported no usage");
    metering.harness.run_worker().await;
    assert_eq!(metering.verification().await, [300_000; 3], "several reconciles reported all usage");
}

#[tokio::test]
async fn usage_before_the_subscription_is_not_reported() {
    let (harness, metrics) = Harness::with_metrics().await;
    let body = json!({ "name": "shop", "plan_id": "starter" });
    let path = format!("{}/workspaces", harness.organization_path());
    let shop = harness.client().create(&path, &body).await.parse().unwrap();
    harness.run_worker().await;
    let metering = MeteringHarness { harness, metrics };
    let hour = metering.next_hour();
    metering.measure(shop, hour, 0..60, 10.0);
    metering.collect_hour(hour).await;
    assert_eq!(entry_of(&metering.harness.get("usage").await["total"], "network_transmit")["amount"], 10);
    metering.harness.advance(HOUR);
    metering.harness.add_card("pm_card_visa").await;
    metering.harness.subscribe("team").await;
    metering.harness.run_worker().await;
    let upcoming = metering.harness.get("invoices/upcoming").await;
    assert_eq!(upcoming["lines"].as_array().unwrap().len(), 2, "{upcoming}");
    assert_eq!(
        metering
            .harness
            .platform()
            .billing()
            .verify_usage(metering.organization(), Month::of(hour.start()))
            .await
            .unwrap(),
        []
    );
}

/// Runs three hours of usage, with a workspace that is deleted in the second one, and with a fault if one is given.
async fn use_three_hours(metering: &mut MeteringHarness, point: Option<(u64, FaultPoint)>) {
    let (path, shop) = metering.workspace("shop").await;
    let (_, blog) = metering.workspace("blog").await;
    let first = metering.next_hour();
    metering.collect_hour(first.after(-1)).await;
    if let Some((operation, point)) = point {
        metering.harness.set_fault_plan(FaultPlan::failing_at(operation, point)).await;
        let plan = metering.harness.fault_plan.clone();
        metering.harness.stripe.on_caller_crash(move || plan.kill());
        let caller_crash =
            CallerCrash { after: u32::try_from(operation % 4).unwrap(), executed: operation % 2 == 0 };
        metering
            .harness
            .stripe
            .set_faults(|faults| (faults.lost_responses, faults.caller_crash) = (1, Some(caller_crash)));
    }
    for hours in 0..3 {
        let hour = first.after(hours);
        metering.measure(blog, hour, 0..60, 7.0);
        if hours < 2 {
            metering.measure(shop, hour, 0..30, 100.0);
        }
        let end = hour.end() + SignedDuration::from_mins(6);
        metering.harness.advance(
            Duration::try_from(end.duration_since(metering.harness.clock.now())).unwrap_or_default(),
        );
        if hours == 1 {
            let _ = metering.harness.client().send(Method::DELETE, &path, &Value::Null).await;
        }
        for _ in 0..4 {
            run_worker_with_restarts(metering).await;
        }
    }
}

/// Runs the worker four times, and replaces the process if it crashes.
async fn run_worker_with_restarts(metering: &mut MeteringHarness) {
    for _ in 0..4 {
        let worker = Worker::new(metering.harness.app.platform.clone(), 2);
        let plan = metering.harness.fault_plan.clone();
        let died = tokio::select! {
            _ = worker.run_once() => false,
            () = plan.died() => true,
        };
        if died {
            metering.harness.restart().await;
        }
        // Longer than the lease of a crashed process.
        metering.harness.clock.advance(Duration::from_secs(11));
    }
}

#[tokio::test]
async fn every_hour_is_reported_once_despite_faults() {
    for operation in (0..24).step_by(3) {
        for point in FaultPoint::ALL {
            let mut metering = MeteringHarness::new().await;
            use_three_hours(&mut metering, Some((operation, point))).await;
            metering.harness.set_fault_plan(FaultPlan::counting()).await;
            metering.harness.stripe.set_faults(|faults| faults.caller_crash = None);
            metering.harness.advance(HOUR);
            metering.harness.run_worker().await;
            metering.harness.run_worker().await;
            let verification = metering.verification().await;
            assert_eq!(verification, [121_000; 3], "operation {operation}, {point:?}");
        }
    }
}

#[tokio::test]
async fn a_budget_is_set_notifies_and_is_removed() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    for (body, field) in [
        (json!({ "amount": -1, "currency": "usd" }), "amount"),
        (json!({ "amount": 1, "currency": "jpy" }), "currency"),
        (json!({ "amount": 1, "currency": "dollars" }), "currency"),
    ] {
        let rejected = metering.harness.send(Method::PUT, "budget", body).await;
        assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", rejected.text);
        assert_eq!(rejected.body["errors"][0]["field"], field);
    }
    let budget = json!({ "amount": 1_000, "currency": "usd" });
    assert_eq!(metering.harness.send_ok(Method::PUT, "budget", budget.clone()).await, budget);
    metering.harness.send_ok(Method::PUT, "budget", budget.clone()).await;
    assert_eq!(metering.harness.get("overview").await["usage"]["budget"], budget);

    let hour = metering.next_hour();
    metering.measure(shop, hour, 0..60, 660.0);
    metering.collect_hour(hour).await;
    let budget_alerts = || {
        let alerts = metering.alerts().into_iter();
        alerts.filter(|(bound, _)| *bound == "budget").map(|(_, percent)| percent).collect::<Vec<_>>()
    };
    assert_eq!(budget_alerts(), [80], "160 GiB at five cents");
    let larger = json!({ "amount": 1_500, "currency": "usd" });
    metering.harness.send_ok(Method::PUT, "budget", larger).await;
    metering.measure(shop, hour.after(1), 0..60, 140.0);
    metering.collect_hour(hour.after(1)).await;
    assert_eq!(budget_alerts()[1..], [100]);
    metering.harness.send_ok(Method::DELETE, "budget", Value::Null).await;
    assert_eq!(metering.harness.get("overview").await["usage"]["budget"], Value::Null);
    let events = format!("{}/audit-events?action=billing.budget", metering.harness.organization_path());
    let audit = metering.harness.client().get(&events).await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_invalid_time_range_is_rejected() {
    let metering = MeteringHarness::new().await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2026-01-01", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("from=2020-01-01T00:00:00Z", "to"),
        ("workspace=shop", "workspace"),
    ] {
        let rejected = metering.harness.send(Method::GET, &format!("usage?{query}"), Value::Null).await;
        assert_eq!(rejected.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", rejected.text);
        assert_eq!(rejected.body["errors"][0]["field"], field, "{query}");
    }
    let nothing: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let empty = metering.harness.get(&format!("usage?from={nothing}&to={nothing}")).await;
    assert_eq!(empty["workspaces"], json!([]));
}

#[tokio::test]
async fn ending_a_subscription_immediately_charges_the_usage_so_far() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    let first = metering.next_hour();
    metering.measure(shop, first, 0..60, 560.0);
    metering.collect_hour(first).await;
    // The order itself reports the second hour, which is collected while Stripe does not respond.
    metering.harness.stripe.set_faults(|faults| faults.unavailable = true);
    metering.measure(shop, first.after(1), 0..60, 40.0);
    metering.collect_hour(first.after(1)).await;
    metering.harness.stripe.set_faults(|faults| faults.unavailable = false);
    assert_eq!(metering.verification().await, [600_000, 560_000, 560_000]);
    metering.harness.end_now().await;
    assert_eq!(metering.verification().await, [600_000; 3]);
    // 100 GiB beyond the included amount, at five cents each.
    assert_eq!(metering.harness.charges(), [4_900, 500]);
    metering.harness.advance(40 * DAY);
    assert_eq!(metering.harness.charges(), [4_900, 500]);
}

#[tokio::test]
async fn a_backlog_of_usage_is_reported_before_the_subscription_ends() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    let first = metering.next_hour();
    metering.harness.stripe.set_faults(|faults| faults.unavailable = true);
    for hours in 0..30 {
        metering.measure(shop, first.after(hours), 0..60, 20.0);
        metering.collect_hour(first.after(hours)).await;
    }
    metering.harness.stripe.set_faults(|faults| faults.unavailable = false);
    metering.harness.end_now().await;
    for _ in 0..4 {
        metering.harness.advance(HOUR / 2);
        metering.harness.run_worker().await;
    }
    assert_eq!(metering.harness.get("subscription").await["plan_id"], "starter");
    assert_eq!(metering.harness.charges(), [4_900, 500]);
}

#[tokio::test]
async fn usage_that_becomes_known_after_its_invoice_is_shown_as_not_charged() {
    let metering = MeteringHarness::new().await;
    let (_, shop) = metering.workspace("shop").await;
    metering.harness.advance(30 * DAY);
    let hour = metering.next_hour();
    metering.measure(shop, hour, 0..30, 600.0);
    metering.collect_hour(hour).await;
    let uncharged = async || {
        let month = Month::of(metering.harness.clock.now());
        let billing = metering.harness.platform().billing();
        let verifications = billing.verify_usage(metering.organization(), month).await.unwrap();
        assert!(verifications[0].is_consistent(), "{verifications:?}");
        verifications[0].uncharged
    };
    metering.harness.advance(DAY);
    assert_eq!(metering.harness.charges(), [4_900, 4_900]);
    assert_eq!(uncharged().await, 0);
    metering.measure(shop, hour, 30..60, 600.0);
    metering.harness.advance(HOUR * 8);
    metering.harness.run_worker().await;
    assert_eq!(uncharged().await, 300_000);
    metering.harness.advance(31 * DAY);
    assert_eq!(metering.harness.charges(), [4_900, 4_900, 4_900], "the next invoice does not charge it");
}
