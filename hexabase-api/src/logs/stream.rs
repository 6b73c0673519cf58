//! Stream of the lines of some logs, as server-sent events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event as SseEvent;
use hexabase_core::clock::until;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::logs::{LineId, LogQuery, LogSource};
use hexabase_core::platform::Caller;
use jiff::Timestamp;
use serde::Serialize;

use super::hub::{LogStreams, OVERLAP, Pages, RecentLines, StreamSlot, Subscription, Update};
use super::view::{LogStatusView, LogStreamEndView, RenderedLine};

/// Time for which a check of the caller's access is valid: no line is sent later than this after access was lost.
const ACCESS_LIFETIME: Duration = Duration::from_secs(2);
/// Interval at which a stream without lines checks the caller's access, to end if it was lost.
const IDLE_CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// Pause after a failed read.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Logs that a caller follows.
pub(super) struct Followed {
    pub(super) caller: Caller,
    pub(super) scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
    pub(super) source: Arc<dyn LogSource>,
    pub(super) query: LogQuery,
}

/// Stream of a caller. It reads on only when the client has received the lines read before, and holds at most one page
/// of its own.
pub(super) struct LogStream {
    streams: LogStreams,
    followed: Followed,
    slot: StreamSlot,
    pages: Pages,
    /// Position after which the stream began.
    start: LineId,
    /// Position of the last event: that of the newest line, so that no line is sent again after it.
    position: LineId,
    /// Lines that were sent while the stream resumed, which the feed may send as well.
    sent: RecentLines,
    /// Older lines to read before those of the feed, as the time range of the next page.
    older: Option<(Timestamp, Timestamp)>,
    /// Connection to the feed; `None` until the stream has read the older lines.
    subscription: Option<Subscription>,
    batch: Arc<[RenderedLine]>,
    /// Index of the next line of the batch.
    next_line: usize,
    /// `true` if the stream itself read the batch.
    is_older: bool,
    /// Events to send before the next line.
    notices: VecDeque<SseEvent>,
    is_away: bool,
    has_ended: bool,
    access_checked: Option<Timestamp>,
}

impl LogStream {
    /// Begins a stream of the lines after `start`.
    pub(super) fn new(streams: LogStreams, followed: Followed, slot: StreamSlot, start: LineId) -> Self {
        let now = streams.platform().clock().now();
        let older = (start < LineId::before(now)).then_some((start.at(), now));
        let mut stream = Self {
            pages: Pages::new(followed.source.clone(), followed.query.clone()),
            sent: RecentLines::new(start),
            streams,
            followed,
            slot,
            start,
            position: start,
            older,
            subscription: None,
            batch: Arc::from([]),
            next_line: 0,
            is_older: false,
            notices: VecDeque::new(),
            is_away: false,
            has_ended: false,
            access_checked: None,
        };
        // A client that is interrupted before the first line resumes here.
        stream.push_status(None);
        if stream.older.is_none() {
            stream.subscribe();
        }
        stream
    }

    fn now(&self) -> Timestamp {
        self.streams.platform().clock().now()
    }

    fn subscribe(&mut self) {
        self.subscription = Some(self.slot.subscribe(self.followed.source.clone(), &self.followed.query));
    }

    /// Waits for the next event. `None` ends the stream: the server shuts down, the caller is no longer permitted to
    /// read the logs, or the reason was sent.
    pub(super) async fn next(&mut self) -> Option<SseEvent> {
        let mut stopping = self.streams.stopping.clone();
        tokio::select! {
            biased;
            Ok(_) = stopping.wait_for(|stopping| *stopping) => None,
            event = self.next_event() => event,
        }
    }

    async fn next_event(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Some(notice);
            }
            if self.has_ended {
                return None;
            }
            if self.find_line() {
                if self.has_access(ACCESS_LIFETIME).await? {
                    return Some(self.take_line());
                }
                continue;
            }
            match self.older {
                Some((since, until)) => {
                    if self.has_access(IDLE_CHECK_INTERVAL).await? {
                        self.read_older(since, until).await;
                    }
                }
                None => self.receive().await?,
            }
        }
    }

    /// Skips the lines of the batch that are not to be sent; `false` if none is left.
    fn find_line(&mut self) -> bool {
        while let Some(line) = self.batch.get(self.next_line) {
            if line.id > self.start && !self.sent.contains(line.id) {
                return true;
            }
            self.next_line += 1;
        }
        false
    }

    fn take_line(&mut self) -> SseEvent {
        let line = &self.batch[self.next_line];
        self.next_line += 1;
        self.position = self.position.max(line.id);
        if self.is_older {
            self.sent.insert(line.id);
        }
        SseEvent::default().id(self.position.to_string()).event("line").data(&line.json)
    }

    /// Reads a page of older lines. After the last one the stream subscribes, and reads once more what appeared in the
    /// meantime.
    async fn read_older(&mut self, since: Timestamp, until: Timestamp) {
        let page = match self.slot.read(&mut self.pages, since, until).await {
            Ok(page) => page,
            Err(error) if error.kind() == ErrorKind::Invalid => {
                let message = error.violations().first().map_or(error.message(), |it| &it.message);
                return self.end("invalid", message);
            }
            Err(error) => {
                if !self.is_away {
                    tracing::warn!(?error, "reading logs failed; stream retries");
                    self.push_status(Some(
                        "the log store cannot be read; the stream continues as soon as it can",
                    ));
                }
                return self.pause().await;
            }
        };
        if self.is_away {
            self.push_status(None);
        }
        let window = until.checked_sub(OVERLAP + OVERLAP).unwrap_or(until);
        let next = self.pages.next(since, &page);
        self.batch = page.into_iter().map(RenderedLine::from).collect();
        (self.next_line, self.is_older) = (0, true);
        self.older = match next {
            Some(next) => {
                self.sent.forget_before(next.min(window));
                Some((next, until))
            }
            None if self.subscription.is_none() => {
                self.subscribe();
                Some((window.max(self.start.at()), self.now()))
            }
            None => None,
        };
    }

    /// Receives an update of the feed. `None` ends the stream.
    async fn receive(&mut self) -> Option<()> {
        let clock = self.streams.platform().clock().clone();
        let subscription = self.subscription.as_mut()?;
        let update = tokio::select! {
            update = subscription.recv() => update,
            () = clock.sleep(IDLE_CHECK_INTERVAL) => {
                self.has_access(Duration::ZERO).await?;
                return Some(());
            }
        };
        match update {
            Some(Update::Lines(batch)) => {
                (self.batch, self.next_line, self.is_older) = (batch, 0, false);
            }
            Some(Update::Unavailable(message)) => self.push_status(Some(&message)),
            Some(Update::Available) => self.push_status(None),
            Some(Update::Ended(message)) => self.end("invalid", &message),
            None => {
                let message = "the client reads more slowly than lines are written; connect again to resume, with a \
                               narrower query if this repeats";
                self.end("too_slow", message);
            }
        }
        Some(())
    }

    fn push_status(&mut self, message: Option<&str>) {
        self.is_away = message.is_some();
        self.push("status", &LogStatusView { available: message.is_none(), message });
    }

    fn end(&mut self, code: &str, message: &str) {
        self.has_ended = true;
        self.push("end", &LogStreamEndView { code, message });
    }

    fn push(&mut self, kind: &str, data: &impl Serialize) {
        // The fields serialize without failing.
        let data = serde_json::to_string(data).unwrap_or_default();
        let event = SseEvent::default().id(self.position.to_string()).event(kind).data(data);
        self.notices.push_back(event);
    }

    async fn pause(&self) {
        self.streams.platform().clock().sleep(RETRY_DELAY).await;
    }

    /// Checks the access as [`Self::require_access`]: `Some(false)` after a pause if it is not known for now, and `None`
    /// if the stream ends.
    async fn has_access(&mut self, age: Duration) -> Option<bool> {
        match self.require_access(age).await {
            Ok(()) => Some(true),
            Err(error) if error.is_retryable() => {
                tracing::warn!(?error, "checking access to logs failed; stream retries");
                self.pause().await;
                Some(false)
            }
            Err(_) => None,
        }
    }

    /// Checks that the session or token is alive and the caller is still permitted to read the logs, unless this was
    /// checked less than `age` ago.
    async fn require_access(&mut self, age: Duration) -> Result<()> {
        let now = self.now();
        if self.access_checked.is_some_and(|checked| until(checked, now) < age) {
            return Ok(());
        }
        let Followed { caller, scope: (organization, workspace, project), .. } = &self.followed;
        self.streams.authenticator.require_alive(&caller.principal).await?;
        let logs = self.streams.platform().logs();
        logs.authorize_again(caller, *organization, *workspace, *project).await?;
        self.access_checked = Some(now);
        Ok(())
    }
}
