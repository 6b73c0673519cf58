//! What happens between requests: messages are published, workspaces are looked at, mail is sent, and what
//! was forgotten is found.
//!
//! A [`Worker`] is all of that in one future, without an async runtime of its own. Any number of them can
//! run, in one process or many: leases keep them from working on the same workspace at once, and everything
//! they do is safe to be cut off at any point and done again.

mod accountant;
mod hosts;
mod lease;
mod meter_reader;
mod moves;
mod reconciler;
mod relay;
mod sweep;
mod usage_teller;

use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, pin_mut, select_biased};
use jiff::Timestamp;

pub use accountant::Accountant;
pub use hosts::HostKeeper;
pub use meter_reader::MeterReader;
pub use reconciler::{NextLook, Reconciler};
pub use relay::Relay;
pub use sweep::Sweep;

use crate::backoff;
use crate::changeset::{OutboxMessage, Topic};
use crate::clock::until;
use crate::error::{Error, ErrorKind, Result};
use crate::id_source::IdSourceExt as _;
use crate::notifier::Mail;
use crate::platform::{MAIL, Parts, Platform};
use crate::queue::Delivery;

/// How long a worker waits for a message before it looks around.
const PATIENCE: Duration = Duration::from_secs(5);
/// When to come back to a workspace that somebody else is looking at.
const BUSY: Duration = Duration::from_millis(250);

/// Does the platform's work.
#[derive(Debug, Clone)]
pub struct Worker {
    platform: Platform,
    concurrency: usize,
}

impl Worker {
    /// A worker that deals with up to `concurrency` messages at a time.
    #[must_use]
    pub fn new(platform: Platform, concurrency: usize) -> Self {
        Self { platform, concurrency: concurrency.max(1) }
    }

    /// Works until `stop` is ready, then finishes what is under way and returns.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let parts: &Parts = &self.platform;
        let halt = Halt::default();
        let (relay, sweep) = (Relay::new(parts), Sweep::new(parts));
        let (hosts, meters) = (HostKeeper::new(parts), MeterReader::new(parts));
        let work = async {
            futures_util::join!(
                relay.run(&halt),
                sweep.run(&halt),
                hosts.run(&halt),
                meters.run(&halt),
                self.consume(&halt)
            );
        };
        work_until(stop, &halt, work).await;
    }

    /// Publishes what this process commits until `stop` is ready, and leaves all other work to others. For processes
    /// that answer requests while the work is done elsewhere.
    pub async fn relay(&self, stop: impl Future<Output = ()> + Send) {
        let halt = Halt::default();
        work_until(stop, &halt, Relay::new(&self.platform).run(&halt)).await;
    }

    /// Does once whatever there is to do right now, one thing after another, and says how much that was.
    /// For those who have a scheduler of their own, and for tests that want every step in their hands.
    ///
    /// # Errors
    /// Whatever the store or the queue fails with; a later turn does what was left.
    pub async fn turn(&self) -> Result<usize> {
        let parts: &Parts = &self.platform;
        let published = Relay::new(parts).publish().await?;
        let sweep = Sweep::new(parts);
        let found = sweep.find_due().await? + sweep.hear().await?;
        let read = MeterReader::new(parts).try_read().await;
        parts.follow_hosts().await?;
        let deliveries = parts.queue.receive(self.concurrency, Duration::ZERO).await?;
        let received = deliveries.len();
        let reconciler = Reconciler::new(parts);
        for delivery in deliveries {
            handle(parts, &reconciler, delivery).await;
        }
        Ok(published + found + read + received)
    }

    async fn consume(&self, halt: &Halt) {
        let parts: &Parts = &self.platform;
        let reconciler = Reconciler::new(parts);
        let mut under_way = FuturesUnordered::new();
        loop {
            let room = self.concurrency - under_way.len();
            if halt.is_set() {
                while under_way.next().await.is_some() {}
                return;
            }
            // One message at a time would cost a round trip each.
            if room < self.concurrency.div_ceil(4) {
                under_way.next().await;
                continue;
            }
            let receive = parts.queue.receive(room, PATIENCE).fuse();
            pin_mut!(receive);
            let deliveries = loop {
                let mut idle = std::future::pending::<()>().boxed().fuse();
                let halted = halt.wait().fuse();
                pin_mut!(halted);
                select_biased! {
                    () = halted => break Ok(Vec::new()),
                    deliveries = receive => break deliveries,
                    _ = under_way.select_next_some() => {}
                    () = idle => {}
                }
            };
            match deliveries {
                Ok(deliveries) => {
                    let handle = |delivery| handle(parts, &reconciler, delivery);
                    under_way.extend(deliveries.into_iter().map(handle));
                }
                Err(error) => {
                    tracing::warn!(%error, "the queue does not answer");
                    halt.nap(parts, Duration::from_secs(1)).await;
                }
            }
        }
    }
}

/// Deals with one message: it is acknowledged when it was dealt with, and given back when not.
async fn handle(parts: &Parts, reconciler: &Reconciler<'_>, delivery: Delivery) {
    let outcome = {
        let work = async {
            match delivery.message.topic {
                Topic::Look => look(parts, reconciler, &delivery).await,
                Topic::Mail => mail(parts, &delivery).await,
            }
        };
        let (work, kept) = (work.fuse(), keep(parts, &delivery).fuse());
        pin_mut!(work, kept);
        select_biased! {
            outcome = work => outcome,
            () = kept => Ok(()),
        }
    };
    let settled = match &outcome {
        Ok(()) => parts.queue.ack(&delivery).await,
        Err(error) => {
            tracing::warn!(message = %delivery.message.id, attempt = delivery.attempt, error = ?error, "a message could not be dealt with");
            let pace = &parts.settings.pace;
            let random = u64::from_be_bytes(parts.ids.bytes());
            let delay = backoff::delay(delivery.attempt, pace.first_retry, pace.longest_retry, random);
            parts.queue.nack(&delivery, delay, &error.to_string()).await
        }
    };
    if let Err(error) = settled {
        // It comes again once its visibility has passed, which is harmless.
        tracing::warn!(message = %delivery.message.id, %error, "a message could not be settled");
    }
}

/// Says time and again that work on a message goes on. Comes to no end.
async fn keep(parts: &Parts, delivery: &Delivery) {
    loop {
        parts.clock.sleep(parts.queue.visibility() / 3).await;
        if let Err(error) = parts.queue.keep(delivery).await {
            tracing::debug!(message = %delivery.message.id, %error, "a message may come to somebody else as well");
        }
    }
}

async fn look(parts: &Parts, reconciler: &Reconciler<'_>, delivery: &Delivery) -> Result<()> {
    let OutboxMessage { organization_id: organization, workspace_id, payload, .. } = &delivery.message;
    let next = match workspace_id {
        Some(workspace) => {
            let again = parts.look(*organization, *workspace);
            match reconciler.look(*organization, *workspace, put_off_to(payload)).await? {
                NextLook::Never => None,
                NextLook::Soon => Some((OutboxMessage { payload: payload.clone(), ..again }, BUSY)),
                NextLook::At(at) => Some((put_off(again, at), until(parts.now(), at))),
            }
        }
        None => {
            let wait = Accountant::new(parts).look(*organization).await?;
            wait.map(|wait| (parts.look_at_account(*organization), wait))
        }
    };
    // What is far off is left to the sweep: a queue is no calendar.
    if let Some((again, wait)) = next.filter(|(_, wait)| *wait <= parts.settings.pace.longest_poll) {
        parts.queue.publish(&again, wait).await?;
    }
    Ok(())
}

fn put_off(look: OutboxMessage, at: Timestamp) -> OutboxMessage {
    OutboxMessage { payload: at.to_string().into_bytes(), ..look }
}

/// What a look was put off to, if it was: reads what [`put_off`] wrote.
fn put_off_to(payload: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}

async fn mail(parts: &Parts, delivery: &Delivery) -> Result<()> {
    let plain = parts.key.open(MAIL, &delivery.message.payload)?;
    let mail: Mail = serde_json::from_slice(&plain)
        .map_err(|error| Error::unexpected("a mail in the queue cannot be read").caused_by(error))?;
    match parts.notifier.send(&mail).await {
        Err(error) if error.kind() == ErrorKind::Invalid => {
            tracing::warn!(%error, subject = %mail.subject, "a mail can never be delivered and is dropped");
            Ok(())
        }
        outcome => outcome,
    }
}

/// Does `work`, and passes the wish to stop on to it.
async fn work_until(
    stop: impl Future<Output = ()> + Send,
    halt: &Halt,
    work: impl Future<Output = ()> + Send,
) {
    let watch = async {
        stop.await;
        halt.now();
        std::future::pending::<()>().await;
    };
    let (work, watch) = (work.fuse(), watch.fuse());
    pin_mut!(work, watch);
    select_biased! {
        () = work => {}
        () = watch => {}
    }
}

/// The wish to stop, shared by the parts of a worker.
#[derive(Default)]
struct Halt {
    stopped: std::sync::atomic::AtomicBool,
    event: event_listener::Event<()>,
}

impl Halt {
    fn now(&self) {
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

    /// Waits for `duration`, or for the wish to stop.
    async fn nap(&self, parts: &Parts, duration: Duration) {
        let (sleep, halted) = (parts.clock.sleep(duration).fuse(), self.wait().fuse());
        pin_mut!(sleep, halted);
        select_biased! {
            () = halted => {}
            () = sleep => {}
        }
    }
}
