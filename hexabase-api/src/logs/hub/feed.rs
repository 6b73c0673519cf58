//! Reader of the new lines of equal queries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hexabase_core::Platform;
use hexabase_core::error::{Error, ErrorKind, Result, Retry};
use hexabase_core::logs::{Direction, LineId, LogLine, LogQuery, LogSource};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::error::TrySendError;

use super::super::view::RenderedLine;
use super::{Followers, RecentLines, Update, WorkspaceLimits};

/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum interval after failed polls.
const MAX_INTERVAL: Duration = Duration::from_secs(16);
/// Maximum time by which a line can reach the log store after lines that are newer.
pub(in super::super) const OVERLAP: SignedDuration = SignedDuration::from_secs(5);
/// Number of lines per read.
const PAGE_SIZE: usize = 1_000;
/// Maximum number of reads per poll; further lines wait for the next one.
const PAGES_PER_POLL: usize = 20;
/// Maximum size of the lines that followers receive at once, in bytes, unless one line is larger.
const BATCH_SIZE: usize = 256 << 10;
/// Time that a feed waits for a follower whose queue is full, before it cuts it off.
const SLOW_FOLLOWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Reads of a query in pages, oldest lines first.
#[derive(Debug)]
pub(in super::super) struct Pages {
    source: Arc<dyn LogSource>,
    query: LogQuery,
    size: usize,
}

impl Pages {
    pub(in super::super) fn new(source: Arc<dyn LogSource>, query: LogQuery) -> Self {
        Self { source, query, size: PAGE_SIZE }
    }

    /// Reads a page of the lines from `since` until before `until`.
    ///
    /// # Errors
    /// As [`LogSource::lines`].
    pub(in super::super) async fn read(
        &mut self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<LogLine>> {
        loop {
            let direction = Direction::Forward;
            let query = LogQuery { since, until, limit: self.size, direction, ..self.query.clone() };
            match self.source.lines(&query).await {
                Err(error) if error.code() == "logs_too_large" && self.size > 1 => self.size /= 2,
                result => return result,
            }
        }
    }

    /// Returns the start of the next page; `None` after the last one.
    pub(in super::super) fn next(&self, since: Timestamp, page: &[LogLine]) -> Option<Timestamp> {
        let last = page.last().filter(|_| page.len() >= self.size)?.id.at();
        // More lines of one time than a page has cannot be read.
        let skipped = || since.checked_add(SignedDuration::from_nanos(1)).unwrap_or(since);
        Some(if last > since { last } else { skipped() })
    }
}

/// Poll of the logs that some streams follow.
pub(super) struct Feed {
    platform: Platform,
    pages: Pages,
    followers: Arc<Followers>,
    limits: Arc<WorkspaceLimits>,
    /// Start of the next poll.
    since: Timestamp,
    sent: RecentLines,
    /// Number of consecutive failed polls.
    failures: u32,
}

impl Drop for Feed {
    /// Ends the streams of the followers, also after a panic: they would wait for ever.
    fn drop(&mut self) {
        let mut followers = self.followers.lock();
        followers.is_closed = true;
        followers.queues.clear();
    }
}

impl Feed {
    pub(super) fn new(
        platform: Platform,
        source: Arc<dyn LogSource>,
        query: LogQuery,
        followers: Arc<Followers>,
        limits: Arc<WorkspaceLimits>,
    ) -> Self {
        let now = platform.clock().now();
        let since = now.checked_sub(OVERLAP).unwrap_or(now);
        let sent = RecentLines::new(LineId::before(since));
        Self { platform, pages: Pages::new(source, query), followers, limits, since, sent, failures: 0 }
    }

    /// Polls until the last follower leaves.
    pub(super) async fn run(mut self) {
        loop {
            let delay = match self.poll().await {
                Ok(()) => POLL_INTERVAL,
                Err(error) if error.kind() == ErrorKind::Invalid => {
                    let messages = error.violations().iter().map(|it| format!("{} {}", it.field, it.message));
                    let message = messages.collect::<Vec<_>>().join("; ");
                    self.send(Update::Ended(message.into())).await;
                    return;
                }
                Err(error) => {
                    if self.failures == 0 {
                        tracing::warn!(?error, "reading logs failed; feed retries");
                        self.set_away(Some(message_of(&error))).await;
                    }
                    self.failures += 1;
                    delay_after(self.failures, &error)
                }
            };
            self.platform.clock().sleep(delay).await;
        }
    }

    /// Sends the lines that appeared since the last poll.
    async fn poll(&mut self) -> Result<()> {
        let until = self.platform.clock().now();
        for _ in 0..PAGES_PER_POLL {
            let page = {
                let _permits = self.limits.polls.acquire().await?;
                self.pages.read(self.since, until).await?
            };
            if self.failures > 0 {
                self.failures = 0;
                self.set_away(None).await;
            }
            let next = self.pages.next(self.since, &page);
            let new: Vec<LogLine> = page.into_iter().filter(|line| self.sent.insert(line.id)).collect();
            for batch in batches(new) {
                self.send(Update::Lines(batch)).await;
            }
            match next {
                Some(next) => self.since = next,
                None => {
                    self.since = until.checked_sub(OVERLAP).unwrap_or(until);
                    self.sent.forget_before(self.since);
                    break;
                }
            }
        }
        Ok(())
    }

    async fn set_away(&self, away: Option<Arc<str>>) {
        self.followers.lock().away.clone_from(&away);
        self.send(away.map_or(Update::Available, Update::Unavailable)).await;
    }

    /// Sends an update to all followers. Those that do not take it in time are cut off: they resume after the last line
    /// that they received.
    async fn send(&self, update: Update) {
        let queues: Vec<_> = {
            let state = self.followers.lock();
            state.queues.iter().map(|(number, queue)| (*number, queue.clone())).collect()
        };
        let full = queues.into_iter().filter_map(|(number, queue)| match queue.try_send(update.clone()) {
            Err(TrySendError::Full(update)) => Some((number, queue, update)),
            Ok(()) | Err(TrySendError::Closed(_)) => None,
        });
        let late = full.map(|(number, queue, update)| async move {
            tokio::select! {
                biased;
                _ = queue.send(update) => None,
                () = self.platform.clock().sleep(SLOW_FOLLOWER_TIMEOUT) => Some(number),
            }
        });
        let cut_off: Vec<u64> = join_all(late).await.into_iter().flatten().collect();
        if !cut_off.is_empty() {
            let mut state = self.followers.lock();
            state.queues.retain(|number, _| !cut_off.contains(number));
        }
    }
}

/// Returns the message for users about a failed poll.
fn message_of(error: &Error) -> Arc<str> {
    let reason = match error.kind() {
        ErrorKind::Unavailable | ErrorKind::RateLimited => error.message(),
        _ => "the log store cannot be read",
    };
    format!("{reason}; the stream continues as soon as it can be read again").into()
}

/// Returns the delay after a number of consecutive failures.
fn delay_after(failures: u32, error: &Error) -> Duration {
    let delay = POLL_INTERVAL.saturating_mul(1 << failures.min(10)).min(MAX_INTERVAL);
    match error.retry() {
        Retry::After(wait) => delay.max(wait).min(MAX_INTERVAL),
        _ => delay,
    }
}

/// Splits lines into batches of a limited size.
fn batches(lines: Vec<LogLine>) -> Vec<Arc<[RenderedLine]>> {
    let (mut batches, mut batch, mut size) = (Vec::new(), Vec::new(), 0);
    for line in lines.into_iter().map(RenderedLine::from) {
        if size + line.json.len() > BATCH_SIZE && !batch.is_empty() {
            batches.push(Arc::from(std::mem::take(&mut batch)));
            size = 0;
        }
        size += line.json.len();
        batch.push(line);
    }
    if !batch.is_empty() {
        batches.push(Arc::from(batch));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_order_and_are_limited_in_size() {
        let container = ["shop", "web", "app"].map(Arc::<str>::from);
        let line = |size: usize| LogLine::new(Timestamp::UNIX_EPOCH, container.clone(), "x".repeat(size));
        let sizes = |lines: &[usize]| -> Vec<usize> {
            batches(lines.iter().map(|size| line(*size)).collect()).iter().map(|batch| batch.len()).collect()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[10; 5]), [5]);
        assert_eq!(sizes(&[100_000; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[10, 300_000, 10]), [1, 1, 1]);
    }

    #[test]
    fn the_delay_grows_and_is_bounded() {
        let (away, busy) = (Error::unavailable("away"), Error::rate_limited(Duration::from_secs(5)));
        let seconds =
            |error: &Error| [1, 2, 3, 4, 5, 40].map(|failures| delay_after(failures, error).as_secs());
        assert_eq!(seconds(&away), [2, 4, 8, 16, 16, 16]);
        assert_eq!(seconds(&busy), [5, 5, 8, 16, 16, 16]);
    }
}
