//! Money, with the program and a Stripe that tells it what happens.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::clock::SystemClock;
use hexabase_test_stripe::FakeStripe;
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
    assert!(said(with_stripe(here, &base, &["billing", "sync", "--apply"])).contains("done: 15 changes"));
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
