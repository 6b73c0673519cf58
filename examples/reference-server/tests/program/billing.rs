//! Money, with the program and a Stripe that tells it what happens.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{BillingAccount, Hour};
use hexabase_core::store::{BillingStore as _, Commit as _};
use hexabase_store::SqliteStore;
use hexabase_test_servers::Prometheus;
use hexabase_test_stripe::FakeStripe;
use jiff::SignedDuration;
use serde_json::json;

use crate::process::{Process, fails_with, program};

const SECRETS: [(&str, &str); 2] = [
    ("HEXABASE_STRIPE_SECRET_KEY", "sk_test_4711"),
    ("HEXABASE_STRIPE_WEBHOOK_SECRET", "whsec_replaced,whsec_0815"),
];

fn with_stripe(folder: &Path, stripe: &str, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.args(arguments).args(["--dev", "--stripe-api-base", stripe]).envs(SECRETS);
    command
}

fn said(mut command: Command) -> String {
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_synced_and_a_subscription_follows_what_stripe_tells() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let stripe = FakeStripe::new(Arc::new(SystemClock));
    let base = stripe.serve().await;

    let shown = said(with_stripe(here, &base, &["billing", "sync"]));
    assert!(shown.contains("+ price hexabase_team_plan_month: 4900 usd"), "{shown}");
    assert!(shown.ends_with("--apply makes them\n"), "{shown}");
    assert_eq!(said(with_stripe(here, &base, &["billing", "sync"])), shown, "to look changes nothing");
    assert!(said(with_stripe(here, &base, &["billing", "sync", "--apply"])).contains("done: 22 changes"));
    let again = said(with_stripe(here, &base, &["billing", "sync", "--apply"]));
    assert_eq!(again, "Stripe sells what the plans say\n");

    let mut serve = with_stripe(here, &base, &["serve", "--listen", "127.0.0.1:0"]);
    let server = Process::spawn("serve", here, serve.env("RUST_LOG", "debug")).await;
    stripe.deliver_to(&format!("{}/webhooks/stripe", server.url), "whsec_0815");
    let ann = server.sign_in("ann@example.com").await;
    assert_eq!(ann.get("/api/v1/info").await["backends"]["billing"], "stripe");
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let billing = format!("/api/v1/organizations/{org}/billing");
    ann.post(&format!("{billing}/payment-methods"), &json!({ "payment_method": "pm_card_visa" })).await;
    let subscription = format!("{billing}/subscription");
    let made = ann.put(&subscription, &json!({ "plan_id": "team" })).await;
    assert_eq!(made["plan_id"], "team", "{made}");

    // Somebody ends it in Stripe's dashboard, and a webhook tells.
    let there = stripe.act("GET", "/v1/subscriptions", "");
    let id = there["data"][0]["id"].as_str().unwrap();
    stripe.act("DELETE", &format!("/v1/subscriptions/{id}"), "");
    while ann.get(&subscription).await["plan_id"] != "starter" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ann.get(&subscription).await["subscription"]["state"], "canceled");
    let log = server.stop();
    for (_, secret) in SECRETS {
        for secret in secret.split(',') {
            assert!(!log.contains(secret), "a secret is in the log");
        }
    }
}

/// What a kubelet tells of a namespace in which a GiB an hour goes out to the network, for some hours until now.
fn measurements(namespace: &str) -> String {
    let now = SystemClock.now().as_second();
    let times: Vec<i64> = (now - 4 * 3_600..=now).step_by(60).collect();
    let node = "job=\"kubelet\",instance=\"one\"";
    let pod = format!("job=\"kubelet\",namespace=\"{namespace}\",pod=\"web\",interface=\"eth0\"");
    let mut text = "# TYPE container_network_transmit_bytes counter\n".to_owned();
    for at in &times {
        let sent = (at - times[0]) * 1_073_741_824 / 3_600;
        writeln!(text, "container_network_transmit_bytes_total{{{pod}}} {sent} {at}").unwrap();
    }
    for (name, value) in [("machine_cpu_cores", 8), ("up", 1)] {
        writeln!(text, "# TYPE {name} gauge").unwrap();
        for at in &times {
            writeln!(text, "{name}{{{node}}} {value} {at}").unwrap();
        }
    }
    text + "# EOF\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_measures_is_told_to_stripe_and_proven() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let stripe = FakeStripe::new(Arc::new(SystemClock));
    let base = stripe.serve().await;
    said(with_stripe(here, &base, &["billing", "sync", "--apply"]));
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let server = Process::spawn("serve", here, &mut with_stripe(here, &base, &serve)).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let here_is = format!("/api/v1/organizations/{org}");
    ann.post(&format!("{here_is}/billing/payment-methods"), &json!({ "payment_method": "pm_card_visa" }))
        .await;
    ann.put(&format!("{here_is}/billing/subscription"), &json!({ "plan_id": "team" })).await;
    let shop = json!({ "name": "shop", "plan_id": "team" });
    let workspace =
        ann.post(&format!("{here_is}/workspaces"), &shop).await["id"].as_str().unwrap().to_owned();
    server.stop();

    // It has been a customer for some hours.
    let id: OrganizationId = org.parse().unwrap();
    let store = SqliteStore::open(&here.join("hexabase.db")).await.unwrap();
    let account = store.find_billing_account(id).await.unwrap().unwrap();
    let customer = account.customer_id.clone().unwrap().0;
    let now = SystemClock.now();
    let account = BillingAccount { created_at: now - SignedDuration::from_hours(9), ..account };
    store.commit(Changeset::new().billing_account(account, now)).await.unwrap();
    drop(store);

    let prometheus = Prometheus::with(&measurements(&workspace.replace('_', "-")));
    let mut serve = with_stripe(here, &base, &serve);
    let server = Process::spawn("serve", here, serve.args(["--prometheus-url", prometheus.url()])).await;
    let ann = server.sign_in("ann@example.com").await;
    assert_eq!(ann.get("/api/v1/info").await["backends"]["metrics"], "prometheus");
    let since = now - SignedDuration::from_hours(9);
    let usage = format!("{here_is}/billing/usage?from={since}");
    let sent = async || ann.get(&usage).await["total"][4]["amount"].clone();
    while sent().await != 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = || stripe.act("GET", "/v1/billing/meters", "")["data"][0]["id"].as_str().unwrap().to_owned();
    let until = Hour::of(SystemClock.now()).start().as_second();
    let summary = format!("/v1/billing/meters/{}/event_summaries", told());
    let form = format!("customer={customer}&start_time={}&end_time={until}", until - 9 * 3_600);
    while stripe.act("GET", &summary, &form)["data"][0]["aggregated_value"] != 1_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // The last hour that was over and settled; near the beginning of a month it lies in the one before.
    let hour = Hour::of(now - SignedDuration::from_mins(5)).after(-1);
    let month = hour.start().strftime("%Y-%m").to_string();
    let prove = ["billing", "usage", "--month", &month];
    let proven = said(with_stripe(here, &base, &prove));
    let line = format!("{org} network_transmit: used 1.000, told 1.000, Stripe has 1.000 gib");
    assert!(proven.contains(&line) && proven.contains("1 organizations used is what was told"), "{proven}");
    let more = format!(
        "event_name=hexabase_network_transmit&payload[stripe_customer_id]={customer}&payload[value]=5&timestamp={}",
        hour.end().as_second() - 1
    );
    stripe.act("POST", "/v1/billing/meter_events", &more);
    let differs = fails_with(&mut with_stripe(here, &base, &prove), "1 differences");
    assert!(differs.contains(&month), "{differs}");
    server.stop();
}

#[test]
fn a_key_without_a_webhook_secret_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for secret in [None, Some("")] {
        let mut command = program(folder.path());
        command.args(["serve", "--dev", "--stripe-secret-key", "sk_test_4711"]);
        if let Some(secret) = secret {
            command.env("HEXABASE_STRIPE_WEBHOOK_SECRET", secret);
        }
        let line = fails_with(&mut command, "stripe_webhook_secret");
        assert!(!line.contains("4711"), "{line}");
    }
    let mut sync = program(folder.path());
    fails_with(sync.args(["billing", "sync", "--dev"]), "stripe_secret_key");
}
