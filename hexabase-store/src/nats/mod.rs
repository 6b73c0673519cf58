//! Task queue on a NATS server with JetStream (2.9 or newer).
//!
//! One stream with work-queue retention holds the messages, and all workers pull from one durable consumer. A second
//! stream, the dead-letter stream, holds dead letters.
//!
//! JetStream delivers a message at once or, after a negative acknowledgement, with a delay. So a delayed message is
//! negatively acknowledged once, at its first delivery, which does not count as an attempt. The consumer has no
//! delivery limit: beyond its limit, JetStream would keep a message without delivering it or reporting it. Instead,
//! the worker that receives a message that was delivered too often moves it to the dead-letter stream.

mod codec;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, RetentionPolicy, Stream};
use async_nats::jetstream::{self, Context, Message};
use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hexabase_core::changeset::OutboxMessage;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::MessageId;
use hexabase_core::queue::{
    DEFAULT_MAX_DELIVERIES, DEFAULT_VISIBILITY, DeadLetter, Delivery, DeliveryPolicy, NEVER_ACKNOWLEDGED,
    TaskQueue,
};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use tokio::sync::{Mutex, Notify, RwLock};
use tokio::time::{Instant, timeout};

/// Time for which the server remembers message ids to drop duplicates.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Maximum age of messages. After a crash, the server may retain messages that it knows to be acknowledged and never
/// delivers again; the age limit removes them.
const MAX_MESSAGE_AGE: Duration = Duration::from_secs(7 * 86_400);
/// Time after which a dead letter is deleted.
const MAX_DEAD_LETTER_AGE: Duration = Duration::from_secs(90 * 86_400);
/// Durable consumer that all workers share.
const CONSUMER: &str = "workers";
/// Maximum wait for a stored message to reach the consumer; the delay is microseconds on a server with little load.
const CONSUMER_LAG_TIMEOUT: Duration = Duration::from_millis(100);
/// Idle time after which the server removes the temporary consumer that lists dead letters.
const DEAD_LETTER_CONSUMER_TTL: Duration = Duration::from_secs(10);

/// Minimum time between two reconnects that this program initiates. While no server offers JetStream, this bounds their
/// number.
const MIN_RECONNECT_INTERVAL: Duration = Duration::from_secs(1);

/// Configuration of a [`NatsQueue`].
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// URLs of the servers of a cluster, separated by commas: `nats://user:password@host:port`, with the scheme `tls`
    /// for TLS.
    pub url: SecretString,
    /// Path of a credentials file, as written by `nsc generate creds`; `None` for none.
    pub credentials: Option<PathBuf>,
    /// Path of a file with the certificates of the trusted authorities, in PEM; `None` for those of the system.
    pub authority: Option<PathBuf>,
    /// Name of the stream and prefix of its subjects, which separates several installations on one server.
    pub stream: String,
    /// Number of servers of a cluster that store each message.
    pub replicas: usize,
    /// Time for which a received message stays invisible to other workers (ack wait of the consumer).
    pub visibility: Duration,
    /// Number of deliveries after which a message becomes a dead letter.
    pub max_deliveries: u32,
    /// Maximum wait for a response.
    pub timeout: Duration,
}

impl NatsConfig {
    /// Returns the default configuration: stream `HEXABASE`, stored on one server, timeout 2 seconds.
    #[must_use]
    pub fn new(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            authority: None,
            stream: "HEXABASE".to_owned(),
            replicas: 1,
            visibility: DEFAULT_VISIBILITY,
            max_deliveries: DEFAULT_MAX_DELIVERIES,
            timeout: Duration::from_secs(2),
        }
    }

    async fn connect(&self, state: Arc<ConnectionState>) -> Result<Client> {
        let mut options = ConnectOptions::new()
            .name("hexabase")
            .connection_timeout(self.timeout)
            .request_timeout(Some(self.timeout))
            .ping_interval(Duration::from_secs(10))
            .event_callback(move |event| {
                state.record(&event);
                std::future::ready(())
            })
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
        let invalid_url = |error| Error::invalid("nats_url", "must be URLs of NATS servers").caused_by(error);
        let addresses: Vec<ServerAddr> = self
            .url
            .expose_secret()
            .split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(invalid_url)?;
        let user = addresses.iter().find_map(|address| Some((address.username()?, address.password()?)));
        if let Some((name, password)) = user {
            let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            options = options.user_and_password(decoded(name), decoded(password));
        }
        options.connect(addresses).await.map_err(unavailable)
    }
}

/// [`TaskQueue`] on a NATS server with JetStream.
pub struct NatsQueue {
    context: Context,
    config: NatsConfig,
    streams: RwLock<Option<Streams>>,
    state: Arc<ConnectionState>,
    /// Time of the last reconnect that this program initiated.
    reconnected_at: Mutex<Option<Instant>>,
}

/// State of the connection, beyond what the client handles: it leaves a server only when the connection breaks.
#[derive(Debug, Default)]
struct ConnectionState {
    /// `true` if the connected server has announced that it will stop (lame duck mode).
    is_stopping: AtomicBool,
    /// Notified when the client has connected.
    connected: Notify,
}

impl ConnectionState {
    fn record(&self, event: &Event) {
        match event {
            Event::LameDuckMode => self.is_stopping.store(true, Ordering::Relaxed),
            Event::Connected => {
                self.is_stopping.store(false, Ordering::Relaxed);
                self.connected.notify_waiters();
            }
            _ => {}
        }
    }
}

/// Streams that are known to exist.
#[derive(Clone)]
struct Streams {
    work: Stream,
    workers: PullConsumer,
    dead_letters: Stream,
}

impl fmt::Debug for NatsQueue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NatsQueue").field("stream", &self.config.stream).finish_non_exhaustive()
    }
}

fn unavailable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("NATS does not respond").caused_by(error)
}

impl NatsQueue {
    /// Connects to a server, and creates the missing streams.
    ///
    /// # Errors
    /// - `Unavailable` if no server responds, or JetStream is disabled.
    /// - `Invalid` for a malformed URL, or if the credentials cannot be read.
    pub async fn connect(config: NatsConfig) -> Result<Self> {
        let state = Arc::<ConnectionState>::default();
        let client = config.connect(state.clone()).await?;
        let context = ContextBuilder::new()
            .timeout(config.timeout)
            .ack_timeout(config.timeout)
            .backpressure_on_inflight(true)
            .build(client);
        let queue =
            Self { context, config, streams: RwLock::default(), state, reconnected_at: Mutex::default() };
        queue.streams().await?;
        Ok(queue)
    }

    fn dead_letter_stream(&self) -> String {
        format!("{}_DEAD_LETTERS", self.config.stream)
    }

    /// Returns the streams. Creates missing ones, such as after the loss of a server's disk. If the connected server does
    /// not offer them, because it is stopping, has no JetStream or no contact to the leader of its cluster, another
    /// server is tried once: the same address may lead to one.
    async fn streams(&self) -> Result<Streams> {
        if self.state.is_stopping.load(Ordering::Relaxed) && self.reconnect().await {
            *self.streams.write().await = None;
        }
        match self.streams_of_connection().await {
            Err(error) if self.context.client().connection_state() == State::Connected => {
                match self.reconnect().await {
                    true => self.streams_of_connection().await,
                    false => Err(error),
                }
            }
            result => result,
        }
    }

    /// Connects to another server, or again to the same address, unless that was done a moment ago. `true` if there is a
    /// new connection.
    async fn reconnect(&self) -> bool {
        let mut reconnected_at = self.reconnected_at.lock().await;
        if reconnected_at.is_some_and(|at| at.elapsed() < MIN_RECONNECT_INTERVAL) {
            return false;
        }
        tracing::info!("the NATS server is stopping or does not offer JetStream; connecting again");
        *reconnected_at = Some(Instant::now());
        let connected = self.state.connected.notified();
        // Requests that are sent before are lost with the old connection.
        self.context.client().force_reconnect().await.is_ok()
            && timeout(self.config.timeout, connected).await.is_ok()
    }

    async fn streams_of_connection(&self) -> Result<Streams> {
        if self.context.client().connection_state() != State::Connected {
            return Err(Error::unavailable("NATS is not connected"));
        }
        if let Some(streams) = &*self.streams.read().await {
            return Ok(streams.clone());
        }
        let mut streams = self.streams.write().await;
        let created = self.create_streams().await?;
        Ok(streams.insert(created).clone())
    }

    async fn create_streams(&self) -> Result<Streams> {
        let stream = |name: String, retention, max_age| Config {
            subjects: vec![format!("{name}.>")],
            name,
            retention,
            num_replicas: self.config.replicas,
            duplicate_window: DUPLICATE_WINDOW,
            max_age,
            ..Config::default()
        };
        let work = stream(self.config.stream.clone(), RetentionPolicy::WorkQueue, MAX_MESSAGE_AGE);
        let work = self.context.get_or_create_stream(work).await.map_err(unavailable)?;
        let dead_letters = stream(self.dead_letter_stream(), RetentionPolicy::Limits, MAX_DEAD_LETTER_AGE);
        let dead_letters = self.context.get_or_create_stream(dead_letters).await.map_err(unavailable)?;
        let workers = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.config.visibility,
            max_deliver: -1,
            max_ack_pending: 1_000_000,
            ..pull::Config::default()
        };
        let workers = work.get_or_create_consumer(CONSUMER, workers).await.map_err(unavailable)?;
        Ok(Streams { work, workers, dead_letters })
    }

    /// Discards the cached streams after an error, which may mean that one is missing; the next call creates missing
    /// ones.
    async fn invalidate_streams(&self, error: Error) -> Error {
        *self.streams.write().await = None;
        error
    }

    async fn send(&self, subject: String, headers: HeaderMap, payload: Vec<u8>) -> Result<()> {
        let mut is_retry = false;
        loop {
            self.streams().await?;
            let publish = PublishMessage::build().headers(headers.clone()).payload(payload.clone().into());
            let acknowledgement = async {
                let pending = self.context.send_publish(subject.clone(), publish).await?;
                pending.await
            };
            let Err(error) = acknowledgement.await else { return Ok(()) };
            // No server has received the message: the stream is missing, or the connected server has no JetStream.
            let is_lost = error.kind() == PublishErrorKind::StreamNotFound;
            let error = self.invalidate_streams(unavailable(error)).await;
            if is_retry || !is_lost {
                return Err(error);
            }
            is_retry = true;
        }
    }

    /// Sends an acknowledgement of a delivery, positive or negative, and waits for the server to confirm it.
    async fn acknowledge(&self, receipt: &str, acknowledgement: String) -> Result<()> {
        let confirmed = self.context.client().request(receipt.to_owned(), acknowledgement.into()).await;
        confirmed.map(drop).map_err(unavailable)
    }

    /// Bounds a pull, in case the server fails to end it after `wait`.
    async fn with_timeout<T>(
        &self,
        wait: Duration,
        pull: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let result = timeout(wait + self.config.timeout, pull).await;
        result.unwrap_or_else(|_| Err(Error::unavailable("NATS does not respond in time")))
    }

    /// Receives the messages that are available now, without waiting.
    async fn pull_available(&self, streams: &Streams, limit: usize) -> Result<Vec<Delivery>> {
        let messages = streams.workers.fetch().max_messages(limit).messages().await.map_err(unavailable)?;
        self.accept_all(messages).await
    }

    /// Waits for the next message.
    async fn pull_next(&self, streams: &Streams, max_wait: Duration) -> Result<Vec<Delivery>> {
        let batch = streams.workers.batch().max_messages(1).expires(max_wait);
        let messages = batch.messages().await.map_err(unavailable)?;
        self.accept_all(messages).await
    }

    /// Receives the messages that are available now, or waits for the next one. May return an empty list early.
    async fn receive_until(
        &self,
        streams: &Streams,
        limit: usize,
        deadline: Instant,
    ) -> Result<Vec<Delivery>> {
        let available = self.with_timeout(Duration::ZERO, self.pull_available(streams, limit)).await?;
        if !available.is_empty() {
            return Ok(available);
        }
        let mut left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            if !self.consumer_lags(streams).await? {
                return Ok(available);
            }
            left = CONSUMER_LAG_TIMEOUT;
        }
        self.with_timeout(left, self.pull_next(streams, left)).await
    }

    /// `true` if the stream has messages that have not reached its consumer: the server acknowledges a message when it
    /// is stored, and passes it to the consumer a moment later.
    async fn consumer_lags(&self, streams: &Streams) -> Result<bool> {
        let delivered = streams.workers.get_info().await.map_err(unavailable)?.delivered.stream_sequence;
        let stored = streams.work.get_info().await.map_err(unavailable)?.state.last_sequence;
        Ok(stored > delivered)
    }

    /// Publication time of the oldest message that is not acknowledged. The first message of the stream may be one that a
    /// crashed server retains although it is acknowledged.
    async fn oldest_unacknowledged(&self, streams: &Streams) -> Result<Option<Timestamp>> {
        use jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
        let info = streams.work.consumer_info(CONSUMER).await.map_err(unavailable)?;
        if info.num_pending == 0 && info.num_ack_pending == 0 {
            return Ok(None);
        }
        let first = info.ack_floor.stream_sequence + 1;
        let subjects = format!("{}.>", self.config.stream);
        let next = streams.work.raw_message_builder().sequence(first).next_by_subject(subjects);
        match next.send().await {
            Ok(message) => codec::timestamp(message.time.unix_timestamp_nanos()).map(Some),
            // It was acknowledged in the meantime.
            Err(error) if error.kind() == NoMessageFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn accept_all(&self, mut messages: pull::Batch) -> Result<Vec<Delivery>> {
        let mut deliveries = Vec::new();
        while let Some(message) = messages.next().await {
            let message =
                message.map_err(|error| Error::unavailable("NATS does not respond").caused_by(error))?;
            deliveries.extend(self.accept(message).await?);
        }
        Ok(deliveries)
    }

    /// Returns the delivery for a message; `None` if the message is delayed, cannot be decoded, or was delivered too
    /// often.
    async fn accept(&self, message: Message) -> Result<Option<Delivery>> {
        let delivered = message.info().map_or(1, |info| info.delivered);
        let Some(receipt) = message.reply.as_ref().map(ToString::to_string) else { return Ok(None) };
        let headers = message.headers.clone().unwrap_or_default();
        let delay = codec::delay(&headers);
        if delivered <= 1
            && let Some(delay) = delay
        {
            self.acknowledge(&receipt, negative_acknowledgement(delay)).await?;
            return Ok(None);
        }
        let attempt = u32::try_from(delivered).unwrap_or(1) - u32::from(delay.is_some());
        let message = match codec::decode(&headers, &message.payload) {
            Ok(message) => message,
            Err(error) => {
                // It never becomes decodable: it is from another program, or from a newer version, which has had its
                // chance to receive it.
                tracing::error!(%error, "message in the queue cannot be decoded; message dropped");
                self.acknowledge(&receipt, "+TERM".to_owned()).await?;
                return Ok(None);
            }
        };
        let delivery = Delivery { message, attempt, receipt };
        if attempt > self.config.max_deliveries {
            let attempts = self.config.max_deliveries;
            self.move_to_dead_letters(&Delivery { attempt: attempts, ..delivery }, NEVER_ACKNOWLEDGED)
                .await?;
            return Ok(None);
        }
        Ok(Some(delivery))
    }

    /// Moves a message to the dead-letter stream: it is stored there before it is removed from the work stream.
    async fn move_to_dead_letters(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        let message = &delivery.message;
        let mut headers = codec::headers(message, None);
        codec::set_reason(&mut headers, delivery.attempt, reason);
        // Dropped as a duplicate if the same delivery is moved again.
        headers.insert(NATS_MESSAGE_ID, delivery.receipt.as_str());
        let subject = format!("{}.{}", self.dead_letter_stream(), message.id);
        self.send(subject, headers, message.payload.clone()).await?;
        self.acknowledge(&delivery.receipt, "+ACK".to_owned()).await
    }
}

/// Returns a negative acknowledgement that requests another delivery after a delay.
fn negative_acknowledgement(delay: Duration) -> String {
    format!(r#"-NAK {{"delay": {}}}"#, delay.as_nanos())
}

#[async_trait]
impl TaskQueue for NatsQueue {
    async fn publish(&self, message: &OutboxMessage, delay: Duration) -> Result<()> {
        let delay = Some(delay).filter(|delay| !delay.is_zero());
        let mut headers = codec::headers(message, delay);
        headers.insert(NATS_MESSAGE_ID, message.id.to_string().as_str());
        let subject = format!("{}.{}", self.config.stream, message.topic.as_str());
        self.send(subject, headers, message.payload.clone()).await
    }

    async fn receive(&self, limit: usize, max_wait: Duration) -> Result<Vec<Delivery>> {
        let deadline = Instant::now() + max_wait;
        loop {
            let streams = self.streams().await?;
            match self.receive_until(&streams, limit, deadline).await {
                Ok(deliveries) if deliveries.is_empty() && Instant::now() < deadline => {}
                Err(error) => return Err(self.invalidate_streams(error).await),
                received => return received,
            }
        }
    }

    async fn ack(&self, delivery: &Delivery) -> Result<()> {
        self.acknowledge(&delivery.receipt, "+ACK".to_owned()).await
    }

    async fn nack(&self, delivery: &Delivery, delay: Duration, reason: &str) -> Result<()> {
        if delivery.attempt >= self.config.max_deliveries {
            return self.move_to_dead_letters(delivery, reason).await;
        }
        self.acknowledge(&delivery.receipt, negative_acknowledgement(delay)).await
    }

    async fn dead_letter(&self, delivery: &Delivery, reason: &str) -> Result<()> {
        self.move_to_dead_letters(delivery, reason).await
    }

    async fn extend_visibility(&self, delivery: &Delivery) -> Result<()> {
        self.acknowledge(&delivery.receipt, "+WPI".to_owned()).await
    }

    fn delivery_policy(&self) -> DeliveryPolicy {
        DeliveryPolicy { visibility: self.config.visibility, max_deliveries: self.config.max_deliveries }
    }

    async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>> {
        let streams = self.streams().await?;
        let consumer = pull::Config {
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::None,
            inactive_threshold: DEAD_LETTER_CONSUMER_TTL,
            ..pull::Config::default()
        };
        let consumer = streams.dead_letters.create_consumer(consumer).await.map_err(unavailable)?;
        let messages = consumer.fetch().max_messages(limit).messages().await.map_err(unavailable)?;
        let messages = async {
            let all: std::result::Result<Vec<Message>, _> = messages.try_collect().await;
            all.map_err(|error| Error::unavailable("NATS does not respond").caused_by(error))
        };
        self.with_timeout(Duration::ZERO, messages).await?.iter().map(codec::decode_dead_letter).collect()
    }

    async fn retry_dead_letter(&self, id: MessageId) -> Result<bool> {
        use jetstream::stream::LastRawMessageErrorKind::NoMessageFound;
        let streams = self.streams().await?;
        let subject = format!("{}.{id}", self.dead_letter_stream());
        let found = match streams.dead_letters.get_last_raw_message_by_subject(&subject).await {
            Ok(found) => found,
            Err(error) if error.kind() == NoMessageFound => return Ok(false),
            Err(error) => return Err(unavailable(error)),
        };
        let message = codec::decode(&found.headers, &found.payload)?;
        let mut headers = codec::headers(&message, None);
        // Of concurrent retries of the same dead letter, only one message is stored.
        headers.insert(NATS_MESSAGE_ID, format!("{id}/retry/{}", found.sequence).as_str());
        let subject = format!("{}.{}", self.config.stream, message.topic.as_str());
        self.send(subject, headers, message.payload).await?;
        streams.dead_letters.delete_message(found.sequence).await.map_err(unavailable)?;
        Ok(true)
    }

    async fn depth(&self) -> Result<u64> {
        let streams = self.streams().await?;
        match streams.work.consumer_info(CONSUMER).await {
            Ok(info) => Ok(info.num_pending + info.num_ack_pending as u64),
            Err(error) => Err(self.invalidate_streams(unavailable(error)).await),
        }
    }

    async fn oldest(&self) -> Result<Option<Timestamp>> {
        let streams = self.streams().await?;
        match self.oldest_unacknowledged(&streams).await {
            Err(error) => Err(self.invalidate_streams(error).await),
            found => found,
        }
    }

    async fn count_dead_letters(&self) -> Result<u64> {
        let streams = self.streams().await?;
        match streams.dead_letters.get_info().await {
            Ok(info) => Ok(info.state.messages),
            Err(error) => Err(self.invalidate_streams(unavailable(error)).await),
        }
    }
}
