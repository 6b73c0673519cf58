//! Time, injected.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use event_listener::Event;
use jiff::{SignedDuration, Timestamp};

/// The only source of time in the platform.
///
/// Readings are whole microseconds, so that a moment survives a round trip through every store unchanged.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Returns once `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration);
}

/// Cuts a moment down to the whole microseconds that stores keep.
#[must_use]
pub fn whole_microseconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment)
}

/// Adds a duration to a moment, stopping at the end of time instead of failing.
#[must_use]
pub fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| moment.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// How long it is from `now` to `moment`; zero when it has passed.
#[must_use]
pub fn until(now: Timestamp, moment: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// The machine's clock. Sleeping needs no async runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where time enters")]
    fn now(&self) -> Timestamp {
        whole_microseconds(Timestamp::now())
    }

    async fn sleep(&self, duration: Duration) {
        futures_timer::Delay::new(duration).await;
    }
}

/// A clock that moves only when told to: an hour passes in a test in no time.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
    moved: Event,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: Mutex::new(whole_microseconds(now)), moved: Event::new() }
    }

    /// Moves the clock on and wakes every sleeper whose time has come.
    pub fn advance(&self, duration: Duration) {
        {
            let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *now = whole_microseconds(after(*now, duration));
        }
        self.moved.notify(usize::MAX);
    }
}

impl Default for ManualClock {
    /// A clock that stands at 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::new(Timestamp::constant(1_767_225_600, 0))
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn sleep(&self, duration: Duration) {
        let deadline = after(self.now(), duration);
        loop {
            let moved = self.moved.listen();
            if self.now() >= deadline {
                return;
            }
            moved.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use futures_util::FutureExt as _;

    #[test]
    fn a_manual_clock_wakes_a_sleeper_only_when_its_time_has_come() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep(Duration::from_secs(60));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(59));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        block_on(sleep);
    }

    #[test]
    fn readings_are_whole_microseconds() {
        let now = SystemClock.now();
        assert_eq!(now, whole_microseconds(now));
    }

    #[test]
    fn adding_too_much_stops_at_the_end_of_time() {
        assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(after(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn the_time_until_something_past_is_zero() {
        let now = Timestamp::constant(100, 0);
        assert_eq!(until(now, Timestamp::constant(99, 0)), Duration::ZERO);
        assert_eq!(until(now, Timestamp::constant(160, 0)), Duration::from_secs(60));
    }
}
