//! From what is measured to what is charged.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use hexabase_core::clock::Clock as _;
use hexabase_core::faults::{Cut, FaultPlan};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::metering::STEP;
use hexabase_core::metrics::{MemoryMetrics, Metric, Sample};
use hexabase_core::model::{Hour, Meter, Month};
use hexabase_core::worker::Worker;
use hexabase_test_stripe::Fatal;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::desk::{DAY, Desk};

const HOUR: Duration = Duration::from_secs(3_600);
/// As many bytes in a second as make a GiB in an hour.
const GIB_AN_HOUR: f64 = 1_073_741_824.0 / 3_600.0;

/// A desk where an organization pays for the plan `team`, which includes 500 GiB of what is sent to the network, and
/// five cents for each further one.
struct Metered {
    desk: Desk,
    metrics: Arc<MemoryMetrics>,
}

impl Metered {
    async fn open() -> Self {
        let (desk, metrics) = Desk::measured().await;
        desk.card("pm_card_visa").await;
        desk.subscribe("team").await;
        Self { desk, metrics }
    }

    async fn workspace(&self, name: &str) -> (String, WorkspaceId) {
        let path = self.desk.workspace(name, "team").await;
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        (path, id)
    }

    /// The hour that begins next.
    fn next_hour(&self) -> Hour {
        Hour::of(self.desk.clock.now()).after(1)
    }

    /// Measures what a workspace sent in these minutes of an hour, in GiB an hour. Whoever is not measured sent nothing.
    fn measure(&self, workspace: WorkspaceId, hour: Hour, minutes: std::ops::Range<i64>, gib: f64) {
        let step = i64::try_from(STEP.as_secs()).unwrap() / 60;
        let mut minute = minutes.start + step;
        while minute <= minutes.end {
            let at = hour.start() + SignedDuration::from_mins(minute);
            self.metrics.measure(workspace, Metric::NetworkTransmit, Sample { at, value: gib * GIB_AN_HOUR });
            minute += step;
        }
    }

    /// Time goes by until this hour is over and everything is read and told.
    async fn until_read(&self, hour: Hour) {
        let settled = hour.end() + SignedDuration::from_mins(6);
        self.desk.pass(Duration::try_from(settled.duration_since(self.desk.clock.now())).unwrap_or_default());
        self.desk.work().await;
    }

    fn organization(&self) -> OrganizationId {
        self.desk.organization().rsplit('/').next().unwrap().parse().unwrap()
    }

    /// What was used, told and taken in this month, of what is sent to the network.
    async fn proof(&self) -> [u64; 3] {
        let month = Month::of(self.desk.clock.now());
        let proofs = self.desk.platform().billing().prove(self.organization(), month).await.unwrap();
        let [proof] = proofs.as_slice() else { panic!("one thing is charged for: {proofs:?}") };
        assert_eq!(proof.meter, Meter::NetworkTransmit);
        [proof.used, proof.told, proof.provider]
    }

    fn subjects(&self) -> Vec<String> {
        let mut subjects = self.desk.world.letters.subjects("ann@example.com");
        subjects.retain(|subject| subject.contains("has used"));
        subjects
    }
}

/// What a call says of something, in all workspaces or in one.
fn reading<'a>(meters: &'a Value, meter: &str) -> &'a Value {
    meters.as_array().unwrap().iter().find(|it| it["meter"] == meter).unwrap()
}

#[tokio::test]
async fn what_is_used_beyond_what_is_included_is_told_shown_and_charged() {
    let metered = Metered::open().await;
    let ((_, shop), (_, blog)) = (metered.workspace("shop").await, metered.workspace("blog").await);
    let first = metered.next_hour();
    metered.measure(shop, first, 0..60, 350.0);
    metered.measure(blog, first, 0..60, 60.0);
    metered.until_read(first).await;
    assert_eq!(metered.proof().await, [410_000; 3]);
    assert_eq!(metered.subjects(), ["acme has used 80 % of the outgoing traffic that is included"]);
    let upcoming = metered.desk.get("invoices/upcoming").await;
    assert_eq!(upcoming["total"]["amount"], 4_900, "all of it is included: {upcoming}");

    metered.measure(shop, first.after(1), 0..60, 250.0);
    metered.measure(blog, first.after(1), 0..60, 240.125);
    metered.until_read(first.after(1)).await;
    assert_eq!(metered.proof().await, [900_125; 3]);
    assert_eq!(metered.subjects().len(), 2);
    assert_eq!(metered.subjects()[1], "acme has used all of the outgoing traffic that is included");

    // By workspace, and together.
    let usage = metered.desk.get("usage").await;
    let total = reading(&usage["total"], "network_transmit");
    assert_eq!((&total["amount"], &total["unit"]), (&json!(900.125), &json!("gib")));
    let mut named: Vec<_> = usage["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (it["name"].as_str().unwrap(), reading(&it["meters"], "network_transmit")["amount"].clone())
        })
        .collect();
    named.sort_by_key(|(name, _)| *name);
    assert_eq!(named, [("blog", json!(300.125)), ("shop", json!(600))]);
    let one = metered.desk.get(&format!("usage?workspace={blog}&from={}", first.end())).await;
    assert_eq!(one["workspaces"].as_array().unwrap().len(), 1);
    assert_eq!(reading(&one["total"], "network_transmit")["amount"], 240.125);

    // 400.125 GiB at five cents.
    let overview = metered.desk.get("overview").await;
    assert_eq!(overview["usage"]["cost"], json!({ "amount": 2_001, "currency": "usd" }));
    assert_eq!(overview["usage"]["meters"][0]["included"], 500);
    let whole = metered.desk.client().get(&format!("{}/overview", metered.desk.organization())).await;
    assert_eq!(whole["month_to_date_cost"]["amount"], 4_900 + 2_001);
    let upcoming = metered.desk.get("invoices/upcoming").await;
    assert_eq!(upcoming["total"]["amount"], 4_900 + 2_001, "{upcoming}");

    // And by workspace on the invoice, to the cent.
    metered.desk.pass(31 * DAY);
    assert_eq!(metered.desk.charges(), [4_900, 4_900 + 2_001]);
    let invoice = metered.desk.get("invoices?limit=1").await["items"][0]["id"].as_str().unwrap().to_owned();
    let invoice = metered.desk.get(&format!("invoices/{invoice}")).await;
    let lines = invoice["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["unit"] == "gib" && line["amount"]["amount"] != 0).unwrap();
    assert_eq!((&line["quantity"], &line["amount"]["amount"]), (&json!(400.125), &json!(2_001)));
    let shares = line["workspaces"].as_array().unwrap();
    let parts: i64 = shares.iter().map(|share| share["amount"]["amount"].as_i64().unwrap()).sum();
    assert_eq!((shares.len(), parts), (2, 2_001), "{invoice}");
}

#[tokio::test]
async fn what_is_measured_late_takes_the_place_of_what_was_known() {
    let metered = Metered::open().await;
    let (_, shop) = metered.workspace("shop").await;
    let hour = metered.next_hour();
    let since = format!("usage?from={}", hour.start());
    metered.measure(shop, hour, 0..20, 60.0);
    metered.until_read(hour).await;
    assert_eq!(metered.proof().await, [20_000; 3]);
    let seen = metered.desk.get(&since).await;
    assert_eq!(reading(&seen["total"], "network_transmit")["unmeasured_minutes"], 40);

    // The rest comes late, and some of it once more.
    metered.measure(shop, hour, 10..60, 60.0);
    metered.measure(shop, hour.after(1), 0..60, 0.0);
    metered.until_read(hour.after(1)).await;
    assert_eq!(metered.proof().await, [60_000; 3]);
    let seen = metered.desk.get(&since).await;
    let total = reading(&seen["total"], "network_transmit");
    assert_eq!((&total["amount"], &total["unmeasured_minutes"]), (&json!(60), &json!(0)));
    assert_eq!(reading(&seen["total"], "cpu")["unmeasured_minutes"], 120, "nobody measures processors");
}

#[tokio::test]
async fn a_workspace_that_goes_is_charged_for_until_then() {
    let metered = Metered::open().await;
    let (path, shop) = metered.workspace("shop").await;
    let hour = metered.next_hour();
    metered.until_read(hour.after(-1)).await;
    metered.measure(shop, hour, 0..30, 100.0);
    metered.desk.pass(HOUR / 2);
    let gone = metered.desk.client().send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(gone.status, StatusCode::ACCEPTED);
    metered.desk.work().await;
    assert_eq!(
        metered.desk.client().send(Method::GET, &path, &Value::Null).await.status,
        StatusCode::NOT_FOUND
    );
    metered.until_read(hour).await;
    assert_eq!(metered.proof().await, [50_000; 3]);
    let usage = metered.desk.get("usage").await;
    let row =
        usage["workspaces"].as_array().unwrap().iter().find(|it| it["workspace_id"] == shop.to_string());
    assert_eq!(row.unwrap()["name"], Value::Null);
}

#[tokio::test]
async fn whatever_is_used_while_stripe_is_away_is_told_once_it_is_back() {
    let metered = Metered::open().await;
    let (_, shop) = metered.workspace("shop").await;
    let first = metered.next_hour();
    metered.desk.stripe.weather(|weather| weather.down = true);
    for hours in 0..5 {
        metered.measure(shop, first.after(hours), 0..60, 10.0);
        metered.until_read(first.after(hours)).await;
    }
    let usage = metered.desk.get("usage").await;
    assert_eq!(reading(&usage["total"], "network_transmit")["amount"], 50, "what is known is shown");
    metered.desk.stripe.weather(|weather| weather.down = false);
    metered.desk.pass(HOUR);
    metered.desk.work().await;
    metered.desk.work().await;
    assert_eq!(metered.proof().await, [50_000; 3]);
}

#[tokio::test]
async fn nobody_who_orders_waits_until_days_of_usage_are_told() {
    let metered = Metered::open().await;
    let (_, shop) = metered.workspace("shop").await;
    let first = metered.next_hour();
    metered.desk.stripe.weather(|weather| weather.down = true);
    for hours in 0..30 {
        metered.measure(shop, first.after(hours), 0..60, 10.0);
        metered.until_read(first.after(hours)).await;
    }
    metered.desk.stripe.weather(|weather| weather.down = false);
    let ordered = metered.desk.subscribe("business").await;
    assert_eq!(ordered["plan_id"], "business");
    assert_eq!(metered.proof().await, [300_000, 0, 0], "the request told nothing");
    metered.desk.work().await;
    assert_eq!(metered.proof().await, [300_000; 3], "and more than one look has told all of it");
}

#[tokio::test]
async fn nothing_is_told_of_what_was_used_before_anything_was_paid() {
    let (desk, metrics) = Desk::measured().await;
    let body = json!({ "name": "shop", "plan_id": "starter" });
    let path = format!("{}/workspaces", desk.organization());
    let shop = desk.client().make(&path, &body).await.parse().unwrap();
    desk.work().await;
    let metered = Metered { desk, metrics };
    let hour = metered.next_hour();
    metered.measure(shop, hour, 0..60, 10.0);
    metered.until_read(hour).await;
    assert_eq!(reading(&metered.desk.get("usage").await["total"], "network_transmit")["amount"], 10);
    metered.desk.pass(HOUR);
    metered.desk.card("pm_card_visa").await;
    metered.desk.subscribe("team").await;
    metered.desk.work().await;
    let upcoming = metered.desk.get("invoices/upcoming").await;
    assert_eq!(upcoming["lines"].as_array().unwrap().len(), 2, "{upcoming}");
    assert_eq!(
        metered
            .desk
            .platform()
            .billing()
            .prove(metered.organization(), Month::of(hour.start()))
            .await
            .unwrap(),
        []
    );
}

/// Three hours with a workspace that goes in the middle, through whatever is cut on the way.
async fn three_hours(metered: &mut Metered, cut: Option<(u64, Cut)>) {
    let (path, shop) = metered.workspace("shop").await;
    let (_, blog) = metered.workspace("blog").await;
    let first = metered.next_hour();
    metered.until_read(first.after(-1)).await;
    if let Some((operation, cut)) = cut {
        metered.desk.under(FaultPlan::cutting(operation, cut)).await;
        let plan = metered.desk.plan.clone();
        metered.desk.stripe.kills(move || plan.kill());
        let fatal = Fatal { after: u32::try_from(operation % 4).unwrap(), done: operation % 2 == 0 };
        metered.desk.stripe.weather(|weather| (weather.lost_answers, weather.fatal) = (1, Some(fatal)));
    }
    for hours in 0..3 {
        let hour = first.after(hours);
        metered.measure(blog, hour, 0..60, 7.0);
        if hours < 2 {
            metered.measure(shop, hour, 0..30, 100.0);
        }
        let end = hour.end() + SignedDuration::from_mins(6);
        metered
            .desk
            .pass(Duration::try_from(end.duration_since(metered.desk.clock.now())).unwrap_or_default());
        if hours == 1 {
            let _ = metered.desk.client().send(Method::DELETE, &path, &Value::Null).await;
        }
        for _ in 0..4 {
            persist(metered).await;
        }
    }
}

/// A worker's turns, and another process where one dies.
async fn persist(metered: &mut Metered) {
    for _ in 0..4 {
        let worker = Worker::new(metered.desk.world.platform.clone(), 2);
        let plan = metered.desk.plan.clone();
        let died = tokio::select! {
            _ = worker.turn() => false,
            () = plan.died() => true,
        };
        if died {
            metered.desk.restart().await;
        }
        // Longer than a lease that somebody left behind.
        metered.desk.clock.advance(Duration::from_secs(11));
    }
}

#[tokio::test]
async fn whatever_is_cut_on_the_way_every_hour_is_told_once() {
    for operation in (0..24).step_by(3) {
        for cut in Cut::ALL {
            let mut metered = Metered::open().await;
            three_hours(&mut metered, Some((operation, cut))).await;
            metered.desk.under(FaultPlan::counting()).await;
            metered.desk.stripe.weather(|weather| weather.fatal = None);
            metered.desk.pass(HOUR);
            metered.desk.work().await;
            metered.desk.work().await;
            let proof = metered.proof().await;
            assert_eq!(proof, [121_000; 3], "operation {operation}, {cut:?}");
        }
    }
}

#[tokio::test]
async fn a_budget_is_set_warned_of_and_removed() {
    let metered = Metered::open().await;
    let (_, shop) = metered.workspace("shop").await;
    for (body, field) in [
        (json!({ "amount": -1, "currency": "usd" }), "amount"),
        (json!({ "amount": 1, "currency": "jpy" }), "currency"),
        (json!({ "amount": 1, "currency": "dollars" }), "currency"),
    ] {
        let refused = metered.desk.send(Method::PUT, "budget", body).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.text);
        assert_eq!(refused.body["errors"][0]["field"], field);
    }
    let budget = json!({ "amount": 1_000, "currency": "usd" });
    assert_eq!(metered.desk.must(Method::PUT, "budget", budget.clone()).await, budget);
    metered.desk.must(Method::PUT, "budget", budget.clone()).await;
    assert_eq!(metered.desk.get("overview").await["usage"]["budget"], budget);

    let hour = metered.next_hour();
    metered.measure(shop, hour, 0..60, 660.0);
    metered.until_read(hour).await;
    let about =
        |subjects: Vec<String>| subjects.into_iter().filter(|it| it.contains("budget")).collect::<Vec<_>>();
    assert_eq!(about(metered.subjects()), ["acme has used 80 % of its budget"], "160 GiB at five cents");
    let larger = json!({ "amount": 1_500, "currency": "usd" });
    metered.desk.must(Method::PUT, "budget", larger).await;
    metered.measure(shop, hour.after(1), 0..60, 140.0);
    metered.until_read(hour.after(1)).await;
    assert_eq!(about(metered.subjects())[1..], ["acme has used all of its budget"]);
    metered.desk.must(Method::DELETE, "budget", Value::Null).await;
    assert_eq!(metered.desk.get("overview").await["usage"]["budget"], Value::Null);
    let events = format!("{}/audit-events?action=billing.budget", metered.desk.organization());
    let audit = metered.desk.client().get(&events).await;
    assert_eq!(audit["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_time_that_makes_no_sense_is_refused() {
    let metered = Metered::open().await;
    for (query, field) in [
        ("from=yesterday", "from"),
        ("to=2026-01-01", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to"),
        ("from=2020-01-01T00:00:00Z", "to"),
        ("workspace=shop", "workspace"),
    ] {
        let refused = metered.desk.send(Method::GET, &format!("usage?{query}"), Value::Null).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}: {}", refused.text);
        assert_eq!(refused.body["errors"][0]["field"], field, "{query}");
    }
    let nothing: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let empty = metered.desk.get(&format!("usage?from={nothing}&to={nothing}")).await;
    assert_eq!(empty["workspaces"], json!([]));
}
