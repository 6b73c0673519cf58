//! Asynchronous work on a NATS server with JetStream (2.9 or newer).
//!
//! One stream with work-queue retention holds what is to be done, and every worker pulls from the same durable
//! consumer. A second stream holds dead letters.
//!
//! JetStream delivers a message at once or, given back, after a delay; so a message that is to come later is given
//! back once when it is first delivered. That delivery does not count as an attempt. The server itself never gives
//! a message up: it would keep it without delivering it, where nobody looks. Whoever receives one that was delivered
//! too often moves it to the dead letters instead.

mod letter;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context, Message};
use async_nats::{Client, ConnectOptions, ServerAddr};
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hexabase_core::changeset::OutboxMessage;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::MessageId;
use hexabase_core::queue::{DeadLetter, Delivery, MAX_DELIVERIES, NEVER_SETTLED, TaskQueue, VISIBILITY};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use percent_encoding::percent_decode_str;
use tokio::sync::RwLock;
use tokio::time::{Instant, timeout};

/// How long an id is remembered to drop repetitions.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// How long messages are kept: a server that crashed may keep some of which it knows that they were dealt with, and
/// which nobody gets any more.
const WORK_KEPT: Duration = Duration::from_secs(7 * 86_400);
/// The consumer that all workers share.
const CONSUMER: &str = "workers";
/// How long what is stored may take to reach the consumer: in a server that is not busy, microseconds.
const ON_THE_WAY: Duration = Duration::from_millis(100);
/// How long a consumer that only looks at dead letters outlives the look.
const LOOK: Duration = Duration::from_secs(10);

/// Where the server is, and how it is used.
#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// The servers of a cluster: `nats://user:password@host:port`, with `tls` for TLS, several with commas between.
    pub url: SecretString,
    /// A file with credentials, as `nsc generate creds` writes it.
    pub credentials: Option<PathBuf>,
    /// A file with the certificates to trust, in PEM; those of the system if there is none.
    pub authority: Option<PathBuf>,
    /// The stream's name and the beginning of its subjects, for several installations on one server.
    pub stream: String,
    /// On how many servers of a cluster messages are kept.
    pub replicas: usize,
    /// How long a received message stays out of everybody else's sight.
    pub visibility: Duration,
    /// How often a message is delivered before it becomes a dead letter.
    pub max_deliveries: u32,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl NatsSettings {
    /// Servers: the stream is `HEXABASE`, on one of them, and an answer takes two seconds at most.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            authority: None,
            stream: "HEXABASE".to_owned(),
            replicas: 1,
            visibility: VISIBILITY,
            max_deliveries: MAX_DELIVERIES,
            timeout: Duration::from_secs(2),
        }
    }

    async fn connect(&self) -> Result<Client> {
        let mut options = ConnectOptions::new()
            .name("hexabase")
            .connection_timeout(self.timeout)
            .request_timeout(Some(self.timeout))
            .ping_interval(Duration::from_secs(10))
            .reconnect_delay_callback(|attempt| {
                let attempt = u32::try_from(attempt).unwrap_or(u32::MAX).min(6);
                Duration::from_millis(10) * 2_u32.pow(attempt)
            });
        if let Some(file) = &self.credentials {
            let unreadable = |error| Error::invalid("nats_credentials", "cannot be read").caused_by(error);
            options = options.credentials_file(file).await.map_err(unreadable)?;
        }
        if let Some(file) = &self.authority {
            options = options.add_root_certificates(file.clone());
        }
        let unusable = |error| Error::invalid("nats_url", "is no URL of a NATS server").caused_by(error);
        let addresses: Vec<ServerAddr> = self
            .url
            .expose_secret()
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(unusable)?;
        let named = addresses.iter().find_map(|address| Some((address.username()?, address.password()?)));
        if let Some((user, password)) = named {
            let plain = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            options = options.user_and_password(plain(user), plain(password));
        }
        options.connect(addresses).await.map_err(unavailable)
    }
}

/// A [`TaskQueue`] on a NATS server with JetStream.
pub struct NatsQueue {
    context: Context,
    settings: NatsSettings,
    place: RwLock<Option<Place>>,
}

/// The streams, made sure of.
#[derive(Clone)]
struct Place {
    work: Stream,
    workers: PullConsumer,
    dead: Stream,
}

impl fmt::Debug for NatsQueue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NatsQueue").field("stream", &self.settings.stream).finish_non_exhaustive()
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("NATS does not answer").caused_by(error)
}

impl NatsQueue {
    /// Connects to a server, and makes the streams that are missing.
    ///
    /// # Errors
    /// - `Unavailable` when nobody answers, or JetStream is off.
    /// - `Invalid` when the URL is none, or the credentials cannot be read.
    pub async fn connect(settings: NatsSettings) -> Result<Self> {
        let client = settings.connect().await?;
        let context = ContextBuilder::new()
            .timeout(settings.timeout)
            .ack_timeout(settings.timeout)
            .backpressure_on_inflight(true)
            .build(client);
        let queue = Self { context, settings, place: RwLock::default() };
        queue.place().await?;
        Ok(queue)
    }

    fn dead_stream(&self) -> String {
        format!("{}_DEAD", self.settings.stream)
    }

    /// The streams; made if they are not there, as after the loss of a server's disk.
    async fn place(&self) -> Result<Place> {
        if self.context.client().connection_state() != State::Connected {
            return Err(Error::unavailable("NATS is away"));
        }
        if let Some(place) = &*self.place.read().await {
            return Ok(place.clone());
        }
        let mut kept = self.place.write().await;
        let made = self.make().await?;
        Ok(kept.insert(made).clone())
    }

    async fn make(&self) -> Result<Place> {
        let stream = |name: String, retention, max_age| Config {
            subjects: vec![format!("{name}.>")],
            name,
            retention,
            num_replicas: self.settings.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            max_age,
            ..Config::default()
        };
        let work = stream(self.settings.stream.clone(), RetentionPolicy::WorkQueue, WORK_KEPT);
        let work = self.context.get_or_create_stream(work).await.map_err(unavailable)?;
        let dead = stream(self.dead_stream(), RetentionPolicy::Limits, Duration::ZERO);
        let dead = self.context.get_or_create_stream(dead).await.map_err(unavailable)?;
        let workers = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.settings.visibility,
            max_deliver: -1,
            max_ack_pending: 1_000_000,
            ..pull::Config::default()
        };
        let workers = work.get_or_create_consumer(CONSUMER, workers).await.map_err(unavailable)?;
        Ok(Place { work, workers, dead })
    }

    /// Whatever failed may have failed because a stream is gone: it is made sure of again next time.
    async fn forget(&self, error: Error) -> Error {
        *self.place.write().await = None;
        error
    }

    async fn send(&self, subject: String, headers: HeaderMap, payload: Vec<u8>) -> Result<()> {
        self.place().await?;
        let publish = PublishMessage::build().headers(headers).payload(payload.into());
        let sent = async {
            let acknowledged = self.context.send_publish(subject, publish).await?;
            acknowledged.await
        };
        match sent.await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.forget(unavailable(error)).await),
        }
    }

    /// Tells the server something about a delivery, and waits until it knows.
    async fn settle(&self, receipt: &str, word: String) -> Result<()> {
        let told = self.context.client().request(receipt.to_owned(), word.into()).await;
        told.map(drop).map_err(unavailable)
    }

    /// The server ends a wait; should it be gone, we do.
    async fn within<T>(&self, wait: Duration, asked: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let answered = timeout(wait + self.settings.timeout, asked).await;
        answered.unwrap_or_else(|_| Err(Error::unavailable("NATS does not answer in time")))
    }

    /// What is there right now, without waiting.
    async fn pull(&self, place: &Place, limit: usize) -> Result<Vec<Delivery>> {
        let messages = place.workers.fetch().max_messages(limit).messages().await.map_err(unavailable)?;
        self.sorted(messages).await
    }

    /// The next message, once there is one.
    async fn await_one(&self, place: &Place, patience: Duration) -> Result<Vec<Delivery>> {
        let batch = place.workers.batch().max_messages(1).expires(patience);
        let messages = batch.messages().await.map_err(unavailable)?;
        self.sorted(messages).await
    }

    /// What is there right now, or the next message. May come back early with nothing.
    async fn receive_until(&self, place: &Place, limit: usize, deadline: Instant) -> Result<Vec<Delivery>> {
        let there = self.within(Duration::ZERO, self.pull(place, limit)).await?;
        if !there.is_empty() {
            return Ok(there);
        }
        let mut left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if !self.is_behind(place).await? {
                return Ok(there);
            }
            left = ON_THE_WAY;
        }
        self.within(left, self.await_one(place, left)).await
    }

    /// Whether the stream holds what its consumer has not heard of: the server acknowledges a message when it is
    /// stored, and tells the consumer a moment later.
    async fn is_behind(&self, place: &Place) -> Result<bool> {
        let heard = place.workers.get_info().await.map_err(unavailable)?.delivered.stream_sequence;
        let stored = place.work.get_info().await.map_err(unavailable)?.state.last_sequence;
        Ok(stored > heard)
    }

    async fn sorted(&self, mut messages: pull::Batch) -> Result<Vec<Delivery>> {
        let mut deliveries = Vec::new();
        while let Some(message) = messages.next().await {
            let message =
                message.map_err(|error| Error::unavailable("NATS does not answer").caused_by(error))?;
            deliveries.extend(self.sort(message).await?);
        }
        Ok(deliveries)
    }

    /// Hands a message out, unless its time has not come or it was handed out too often.
    async fn sort(&self, message: Message) -> Result<Option<Delivery>> {
        let delivered = message.info().map_or(1, |info| info.delivered);
        let Some(receipt) = message.reply.as_ref().map(ToString::to_string) else { return Ok(None) };
        let headers = message.headers.clone().unwrap_or_default();
        let delay = letter::delay(&headers);
        if delivered <= 1
            && let Some(delay) = delay
        {
            self.settle(&receipt, give_back(delay)).await?;
            return Ok(None);
        }
        let attempt = u32::try_from(delivered).unwrap_or(1) - u32::from(delay.is_some());
        let message = match letter::read(&headers, &message.payload) {
            Ok(message) => message,
            Err(error) => {
                // It will never be readable. It is not ours, or a newer program's, which has had its chance.
                tracing::error!(%error, "a message in the queue cannot be read and is given up");
                self.settle(&receipt, "+TERM".to_owned()).await?;
                return Ok(None);
            }
        };
        let delivery = Delivery { message, attempt, receipt };
        if attempt > self.settings.max_deliveries {
            let attempts = self.settings.max_deliveries;
            self.bury(&Delivery { attempt: attempts, ..delivery }, NEVER_SETTLED).await?;
            return Ok(None);
        }
        Ok(Some(delivery))
    }

    /// Makes a message a dead letter: first it is there, then it is gone from here.
    async fn bury(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        let message = &delivery.message;
        let mut headers = letter::headers(message, None);
        letter::explain(&mut headers, delivery.attempt, reason);
        // A repetition of this is of the same delivery.
        headers.insert(NATS_MESSAGE_ID, delivery.receipt.as_str());
        let subject = format!("{}.{}", self.dead_stream(), message.id);
        self.send(subject, headers, message.payload.clone()).await?;
        self.settle(&delivery.receipt, "+ACK".to_owned()).await
    }
}

/// Asks for a message again after a while.
fn give_back(delay: Duration) -> String {
    format!(r#"-NAK {{"delay": {}}}"#, delay.as_nanos())
}

#[async_trait]
impl TaskQueue for NatsQueue {
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()> {
        let delay = Some(delay).filter(|delay| !delay.is_zero());
        let mut headers = letter::headers(message, delay);
        headers.insert(NATS_MESSAGE_ID, message.id.to_string().as_str());
        let subject = format!("{}.{}", self.settings.stream, message.topic.as_str());
        self.send(subject, headers, message.payload.clone()).await
    }

    async fn receive(&self, limit: usize, patience: Duration) -> Result<Vec<Delivery>> {
        let deadline = Instant::now() + patience;
        loop {
            let place = self.place().await?;
            match self.receive_until(&place, limit, deadline).await {
                Ok(deliveries) if deliveries.is_empty() && Instant::now() < deadline => {}
                Err(error) => return Err(self.forget(error).await),
                received => return received,
            }
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<()> {
        self.settle(&delivery.receipt, "+ACK".to_owned()).await
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()> {
        if delivery.attempt >= self.settings.max_deliveries {
            return self.bury(delivery, reason).await;
        }
        self.settle(&delivery.receipt, give_back(delay)).await
    }

    async fn keep(&self, delivery: &Delivery) -> Result<()> {
        self.settle(&delivery.receipt, "+WPI".to_owned()).await
    }

    fn visibility(&self) -> Duration {
        self.settings.visibility
    }

    fn max_deliveries(&self) -> u32 {
        self.settings.max_deliveries
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        let place = self.place().await?;
        let look = pull::Config {
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::None,
            inactive_threshold: LOOK,
            ..pull::Config::default()
        };
        let look = place.dead.create_consumer(look).await.map_err(unavailable)?;
        let messages = look.fetch().max_messages(limit).messages().await.map_err(unavailable)?;
        let messages = async {
            let all: std::result::Result<Vec<Message>, _> = messages.try_collect().await;
            all.map_err(|error| Error::unavailable("NATS does not answer").caused_by(error))
        };
        self.within(Duration::ZERO, messages).await?.iter().map(letter::dead).collect()
    }

    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool> {
        use jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
        let place = self.place().await?;
        let subject = format!("{}.{id}", self.dead_stream());
        let found = match place.dead.get_last_raw_message_by_subject(&subject).await {
            Ok(found) => found,
            Err(error) if error.kind() == NoMessageFound => return Ok(false),
            Err(error) => return Err(unavailable(error)),
        };
        let message = letter::read(&found.headers, &found.payload)?;
        let mut headers = letter::headers(&message, None);
        // Two who retry the same letter at once send one message.
        headers.insert(NATS_MESSAGE_ID, format!("{id}/retry/{}", found.sequence).as_str());
        let subject = format!("{}.{}", self.settings.stream, message.topic.as_str());
        self.send(subject, headers, message.payload).await?;
        place.dead.delete_message(found.sequence).await.map_err(unavailable)?;
        Ok(true)
    }

    async fn depth(&self) -> Result<u64> {
        let place = self.place().await?;
        match place.work.consumer_info(CONSUMER).await {
            Ok(info) => Ok(info.num_pending + info.num_ack_pending as u64),
            Err(error) => Err(self.forget(unavailable(error)).await),
        }
    }
}
