//! Messages from the outbox to their handlers, compared with plain JetStream; and the time of messages in the outbox.

#![expect(clippy::unwrap_used, reason = "benchmarks fail by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{FuturesUnordered, iter};
use hexabase_benches::{Comparison, Target, percentile, report, row};
use hexabase_core::changeset::{Changeset, OutboxMessage, Topic};
use hexabase_core::error::Result;
use hexabase_core::fixture::id;
use hexabase_core::id::MessageId;
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::name::{DisplayName, Email, Language};
use hexabase_core::notifier::{Envelope, Notification, Notifier, PlainName};
use hexabase_core::platform::Authorization;
use hexabase_core::queue::{DeadLetter, Delivery, DeliveryPolicy, TaskQueue};
use hexabase_core::store::TenantStore;
use hexabase_core::worker::Worker;
use hexabase_core::{Caller, Platform};
use hexabase_store::{NatsConfig, NatsQueue, PostgresConfig, PostgresStore};
use hexabase_test_servers::{Nats, Postgres};
use jiff::Timestamp;
use tokio::sync::Notify;

/// Number of messages.
const MESSAGES: usize = 20_000;
/// Number of messages that are processed at the same time, by Hexabase and by the floor.
const MESSAGE_CONCURRENCY: usize = 64;
/// Number of messages per commit when the time in the outbox is measured.
const MESSAGES_PER_COMMIT: usize = 4;
/// Number of concurrent commits when the time in the outbox is measured.
const COMMIT_CONCURRENCY: usize = 8;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (postgres, nats) = (Postgres::start(), Nats::start(&[]));
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(through_outbox(&postgres, &nats).await);
            floors.push(jetstream_only(&nats).await);
        }
        let comparison =
            Comparison { ours: hexabase_benches::median(ours), floor: hexabase_benches::median(floors) };
        let rate = |took: Duration| format!("{:.0}/s", MESSAGES as f64 / took.as_secs_f64());
        let floor = format!("{} (publishing and consuming on JetStream only)", rate(comparison.floor));
        let (share, met) = (1.0 / comparison.ratio(), comparison.ratio() <= 2.0);
        let what = "messages through outbox, relay and worker";
        row(what, &rate(comparison.ours), &floor, &format!("{share:.2}"), &"≥ 0.5 × floor", met);
        measure_outbox_time(&postgres, &nats, comparison.ours / u32::try_from(MESSAGES).unwrap() * 2).await;
    });
}

/// Notifier that counts mails.
#[derive(Debug, Default)]
struct CountingNotifier {
    received: AtomicUsize,
    all_received: Notify,
}

#[async_trait]
impl Notifier for CountingNotifier {
    async fn send(&self, _: &Envelope) -> Result<()> {
        if self.received.fetch_add(1, Ordering::SeqCst) + 1 == MESSAGES {
            self.all_received.notify_one();
        }
        Ok(())
    }
}

async fn store(postgres: &Postgres) -> Arc<dyn TenantStore> {
    let database = postgres.database().await;
    let config = PostgresConfig::new(postgres.url_of(&database));
    PostgresStore::migrate(&config).await.unwrap();
    Arc::new(PostgresStore::connect(&config).await.unwrap())
}

async fn queue(nats: &Nats) -> NatsQueue {
    let stream = hexabase_test_servers::unique("BENCH");
    NatsQueue::connect(NatsConfig { stream, ..NatsConfig::new(nats.url()) }).await.unwrap()
}

fn mail(platform: &Platform) -> OutboxMessage {
    let created_at = platform.clock().now();
    let message_id = platform.ids().id(created_at);
    let envelope = Envelope {
        id: message_id,
        to: Email::parse("ann@example.com").unwrap(),
        language: Language::default(),
        created_at,
        notification: Notification::Resumed {
            organization: PlainName::from(&DisplayName::parse("Acme").unwrap()),
        },
    };
    let plain = serde_json::to_vec(&envelope).unwrap();
    OutboxMessage {
        id: message_id,
        topic: Topic::Mail,
        organization_id: id("acme"),
        workspace_id: None,
        payload: platform.master_key().seal(&**platform.ids(), "mail", &plain).unwrap(),
        trace_parent: None,
    }
}

/// Duration from the outbox to the last mail that is sent.
async fn through_outbox(postgres: &Postgres, nats: &Nats) -> Duration {
    let notifier = Arc::new(CountingNotifier::default());
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(store(postgres).await)
        .with_queue(Arc::new(queue(nats).await))
        .with_notifier(notifier.clone())
        .build()
        .unwrap();
    for _ in 0..MESSAGES / 100 {
        let messages = (0..100).fold(Changeset::new(), |changeset, _| changeset.message(mail(&platform)));
        platform.store().commit(messages).await.unwrap();
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::new(platform, MESSAGE_CONCURRENCY);
    let started = Instant::now();
    let worker_task = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await });
    notifier.all_received.notified().await;
    let took = started.elapsed();
    stop.send(()).unwrap();
    worker_task.await.unwrap();
    took
}

/// Duration of publishing and consuming the same messages with JetStream only.
async fn jetstream_only(nats: &Nats) -> Duration {
    let client = async_nats::connect(nats.url()).await.unwrap();
    let context = jetstream::new(client.clone());
    let name = hexabase_test_servers::unique("JETSTREAM");
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
    let started = Instant::now();
    let publish = async {
        let publish = |_| {
            let (context, subject, payload) = (&context, format!("{name}.mail"), payload.clone());
            async move { context.publish(subject, payload.into()).await.unwrap().await.unwrap() }
        };
        iter(0..MESSAGES).map(publish).buffer_unordered(100).for_each(|_| async {}).await;
    };
    let consume = async {
        let (mut left, mut in_progress) = (MESSAGES, FuturesUnordered::new());
        while left > 0 {
            let mut batch = consumer.fetch().max_messages(MESSAGE_CONCURRENCY).messages().await.unwrap();
            while let Some(message) = batch.next().await {
                let message = message.unwrap();
                in_progress.push(async move { message.double_ack().await.unwrap() });
            }
            while in_progress.next().await.is_some() {
                left -= 1;
            }
        }
    };
    tokio::join!(publish, consume);
    started.elapsed()
}

/// Queue that records when each message is published.
#[derive(Debug)]
struct RecordingQueue {
    inner: NatsQueue,
    published: Mutex<BTreeMap<MessageId, Instant>>,
}

#[async_trait]
impl TaskQueue for RecordingQueue {
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()> {
        self.inner.publish(message, delay).await?;
        self.published.lock().unwrap().insert(message.id, Instant::now());
        Ok(())
    }
    async fn receive(&self, limit: usize, max_wait: Duration) -> Result<Vec<Delivery>> {
        self.inner.receive(limit, max_wait).await
    }
    async fn ack(&self, delivery: &Delivery) -> Result<()> {
        self.inner.ack(delivery).await
    }
    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()> {
        self.inner.nack(delivery, delay, reason).await
    }
    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        self.inner.dead_letter(delivery, reason).await
    }
    async fn extend_visibility(&self, delivery: &Delivery) -> Result<()> {
        self.inner.extend_visibility(delivery).await
    }
    fn delivery_policy(&self) -> DeliveryPolicy {
        self.inner.delivery_policy()
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
    async fn oldest(&self) -> Result<Option<Timestamp>> {
        self.inner.oldest().await
    }
    async fn count_dead_letters(&self) -> Result<u64> {
        self.inner.count_dead_letters().await
    }
}

/// Measures the time in the outbox when one message becomes due after every `interval`, and several are committed
/// together.
async fn measure_outbox_time(postgres: &Postgres, nats: &Nats, interval: Duration) {
    let (mut percentiles, mut medians, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let (outbox_times, rate) = outbox_times(postgres, nats, interval).await;
        percentiles.push(percentile(outbox_times.clone(), 0.99));
        medians.push(hexabase_benches::median(outbox_times));
        rates.push(rate);
    }
    let comparison =
        Comparison { ours: hexabase_benches::median(percentiles), floor: hexabase_benches::median(medians) };
    let rate = rates.iter().sum::<f64>() / rates.len() as f64;
    let what = format!("99th percentile of the time in the outbox, at {rate:.0} messages/s");
    report(&what, "median", comparison, Target::AtMost(Duration::from_millis(50)));
}

/// Time of each message in the outbox, and number of messages per second.
async fn outbox_times(postgres: &Postgres, nats: &Nats, interval: Duration) -> (Vec<Duration>, f64) {
    let queue_recorder = Arc::new(RecordingQueue { inner: queue(nats).await, published: Mutex::default() });
    let platform = Platform::builder("https://hexabase.example")
        .with_plans(hexabase_billing::plans::built_in())
        .with_store(store(postgres).await)
        .with_queue(queue_recorder.clone())
        .with_notifier(Arc::new(CountingNotifier::default()))
        .build()
        .unwrap();
    let worker = Worker::new(platform.clone(), MESSAGE_CONCURRENCY);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker_task = tokio::spawn(async move { worker.run(async { drop(stopped.await) }).await });
    // Connections and prepared statements are created before the measurement.
    commit(&platform, MESSAGES / 4, interval).await;
    let started = Instant::now();
    let committed = commit(&platform, MESSAGES, interval).await;
    let rate = MESSAGES as f64 / started.elapsed().as_secs_f64();
    while queue_recorder.published.lock().unwrap().len() < MESSAGES + MESSAGES / 4 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    worker_task.await.unwrap();
    let published = queue_recorder.published.lock().unwrap();
    let time_in_outbox = |(id, at): &(MessageId, Instant)| published[id].saturating_duration_since(*at);
    (committed.iter().map(time_in_outbox).collect(), rate)
}

/// Commits messages, one after every `interval` on average, and returns the time at which each was committed.
async fn commit(platform: &Platform, count: usize, interval: Duration) -> Vec<(MessageId, Instant)> {
    let caller = Caller::for_user(id("ann"));
    let (started, mut committing) = (Instant::now(), FuturesUnordered::new());
    let mut committed = Vec::new();
    for number in (0..count).step_by(MESSAGES_PER_COMMIT) {
        tokio::time::sleep_until((started + interval * u32::try_from(number).unwrap()).into()).await;
        let caller = &caller;
        committing.push(async move {
            let messages: Vec<_> = (0..MESSAGES_PER_COMMIT).map(|_| mail(platform)).collect();
            let attempt =
                || async { Ok((messages.iter().cloned().fold(Changeset::new(), Changeset::message), ())) };
            platform.run_idempotent(caller, Authorization::Caller, attempt).await.unwrap();
            let now = Instant::now();
            messages.into_iter().map(move |message| (message.id, now))
        });
        if committing.len() >= COMMIT_CONCURRENCY {
            committed.extend(committing.next().await.into_iter().flatten());
        }
    }
    while let Some(messages) = committing.next().await {
        committed.extend(messages);
    }
    committed
}
