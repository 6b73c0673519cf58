//! Webhooks of the billing provider: one webhook, compared with its signature and a plain insert; and a burst over
//! HTTP. The arguments `single_webhook` and `burst` select one of the two.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use hexabase_api::{ApiState, router};
use hexabase_auth::{Auth, AuthConfig};
use hexabase_benches::{Comparison, Target, alternate, percentile, report, row};
use hexabase_billing::{StripeBilling, StripeConfig};
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::{Clock as _, SystemClock};
use hexabase_core::fixture::{self, FIXTURE_TIME, id};
use hexabase_core::model::{BillingAccount, CustomerId};
use hexabase_core::store::Commit as _;
use hexabase_store::{PostgresConfig, PostgresStore};
use hexabase_test_servers::Postgres;
use hexabase_test_stripe::sign;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::runtime::Runtime;

const SECRET: &str = "whsec_of_this_bench";
/// Number of webhooks that are prepared for the measurement of single ones.
const PREPARED_WEBHOOKS: usize = 20_000;
/// Number of webhooks in a burst.
const BURST_SIZE: usize = 1_000;
/// Number of connections over which a burst is sent.
const BURST_CONNECTIONS: usize = 16;

fn main() {
    let runtime = Runtime::new().unwrap();
    let postgres = Postgres::start();
    let selected: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_selected = |name: &str| selected.is_empty() || selected.iter().any(|word| word == name);
    if is_selected("one") {
        single_webhook(&runtime, &postgres);
    }
    if is_selected("burst") {
        runtime.block_on(burst(&postgres));
    }
}

/// Creates a platform with a customer on a new database. Returns it with the name of the database.
async fn create_platform(postgres: &Postgres) -> (Platform, String) {
    let database = postgres.database().await;
    let config = PostgresConfig::new(postgres.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    let store = PostgresStore::connect(&config).await.unwrap();
    let account = BillingAccount {
        customer_id: Some(CustomerId("cus_acme".to_owned())),
        ..BillingAccount::new(id("acme"), FIXTURE_TIME)
    };
    store.commit(Changeset::new().insert(fixture::organization("acme")).insert(account)).await.unwrap();
    let config =
        StripeConfig { webhook_secrets: vec![SECRET.into()], ..StripeConfig::new("sk_test_bench".into()) };
    let stripe = StripeBilling::new(&config, Arc::new(SystemClock)).unwrap();
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(Arc::new(store))
        .with_billing(Arc::new(stripe))
        .build()
        .unwrap();
    (platform, database)
}

/// Webhook of a paid invoice in the size of Stripe's webhooks, with its signature.
fn webhook(number: usize) -> (Vec<u8>, String) {
    let padding = "x".repeat(3_000);
    let object = format!(
        r#"{{"id":"in_{number}","object":"invoice","customer":"cus_acme","description":"{padding}"}}"#
    );
    let body = format!(
        r#"{{"id":"evt_{number}","object":"event","type":"invoice.paid","data":{{"object":{object}}}}}"#
    );
    let signature = sign(body.as_bytes(), &[SECRET], SystemClock.now().as_second());
    (body.into_bytes(), signature)
}

fn single_webhook(runtime: &Runtime, postgres: &Postgres) {
    let (platform, database) = runtime.block_on(create_platform(postgres));
    let options: PgConnectOptions = postgres.url_of(&database).parse().unwrap();
    let mut connection: PgConnection =
        runtime.block_on(options.disable_statement_logging().connect()).unwrap();
    let webhooks: Vec<_> = (0..PREPARED_WEBHOOKS).map(webhook).collect();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let (mut ours, mut theirs) = (webhooks.iter(), webhooks.iter().enumerate());
    let comparison = alternate(
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
                sqlx::query(insert).bind(format!("direct_{number}")).bind("invoice.paid").bind("cus_acme");
            runtime.block_on(insert.execute(&mut connection)).unwrap();
        },
    );
    let floor = "an HMAC and an insert, without Hexabase";
    report("webhook verified and stored on PostgreSQL", floor, comparison, Target::TimesFloor(1.5));
}

async fn burst(postgres: &Postgres) {
    let (platform, database) = create_platform(postgres).await;
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let router = router(ApiState::new(platform, auth));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhooks/stripe", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
    let webhooks: Vec<_> = (0..BURST_SIZE).map(webhook).collect();
    let responses: Vec<Duration> = iter(webhooks)
        .map(|(body, signature)| {
            let request = client.post(&url).header("stripe-signature", signature).body(body);
            async move {
                let started = Instant::now();
                assert!(request.send().await.unwrap().status().is_success());
                started.elapsed()
            }
        })
        .buffer_unordered(BURST_CONNECTIONS)
        .collect()
        .await;
    let options: PgConnectOptions = postgres.url_of(&database).parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let count = "SELECT COUNT(*) FROM webhook_events";
    let stored: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
    let met = usize::try_from(stored).unwrap() == BURST_SIZE;
    let what = format!("webhooks stored from a burst over {BURST_CONNECTIONS} connections");
    row(&what, &stored, &BURST_SIZE.to_string(), "", &"all", met);
    let comparison =
        Comparison { ours: percentile(responses.clone(), 0.99), floor: hexabase_benches::median(responses) };
    report(
        "99th percentile of the response time",
        "median",
        comparison,
        Target::AtMost(Duration::from_millis(50)),
    );
}
