//! Webhooks: one, next to its signature and a bare insert; and a thousand at once, over HTTP. `one` and `burst` among the
//! arguments measure that alone.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_auth::{Auth, AuthConfig};
use hexabase_benches::{Pair, Target, in_turns, report, row, upper};
use hexabase_billing::{StripeBilling, StripeSettings};
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::fixture::{self, THEN, id};
use hexabase_core::model::{BillingAccount, CustomerId};
use hexabase_core::store::Commit as _;
use hexabase_server::{App, AppParts, router};
use hexabase_store::{PostgresSettings, PostgresStore};
use hexabase_test_servers::Postgres;
use hexabase_test_stripe::sign;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::runtime::Runtime;

const SECRET: &str = "whsec_of_this_bench";
/// How many webhooks are ready to be sent one by one.
const READY: usize = 20_000;
/// How many come in a burst, and over how many connections.
const BURST: usize = 1_000;
const CONNECTIONS: usize = 16;

fn main() {
    let runtime = Runtime::new().unwrap();
    let postgres = Postgres::start();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if is_wanted("one") {
        one(&runtime, &postgres);
    }
    if is_wanted("burst") {
        runtime.block_on(burst(&postgres));
    }
}

/// A platform with a customer, on a database of its own.
async fn furnished(postgres: &Postgres) -> (Platform, String) {
    let database = postgres.database().await;
    let settings = PostgresSettings::new(postgres.url_of(&database));
    PostgresStore::migrate(&settings).await.unwrap();
    let store = PostgresStore::connect(&settings).await.unwrap();
    let account = BillingAccount {
        customer_id: Some(CustomerId("cus_acme".to_owned())),
        ..BillingAccount::new(id("acme"), THEN)
    };
    store.commit(Changeset::new().insert(fixture::organization("acme")).insert(account)).await.unwrap();
    let settings = StripeSettings {
        webhook_secrets: vec![SECRET.into()],
        ..StripeSettings::new("sk_test_bench".into())
    };
    let stripe = StripeBilling::new(&settings, Arc::new(SystemClock)).unwrap();
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(store))
        .with_billing(Arc::new(stripe))
        .build()
        .unwrap();
    (platform, database)
}

/// An invoice that was paid, as long as Stripe's are, with its signature.
fn webhook(number: usize) -> (Vec<u8>, String) {
    let filling = "x".repeat(3_000);
    let object = format!(
        r#"{{"id":"in_{number}","object":"invoice","customer":"cus_acme","description":"{filling}"}}"#
    );
    let body = format!(
        r#"{{"id":"evt_{number}","object":"event","type":"invoice.paid","data":{{"object":{object}}}}}"#
    );
    let signature = sign(body.as_bytes(), &[SECRET], SystemClock.now().as_second());
    (body.into_bytes(), signature)
}

fn one(runtime: &Runtime, postgres: &Postgres) {
    let (platform, database) = runtime.block_on(furnished(postgres));
    let options: PgConnectOptions = postgres.url_of(&database).parse().unwrap();
    let mut bare: PgConnection = runtime.block_on(options.disable_statement_logging().connect()).unwrap();
    let webhooks: Vec<_> = (0..READY).map(webhook).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let (mut ours, mut theirs) = (webhooks.iter(), webhooks.iter().enumerate());
    let pair = in_turns(
        || {
            let (body, signature) = ours.next().unwrap();
            runtime.block_on(platform.billing().receive_webhook(body, signature)).unwrap();
        },
        || {
            let (number, (body, _)) = theirs.next().unwrap();
            let tag = hmac::sign(&key, body);
            assert_eq!(tag.as_ref().len(), 32);
            let insert =
                "INSERT INTO webhook_events (id, kind, customer_id, received_at) VALUES ($1, $2, $3, now())";
            let insert =
                sqlx::query(insert).bind(format!("bare_{number}")).bind("invoice.paid").bind("cus_acme");
            runtime.block_on(insert.execute(&mut bare)).unwrap();
        },
    );
    let floor = "an HMAC and a bare insert";
    report("a webhook verified and kept on PostgreSQL", floor, pair, Target::TimesFloor(1.5));
}

async fn burst(postgres: &Postgres) {
    let (platform, database) = furnished(postgres).await;
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let router = router(App::assemble(AppParts::new(platform, auth)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let webhooks: Vec<_> = (0..BURST).map(webhook).collect();
    let answers: Vec<Duration> = iter(webhooks)
        .map(|(body, signature)| {
            let request = client.post(&url).header("stripe-signature", signature).body(body);
            async move {
                let begun = Instant::now();
                assert!(request.send().await.unwrap().status().is_success());
                begun.elapsed()
            }
        })
        .buffer_unordered(CONNECTIONS)
        .collect()
        .await;
    let options: PgConnectOptions = postgres.url_of(&database).parse().unwrap();
    let mut bare = options.connect().await.unwrap();
    let count = "SELECT COUNT(*) FROM webhook_events";
    let kept: i64 = sqlx::query_scalar(count).fetch_one(&mut bare).await.unwrap();
    let met = usize::try_from(kept).unwrap() == BURST;
    let what = format!("webhooks kept of a burst over {CONNECTIONS} connections");
    row(&what, &kept, &BURST.to_string(), "", &"all", met);
    let pair = Pair { ours: upper(answers.clone(), 0.99), floor: hexabase_benches::median(answers) };
    report("99th percentile of the answers", "median", pair, Target::AtMost(Duration::from_millis(50)));
}
