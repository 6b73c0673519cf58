//! Messages from the outbox to whoever deals with them, next to bare JetStream; and how long they lie in the outbox.

#![expect(clippy::unwrap_used, reason = "a bench gives up by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, iter};
use hexabase_benches::{Pair, Target, report, row, upper};
use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::{Changeset, OutboxMessage, Topic};
use hexabase_core::error::Result;
use hexabase_core::fixture::id;
use hexabase_core::id::MessageId;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::notifier::{Mail, Notifier};
use hexabase_core::queue::{DeadLetter, Delivery, TaskQueue};
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_store::{NatsQueue, NatsSettings, PostgresSettings, PostgresStore};
use hexabase_test_servers::{Nats, Postgres};
use tokio::sync::Notify;

/// How many messages go through.
const MESSAGES: usize = 20_000;
/// How many are dealt with at a time, ours and theirs.
const AT_A_TIME: usize = 64;
/// How many are committed together where the time in the outbox is measured.
const IN_A_COMMIT: usize = 4;
/// How many commit at a time there.
const COMMITTERS: usize = 8;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (postgres, nats) = (Postgres::start(), Nats::start(&[]));
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(through_the_outbox(&postgres, &nats).await);
            floors.push(bare(&nats).await);
        }
        let pair = Pair { ours: hexabase_benches::median(ours), floor: hexabase_benches::median(floors) };
        let rate = |took: Duration| format!("{:.0}/s", MESSAGES as f64 / took.as_secs_f64());
        let floor = format!("{} (publishing and consuming on bare JetStream)", rate(pair.floor));
        let (share, met) = (1.0 / pair.ratio(), pair.ratio() <= 2.0);
        let what = "messages through outbox, relay and worker";
        row(what, &rate(pair.ours), &floor, &format!("{share:.2}"), &"≥ 0.5 × floor", met);
        lag(&postgres, &nats, pair.ours / u32::try_from(MESSAGES).unwrap() * 2).await;
    });
}

/// Counts what arrives.
#[derive(Debug, Default)]
struct Count {
    arrived: AtomicUsize,
    all: Notify,
}

#[async_trait]
impl Notifier for Count {
    async fn send(&self, _: &Mail) -> Result<()> {
        if self.arrived.fetch_add(1, Ordering::SeqCst) + 1 == MESSAGES {
            self.all.notify_one();
        }
        Ok(())
    }
}

async fn store(postgres: &Postgres) -> Arc<dyn TenantStore> {
    let database = postgres.database().await;
    let settings = PostgresSettings::new(postgres.url_of(&database));
    PostgresStore::migrate(&settings).await.unwrap();
    Arc::new(PostgresStore::connect(&settings).await.unwrap())
}

async fn queue(nats: &Nats) -> NatsQueue {
    let stream = hexabase_test_servers::unique("BENCH");
    NatsQueue::connect(NatsSettings { stream, ..NatsSettings::new(nats.url()) }).await.unwrap()
}

fn mail(platform: &Platform) -> OutboxMessage {
    let mail = Mail {
        to: hexabase_core::name::Email::parse("ann@example.com").unwrap(),
        subject: "You are invited".to_owned(),
        text: "Come in.".to_owned(),
    };
    let plain = serde_json::to_vec(&mail).unwrap();
    OutboxMessage {
        id: platform.ids().id(platform.clock().now()),
        topic: Topic::Mail,
        organization_id: id("acme"),
        workspace_id: None,
        payload: platform.master_key().seal(&**platform.ids(), "mail", &plain).unwrap(),
    }
}

/// From the outbox to the last mail that was sent.
async fn through_the_outbox(postgres: &Postgres, nats: &Nats) -> Duration {
    let count = Arc::new(Count::default());
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(store(postgres).await)
        .with_queue(Arc::new(queue(nats).await))
        .with_notifier(count.clone())
        .build()
        .unwrap();
    for _ in 0..MESSAGES / 100 {
        let messages = (0..100).fold(Changeset::new(), |changeset, _| changeset.message(mail(&platform)));
        platform.store().commit(messages).await.unwrap();
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::new(platform, AT_A_TIME);
    let begun = Instant::now();
    let working = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await });
    count.all.notified().await;
    let took = begun.elapsed();
    stop.send(()).unwrap();
    working.await.unwrap();
    took
}

/// The same messages, published and consumed with nothing around it.
async fn bare(nats: &Nats) -> Duration {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let context = jetstream::new(client.clone());
    let name = hexabase_test_servers::unique("BARE");
    let stream = jetstream::stream::Config {
        subjects: vec![format!("{name}.>")],
        name: name.clone(),
        retention: jetstream::stream::RetentionPolicy::WorkQueue,
        ..jetstream::stream::Config::default()
    };
    let stream = context.create_stream(stream).await.unwrap();
    let config = pull::Config {
        durable_name: Some("workers".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    let consumer: PullConsumer = stream.create_consumer(config).await.unwrap();
    let payload = vec![7_u8; 120];
    let begun = Instant::now();
    let publish = async {
        let publish = |_| {
            let (context, subject, payload) = (&context, format!("{name}.mail"), payload.clone());
            async move { context.publish(subject, payload.into()).await.unwrap().await.unwrap() }
        };
        iter(0..MESSAGES).map(publish).buffer_unordered(100).for_each(|_| async {}).await;
    };
    let consume = async {
        let (mut left, mut under_way) = (MESSAGES, FuturesUnordered::new());
        while left > 0 {
            let mut batch = consumer.fetch().max_messages(AT_A_TIME).messages().await.unwrap();
            while let Some(message) = batch.next().await {
                let message = message.unwrap();
                under_way.push(async move { message.double_ack().await.unwrap() });
            }
            while under_way.next().await.is_some() {
                left -= 1;
            }
        }
    };
    tokio::join!(publish, consume);
    begun.elapsed()
}

/// Notes when each message reaches the queue.
#[derive(Debug)]
struct Stamped {
    inner: NatsQueue,
    published: Mutex<BTreeMap<MessageId, Instant>>,
}

#[async_trait]
impl TaskQueue for Stamped {
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()> {
        self.inner.publish(message, delay).await?;
        self.published.lock().unwrap().insert(message.id, Instant::now());
        Ok(())
    }
    async fn receive(&self, limit: usize, patience: Duration) -> Result<Vec<Delivery>> {
        self.inner.receive(limit, patience).await
    }
    async fn ack(&self, delivery: &Delivery) -> Result<()> {
        self.inner.ack(delivery).await
    }
    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()> {
        self.inner.nack(delivery, delay, reason).await
    }
    async fn keep(&self, delivery: &Delivery) -> Result<()> {
        self.inner.keep(delivery).await
    }
    fn visibility(&self) -> Duration {
        self.inner.visibility()
    }
    fn max_deliveries(&self) -> u32 {
        self.inner.max_deliveries()
    }
    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        self.inner.dead_letters(limit).await
    }
    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool> {
        self.inner.retry_dead_letter(id).await
    }
    async fn depth(&self) -> Result<u64> {
        self.inner.depth().await
    }
}

/// How long messages lie in the outbox when one falls due after every `pause`, and some of them are committed together.
async fn lag(postgres: &Postgres, nats: &Nats, pause: Duration) {
    let (mut latest, mut medians, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let (lags, rate) = lags(postgres, nats, pause).await;
        latest.push(upper(lags.clone(), 0.99));
        medians.push(hexabase_benches::median(lags));
        rates.push(rate);
    }
    let pair = Pair { ours: hexabase_benches::median(latest), floor: hexabase_benches::median(medians) };
    let rate = rates.iter().sum::<f64>() / rates.len() as f64;
    let what = format!("99th percentile of the time in the outbox, at {rate:.0} messages/s");
    report(&what, "median", pair, Target::AtMost(Duration::from_millis(50)));
}

/// How long each message lay in the outbox, and how many came per second.
async fn lags(postgres: &Postgres, nats: &Nats, pause: Duration) -> (Vec<Duration>, f64) {
    let stamped = Arc::new(Stamped { inner: queue(nats).await, published: Mutex::default() });
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(store(postgres).await)
        .with_queue(stamped.clone())
        .with_notifier(Arc::new(Count::default()))
        .build()
        .unwrap();
    let worker = Worker::new(platform.clone(), AT_A_TIME);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let working = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await });
    // Connections are made, and statements prepared, before anything is measured.
    commit(&platform, MESSAGES / 4, pause).await;
    let begun = Instant::now();
    let committed = commit(&platform, MESSAGES, pause).await;
    let rate = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    while stamped.published.lock().unwrap().len() < MESSAGES + MESSAGES / 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    working.await.unwrap();
    let published = stamped.published.lock().unwrap();
    let lag = |(id, at): &(MessageId, Instant)| published[id].saturating_duration_since(*at);
    (committed.iter().map(lag).collect(), rate)
}

/// Commits messages, one after every `pause`, and says when each was there.
async fn commit(platform: &Platform, count: usize, pause: Duration) -> Vec<(MessageId, Instant)> {
    let caller = Caller::new(Principal { user_id: id("ann"), credential: Credential::Session(id("ann")) });
    let (begun, mut committing) = (Instant::now(), FuturesUnordered::new());
    let mut committed = Vec::new();
    for number in (0..count).step_by(IN_A_COMMIT) {
        tokio::time::sleep_until((begun + pause * u32::try_from(number).unwrap()).into()).await;
        let caller = &caller;
        committing.push(async move {
            let messages: Vec<_> = (0..IN_A_COMMIT).map(|_| mail(platform)).collect();
            let attempt =
                || async { Ok((messages.iter().cloned().fold(Changeset::new(), Changeset::message), ())) };
            platform.repeatable(caller, attempt).await.unwrap();
            let now = Instant::now();
            messages.into_iter().map(move |message| (message.id, now))
        });
        if committing.len() >= COMMITTERS {
            committed.extend(committing.next().await.into_iter().flatten());
        }
    }
    while let Some(messages) = committing.next().await {
        committed.extend(messages);
    }
    committed
}
