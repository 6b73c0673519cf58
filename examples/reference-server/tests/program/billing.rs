//! Billing with the program and a fake Stripe that sends webhooks.

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

use crate::metrics::wait_until_recorded;
use crate::process::{Process, fails_with, program};

/// Secret with which the stand-in signs webhooks.
pub(crate) const WEBHOOK_SECRET: &str = "whsec_0815";

const SECRETS: [(&str, &str); 2] = [
    ("HEXABASE_STRIPE_SECRET_KEY", "sk_test_4711"),
    ("HEXABASE_STRIPE_WEBHOOK_SECRET", "whsec_replaced,whsec_0815"),
];

pub(crate) fn with_stripe(folder: &Path, stripe: &str, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.args(arguments).args(["--dev", "--stripe-api-base", stripe]).envs(SECRETS);
    command
}

pub(crate) fn output_of(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn catalog_is_synchronized_and_webhooks_update_subscriptions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let stripe = FakeStripe::new(Arc::new(SystemClock));
    let base = stripe.serve().await;

    let listed = output_of(with_stripe(path, &base, &["billing", "sync"]));
    assert!(listed.contains("+ price hexabase_team_plan_month: 4900 usd"), "{listed}");
    assert!(listed.ends_with("--apply makes them\n"), "{listed}");
    assert_eq!(output_of(with_stripe(path, &base, &["billing", "sync"])), listed, "listing changes nothing");
    let applied = output_of(with_stripe(path, &base, &["billing", "sync", "--apply"]));
    assert!(applied.contains("22 changes made"), "{applied}");
    let repeated = output_of(with_stripe(path, &base, &["billing", "sync", "--apply"]));
    assert_eq!(repeated, "Stripe's catalog matches the plans\n");

    let mut serve = with_stripe(path, &base, &["serve", "--listen", "127.0.0.1:0"]);
    let server = Process::spawn("serve", path, serve.env("RUST_LOG", "debug")).await;
    stripe.deliver_to(&format!("{}/webhooks/stripe", server.url), WEBHOOK_SECRET);
    let ann = server.sign_in("ann@example.com").await;
    assert_eq!(ann.get("/api/v1/info").await["backends"]["billing"], "stripe");
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let billing = format!("/api/v1/organizations/{org}/billing");
    ann.post(&format!("{billing}/payment-methods"), &json!({ "payment_method": "pm_card_visa" })).await;
    let subscription = format!("{billing}/subscription");
    let subscribed = ann.put(&subscription, &json!({ "plan_id": "team" })).await;
    assert_eq!(subscribed["plan_id"], "team", "{subscribed}");

    // The subscription is canceled at Stripe, which sends a webhook.
    let subscriptions = stripe.call("GET", "/v1/subscriptions", "");
    let id = subscriptions["data"][0]["id"].as_str().unwrap();
    stripe.call("DELETE", &format!("/v1/subscriptions/{id}"), "");
    while ann.get(&subscription).await["plan_id"] != "starter" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let series = ["hexabase_payment_request_seconds", "hexabase_webhook_wait_seconds"];
    wait_until_recorded(&server, &series).await;
    assert_eq!(ann.get(&subscription).await["subscription"]["state"], "canceled");
    let log = server.stop();
    for (_, secret) in SECRETS {
        for secret in secret.split(',') {
            assert!(!log.contains(secret), "a secret is in the log");
        }
    }
}

/// Returns the measurements of a namespace that sends one GiB per hour to the network, for the last four hours. A pod of
/// the namespace invents ten times as much.
fn measurements(namespace: &str) -> String {
    let now = SystemClock.now().as_second();
    let times: Vec<i64> = (now - 4 * 3_600..=now).step_by(60).collect();
    let node = "job=\"nodes\",instance=\"one\"";
    let pod = format!("namespace=\"{namespace}\",pod=\"web\",interface=\"eth0\"");
    let mut text = "# TYPE container_network_transmit_bytes counter\n".to_owned();
    for (job, factor) in [("nodes", 1), ("kubernetes-pods", 10)] {
        for at in &times {
            let sent = (at - times[0]) * 1_073_741_824 / 3_600 * factor;
            let labels = format!("job=\"{job}\",{pod}");
            writeln!(text, "container_network_transmit_bytes_total{{{labels}}} {sent} {at}").unwrap();
        }
    }
    writeln!(text, "# TYPE up gauge").unwrap();
    for at in &times {
        writeln!(text, "up{{{node}}} 1 {at}").unwrap();
    }
    text + "# EOF\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn measured_usage_is_reported_to_stripe_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let stripe = FakeStripe::new(Arc::new(SystemClock));
    let base = stripe.serve().await;
    output_of(with_stripe(path, &base, &["billing", "sync", "--apply"]));
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    let server = Process::spawn("serve", path, &mut with_stripe(path, &base, &serve)).await;
    let ann = server.sign_in("ann@example.com").await;
    let organization = json!({ "name": "acme", "display_name": "Acme" });
    let org = ann.post("/api/v1/organizations", &organization).await["id"].as_str().unwrap().to_owned();
    let organization = format!("/api/v1/organizations/{org}");
    let card = json!({ "payment_method": "pm_card_visa" });
    ann.post(&format!("{organization}/billing/payment-methods"), &card).await;
    ann.put(&format!("{organization}/billing/subscription"), &json!({ "plan_id": "team" })).await;
    let shop = json!({ "name": "shop", "plan_id": "team" });
    let workspace =
        ann.post(&format!("{organization}/workspaces"), &shop).await["id"].as_str().unwrap().to_owned();
    server.stop();

    // Usage counts since the creation of the billing account, so that is moved nine hours back.
    let id: OrganizationId = org.parse().unwrap();
    let store = SqliteStore::open(&path.join("hexabase.db")).await.unwrap();
    let account = store.find_billing_account(id).await.unwrap().unwrap();
    let customer = account.customer_id.clone().unwrap().0;
    let now = SystemClock.now();
    let account = BillingAccount { created_at: now - SignedDuration::from_hours(9), ..account };
    store.commit(Changeset::new().billing_account(account, now)).await.unwrap();
    drop(store);

    let prometheus = Prometheus::with(&measurements(&workspace.replace('_', "-")));
    let mut serve = with_stripe(path, &base, &serve);
    let scrapes = ["--prometheus-kubelet-job", "kubelet,nodes", "--prometheus-scrape-seconds", "60"];
    let server =
        Process::spawn("serve", path, serve.args(["--prometheus-url", prometheus.url()]).args(scrapes)).await;
    let ann = server.sign_in("ann@example.com").await;
    assert_eq!(ann.get("/api/v1/info").await["backends"]["metrics"], "prometheus");
    let since = now - SignedDuration::from_hours(9);
    let usage = format!("{organization}/billing/usage?from={since}");
    let sent = async || ann.get(&usage).await["total"][4]["amount"].clone();
    while sent().await != 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let meter = stripe.call("GET", "/v1/billing/meters", "")["data"][0]["id"].as_str().unwrap().to_owned();
    let until = Hour::of(SystemClock.now()).start().as_second();
    let summary = format!("/v1/billing/meters/{meter}/event_summaries");
    let form = format!("customer={customer}&start_time={}&end_time={until}", until - 9 * 3_600);
    while stripe.call("GET", &summary, &form)["data"][0]["aggregated_value"] != 1_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    wait_until_recorded(&server, &["hexabase_metering_lag_seconds"]).await;
    // The last complete hour whose usage was read; at the beginning of a month it belongs to the previous one.
    let hour = Hour::of(now - SignedDuration::from_mins(5)).after(-1);
    let month = hour.start().strftime("%Y-%m").to_string();
    let verify = ["billing", "usage", "--month", &month];
    let verified = output_of(with_stripe(path, &base, &verify));
    let line = format!("{org} network_transmit: used 1.000, reported 1.000, at Stripe 1.000 gib");
    assert!(verified.contains(&line) && verified.contains("usage of 1 organizations"), "{verified}");
    let additional = format!(
        "event_name=hexabase_network_transmit&payload[stripe_customer_id]={customer}&payload[value]=5&timestamp={}",
        hour.end().as_second() - 1
    );
    stripe.call("POST", "/v1/billing/meter_events", &additional);
    let error = fails_with(&mut with_stripe(path, &base, &verify), "1 differences");
    assert!(error.contains(&month), "{error}");
    server.stop();
}

#[test]
fn key_without_webhook_secret_is_rejected_and_not_printed() {
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
