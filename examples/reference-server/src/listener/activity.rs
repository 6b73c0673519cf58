//! Activity of a connection: whether the server works on a request, or waits for the client.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// Activity of one connection.
#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<State>>);

struct State {
    /// Number of responses that the server works on. The others wait until the client reads them.
    working: usize,
    /// `true` once the head of a request is complete.
    has_begun: bool,
    /// Time of the last change of the other fields, or of the start of the connection.
    changed: Instant,
}

impl Activity {
    pub(super) fn new() -> Self {
        let state = State { working: 0, has_begun: false, changed: Instant::now() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `true` if the client has sent the head of a request.
    pub(super) fn has_begun(&self) -> bool {
        self.state().has_begun
    }

    /// Begins the work on a request.
    pub(super) fn begin(&self) -> Work {
        self.state().has_begun = true;
        let mut work = Work { activity: self.clone(), is_working: false };
        work.set_working(true);
        work
    }

    /// Waits until the client has been silent for `head` before its first request, or for `idle` after it: it has
    /// neither sent a request nor read a part of a response.
    pub(super) async fn silence(&self, head: Duration, idle: Duration) {
        loop {
            let until = {
                let state = self.state();
                let timeout = if state.has_begun { idle } else { head };
                // The time counts from the end of the work.
                let since = if state.working > 0 { Instant::now() } else { state.changed };
                since + timeout
            };
            let now = Instant::now();
            if until <= now {
                return;
            }
            // The first request can replace a late deadline by an earlier one.
            tokio::time::sleep_until(until.min(now + idle)).await;
        }
    }
}

/// Work of the server on one response.
pub(super) struct Work {
    activity: Activity,
    is_working: bool,
}

impl Work {
    fn set_working(&mut self, is_working: bool) {
        let mut state = self.activity.state();
        state.changed = Instant::now();
        match (self.is_working, is_working) {
            (false, true) => state.working += 1,
            (true, false) => state.working -= 1,
            _ => {}
        }
        self.is_working = is_working;
    }

    /// Follows a response body: the server works while it produces the next part, and waits for the client from there
    /// until the connection takes another part.
    pub(super) fn follow(mut self, body: Body) -> FollowedBody {
        self.set_working(false);
        FollowedBody { body, work: self }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.set_working(false);
    }
}

/// Response body whose progress is activity.
pub(super) struct FollowedBody {
    body: Body,
    work: Work,
}

impl HttpBody for FollowedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.work.set_working(true);
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.work.set_working(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
