//! Background work: publishes outbox messages, reconciles workspaces and billing accounts, collects usage, checks the
//! isolation of tenants, sends mail, re-queues overdue reconciles, and deletes records beyond their retention.
//!
//! A [`Worker`] combines all of it in one future and brings no async runtime of its own. Any number of workers can
//! run, in one process or in many: leases keep two workers from reconciling the same workspace at the same time, and
//! every step can be interrupted at any point and repeated.

mod billing_reconciler;
mod change_notifier;
mod fair_queue;
mod host_monitor;
mod isolation_checker;
mod lease;
mod pruner;
mod reconciler;
mod relay;
mod requeue;
mod resync;
#[cfg(test)]
mod tests;
mod usage_collector;
mod usage_reporter;

use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture as _};
use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _, pin_mut, select_biased};
use jiff::Timestamp;
use tracing::Instrument as _;

pub use billing_reconciler::BillingReconciler;
pub use host_monitor::HostMonitor;
pub use isolation_checker::IsolationChecker;
pub use pruner::Pruner;
pub use reconciler::Reconciler;
pub use relay::Relay;
pub use requeue::{Requeue, RequeueReason};
pub use resync::Resync;
pub use usage_collector::UsageCollector;

use crate::backoff;
use crate::changeset::{OutboxMessage, Topic};
use crate::clock::until;
use crate::error::{Error, ErrorKind, Result};
use crate::id_source::IdSourceExt as _;
use crate::notifier::Envelope;
use crate::platform::{MAIL_SEAL_PURPOSE, Platform, PlatformInner};
use crate::queue::Delivery;
use crate::telemetry;
use fair_queue::FairQueue;

/// Maximum wait for a message in one call of the queue.
const RECEIVE_WAIT: Duration = Duration::from_secs(5);
/// Maximum number of concurrent requests to the queue about buffered messages.
const QUEUE_REQUESTS: usize = 16;
/// Delay of a reconcile that is requeued soon: another worker holds the lease, or the records kept changing.
const REQUEUE_SOON_DELAY: Duration = Duration::from_millis(250);

/// Runs all background work of a [`Platform`].
#[derive(Debug, Clone)]
pub struct Worker {
    platform: Platform,
    concurrency: usize,
}

impl Worker {
    /// Creates a worker that processes up to `concurrency` messages at a time. It receives further ones in advance, so
    /// that organizations take turns: while messages of several organizations wait, those of one take at most half of
    /// the concurrency.
    #[must_use]
    pub fn new(platform: Platform, concurrency: usize) -> Self {
        Self { platform, concurrency: concurrency.max(1) }
    }

    /// Runs until `stop` is ready, then finishes the messages in flight, returns those that were received in advance to
    /// the queue, and returns.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let inner = self.platform.inner();
        let stop_signal = StopSignal::default();
        let (relay, resync) = (Relay::of(inner), Resync::of(inner));
        let (hosts, meters) = (HostMonitor::of(inner), UsageCollector::of(inner));
        let pruner = Pruner::of(inner);
        let isolation = IsolationChecker::of(inner);
        let work = async {
            futures_util::join!(
                relay.run(&stop_signal),
                resync.run(&stop_signal),
                hosts.run(&stop_signal),
                meters.run(&stop_signal),
                pruner.run(&stop_signal),
                isolation.run(&stop_signal),
                self.consume(&stop_signal)
            );
        };
        run_until_stopped(stop, &stop_signal, work).await;
    }

    /// Publishes outbox messages until `stop` is ready, and does no other work. For processes that serve requests
    /// while workers run elsewhere.
    pub async fn relay(&self, stop: impl Future<Output = ()> + Send) {
        let stop_signal = StopSignal::default();
        run_until_stopped(stop, &stop_signal, Relay::new(&self.platform).run(&stop_signal)).await;
    }

    /// Performs all work that is due now, once and sequentially, and returns the number of items processed. For
    /// embedders with a scheduler of their own, and for tests that control every step. Scheduled isolation checks are
    /// not requested: see [`IsolationChecker::request_due`].
    ///
    /// # Errors
    /// Errors of the store or the queue; a later call continues with the remaining work.
    pub async fn run_once(&self) -> Result<usize> {
        let inner = self.platform.inner();
        let published = Relay::of(inner).publish().await?;
        let resync = Resync::of(inner);
        let requeued = resync.requeue_overdue().await? + resync.process_webhooks().await?;
        let collected = UsageCollector::of(inner).try_collect().await;
        inner.refresh_hosts().await?;
        let deliveries = inner.queue.receive(self.concurrency, Duration::ZERO).await?;
        let received = deliveries.len();
        let reconciler = Reconciler::of(inner);
        for delivery in deliveries {
            handle(inner, &reconciler, delivery).await;
        }
        Ok(published + requeued + collected + received)
    }

    async fn consume(&self, stop_signal: &StopSignal) {
        let inner = self.platform.inner();
        let reconciler = Reconciler::of(inner);
        let mut queue = FairQueue::new(self.concurrency);
        let (mut in_flight, mut background) = (FuturesUnordered::new(), FuturesUnordered::new());
        let mut receiving = Fuse::terminated();
        let mut extension_timer = inner.clock.sleep(inner.queue.delivery_policy().visibility / 3).fuse();
        while !stop_signal.is_set() {
            while let Some(delivery) = queue.start_next() {
                let organization = delivery.message.organization_id;
                in_flight.push(handle(inner, &reconciler, delivery).map(move |()| organization));
            }
            let demand = queue.demand();
            if receiving.is_terminated() && demand > 0 {
                receiving = receive(inner, demand).boxed().fuse();
            }
            let stopped = stop_signal.wait().fuse();
            pin_mut!(stopped);
            select_biased! {
                () = stopped => {}
                organization = in_flight.select_next_some() => queue.finish(organization),
                () = background.select_next_some() => {}
                deliveries = receiving => {
                    let redundant = deliveries.into_iter().filter_map(|delivery| queue.push(delivery)).collect();
                    background.push(acknowledge_all(inner, redundant).boxed());
                }
                () = extension_timer => {
                    background.push(extend_all(inner, queue.waiting()).boxed());
                    extension_timer = inner.clock.sleep(inner.queue.delivery_policy().visibility / 3).fuse();
                }
            }
        }
        let finish = async { while in_flight.next().await.is_some() {} };
        futures_util::join!(finish, return_all(inner, queue.waiting()));
    }
}

/// Receives up to `limit` messages; none after an error, which it logs.
async fn receive(inner: &PlatformInner, limit: usize) -> Vec<Delivery> {
    match inner.queue.receive(limit, RECEIVE_WAIT).await {
        Ok(deliveries) => deliveries,
        Err(error) => {
            tracing::warn!(%error, "receiving messages failed; retrying in 1 s");
            inner.clock.sleep(Duration::from_secs(1)).await;
            Vec::new()
        }
    }
}

/// Acknowledges messages that need no processing.
async fn acknowledge_all(inner: &PlatformInner, deliveries: Vec<Delivery>) {
    let acknowledge = async |delivery: Delivery| {
        if let Err(error) = inner.queue.ack(&delivery).await {
            tracing::warn!(message = %delivery.message.id, %error, "acknowledging message failed; queue redelivers it");
        }
    };
    stream::iter(deliveries).for_each_concurrent(QUEUE_REQUESTS, acknowledge).await;
}

/// Extends the visibility of buffered messages.
async fn extend_all(inner: &PlatformInner, deliveries: Vec<Delivery>) {
    let extend = async |delivery: Delivery| extend_visibility(inner, &delivery).await;
    stream::iter(deliveries).for_each_concurrent(QUEUE_REQUESTS, extend).await;
}

/// Returns buffered messages to the queue, for other workers.
async fn return_all(inner: &PlatformInner, deliveries: Vec<Delivery>) {
    let give_back = async |delivery: Delivery| {
        let reason = "the worker stopped before it processed the message";
        telemetry::record_requeue(RequeueReason::Draining);
        if let Err(error) = inner.queue.nack(&delivery, Duration::ZERO, reason).await {
            tracing::warn!(message = %delivery.message.id, %error, "returning message failed; queue redelivers it");
        }
    };
    stream::iter(deliveries).for_each_concurrent(QUEUE_REQUESTS, give_back).await;
}

/// Processes one message in a span of its trace.
async fn handle(inner: &PlatformInner, reconciler: &Reconciler<'_>, delivery: Delivery) {
    let span = span_of(&delivery.message);
    if let Some(parent) = delivery.message.trace_parent {
        inner.traces.set_parent(&span, parent);
    }
    process(inner, reconciler, delivery).instrument(span).await;
}

/// Span of the work that a message requests.
fn span_of(message: &OutboxMessage) -> tracing::Span {
    let OutboxMessage { topic, organization_id: organization, workspace_id, .. } = message;
    match (topic, workspace_id) {
        (Topic::Reconcile, Some(workspace)) => {
            tracing::info_span!("reconcile", %workspace, generation = tracing::field::Empty)
        }
        (Topic::Reconcile, None) => tracing::info_span!("reconcile_account", %organization),
        (Topic::CheckIsolation, _) => {
            tracing::info_span!("check_isolation", workspace = workspace_id.map(tracing::field::display))
        }
        (Topic::Mail, _) => tracing::info_span!("send_mail", %organization),
    }
}

/// Processes one message: acknowledges it on success, returns it to the queue with a back-off on failure.
async fn process(inner: &PlatformInner, reconciler: &Reconciler<'_>, delivery: Delivery) {
    let outcome = {
        let work = async {
            match delivery.message.topic {
                Topic::Reconcile => reconcile(inner, reconciler, &delivery).await,
                Topic::CheckIsolation => check_isolation(inner, &delivery).await,
                Topic::Mail => send_mail(inner, &delivery).await,
            }
        };
        let (work, renewal) = (work.fuse(), extend_visibility_periodically(inner, &delivery).fuse());
        pin_mut!(work, renewal);
        select_biased! {
            outcome = work => outcome,
            () = renewal => Ok(()),
        }
    };
    let topic = delivery.message.topic;
    let settled = match &outcome {
        Ok(()) => {
            telemetry::record_message(topic, "processed");
            inner.queue.ack(&delivery).await
        }
        Err(error) if is_undeliverable(&delivery, error) => {
            telemetry::record_message(topic, "dead_lettered");
            tracing::warn!(message = %delivery.message.id, error = ?error, "notification is undeliverable; kept as dead letter");
            inner.queue.dead_letter(&delivery, &error.to_string()).await
        }
        Err(error) => {
            telemetry::record_message(topic, "returned");
            // Of its last delivery it becomes a dead letter.
            if delivery.attempt < inner.queue.delivery_policy().max_deliveries {
                telemetry::record_requeue(RequeueReason::after_error(error));
            }
            tracing::warn!(message = %delivery.message.id, attempt = delivery.attempt, error = ?error, "processing message failed; returned to queue");
            let intervals = &inner.config.intervals;
            let random = u64::from_be_bytes(inner.ids.bytes());
            let delay =
                backoff::delay(delivery.attempt, intervals.first_retry, intervals.longest_retry, random);
            inner.queue.nack(&delivery, delay, &error.to_string()).await
        }
    };
    if let Err(error) = settled {
        // Harmless: the queue delivers the message again once its visibility has passed.
        tracing::warn!(message = %delivery.message.id, %error, "acknowledging message failed; queue redelivers it");
    }
}

/// Extends the visibility of a message while work on it continues. Never returns.
async fn extend_visibility_periodically(inner: &PlatformInner, delivery: &Delivery) {
    loop {
        inner.clock.sleep(inner.queue.delivery_policy().visibility / 3).await;
        extend_visibility(inner, delivery).await;
    }
}

async fn extend_visibility(inner: &PlatformInner, delivery: &Delivery) {
    if let Err(error) = inner.queue.extend_visibility(delivery).await {
        tracing::debug!(message = %delivery.message.id, %error, "extending message visibility failed; queue may redeliver it");
    }
}

async fn reconcile(inner: &PlatformInner, reconciler: &Reconciler<'_>, delivery: &Delivery) -> Result<()> {
    let OutboxMessage { organization_id: organization, workspace_id, payload, .. } = &delivery.message;
    let (message, requeue) = match workspace_id {
        Some(workspace) => {
            let requeue = reconciler.reconcile(*organization, *workspace, due_at(payload)).await?;
            (inner.reconcile_message(*organization, *workspace), requeue)
        }
        None => {
            let requeue = BillingReconciler::of(inner).reconcile(*organization).await?;
            (inner.account_reconcile_message(*organization), requeue)
        }
    };
    let (message, wait, reason) = match requeue {
        Requeue::Never => return Ok(()),
        Requeue::Soon(reason) => {
            (OutboxMessage { payload: payload.clone(), ..message }, REQUEUE_SOON_DELAY, reason)
        }
        Requeue::At(at, reason) => {
            let message = if workspace_id.is_some() { with_due_time(message, at) } else { message };
            (message, until(inner.now(), at), reason)
        }
    };
    // Later reconciles are left to `Resync`: the queue is not used for long delays.
    if wait <= inner.config.intervals.longest_poll {
        inner.queue.publish(&message, wait).await?;
        telemetry::record_requeue(reason);
    }
    Ok(())
}

async fn check_isolation(inner: &PlatformInner, delivery: &Delivery) -> Result<()> {
    let OutboxMessage { organization_id, workspace_id, .. } = &delivery.message;
    let missing = || Error::unexpected("message for an isolation check names no workspace");
    IsolationChecker::of(inner).check_requested(*organization_id, workspace_id.ok_or_else(missing)?).await;
    Ok(())
}

fn with_due_time(reconcile: OutboxMessage, at: Timestamp) -> OutboxMessage {
    OutboxMessage { payload: at.to_string().into_bytes(), ..reconcile }
}

/// Due time of a delayed reconcile, as written by [`with_due_time`]; `None` if the message carries none.
fn due_at(payload: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}

async fn send_mail(inner: &PlatformInner, delivery: &Delivery) -> Result<()> {
    // During a rotation of the master key another worker may have the key already.
    let plain = inner.key.open(MAIL_SEAL_PURPOSE, &delivery.message.payload).map_err(|error| {
        Error::unavailable("the notification is sealed with a master key that this worker does not have")
            .caused_by(error)
    })?;
    // The error of the parser could quote a secret.
    let envelope: Envelope = serde_json::from_slice(&plain)
        .map_err(|_| Error::unexpected("notification in the queue cannot be decoded"))?;
    let sent = inner.notifier.send(&envelope).await;
    telemetry::record_mail(envelope.notification.kind(), sent.is_ok());
    sent
}

/// `true` if the message is a notification whose recipient can never be reached.
fn is_undeliverable(delivery: &Delivery, error: &Error) -> bool {
    delivery.message.topic == Topic::Mail && error.kind() == ErrorKind::Invalid
}

/// Runs `work`, and sets `stop_signal` once `stop` is ready.
async fn run_until_stopped(
    stop: impl Future<Output = ()> + Send,
    stop_signal: &StopSignal,
    work: impl Future<Output = ()> + Send,
) {
    let watch = async {
        stop.await;
        stop_signal.set();
        std::future::pending::<()>().await;
    };
    let (work, watch) = (work.fuse(), watch.fuse());
    pin_mut!(work, watch);
    select_biased! {
        () = work => {}
        () = watch => {}
    }
}

/// Request to stop, shared by the loops of a worker.
#[derive(Default)]
struct StopSignal {
    stopped: std::sync::atomic::AtomicBool,
    event: event_listener::Event<()>,
}

impl StopSignal {
    fn set(&self) {
        self.stopped.store(true, std::sync::atomic::Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    fn is_set(&self) -> bool {
        self.stopped.load(std::sync::atomic::Ordering::SeqCst)
    }

    async fn wait(&self) {
        loop {
            let listener = self.event.listen();
            if self.is_set() {
                return;
            }
            listener.await;
        }
    }

    /// Waits for `duration`, or until the signal is set.
    async fn sleep(&self, inner: &PlatformInner, duration: Duration) {
        let (sleep, stopped) = (inner.clock.sleep(duration).fuse(), self.wait().fuse());
        pin_mut!(sleep, stopped);
        select_biased! {
            () = stopped => {}
            () = sleep => {}
        }
    }
}
