//! Injected time.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use event_listener::Event;
use jiff::{SignedDuration, Timestamp};

/// Only source of time in the platform.
///
/// Times are whole microseconds, so that they round-trip unchanged through every store.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> Timestamp;

    /// Completes after `duration` has passed on this clock.
    async fn sleep(&self, duration: Duration);
}

/// Truncates a time to whole microseconds, the precision of stores.
#[must_use]
pub fn truncate_to_microseconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment)
}

/// Adds a duration to a time, saturating at [`Timestamp::MAX`].
#[must_use]
pub fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| moment.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

/// Subtracts a duration from a time, saturating at [`Timestamp::MIN`].
#[must_use]
pub fn before(moment: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| moment.checked_sub(duration).ok())
        .unwrap_or(Timestamp::MIN)
}

/// Returns the duration from `now` to `moment`; zero if it has passed.
#[must_use]
pub fn until(now: Timestamp, moment: Timestamp) -> Duration {
    Duration::try_from(moment.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// Returns the last multiple of the step until a time.
pub(crate) fn aligned(now: Timestamp, step: Duration) -> Timestamp {
    let elapsed = until(Timestamp::UNIX_EPOCH, now).as_secs();
    let rest = elapsed.checked_rem(step.as_secs()).unwrap_or(0);
    let seconds = i64::try_from(elapsed - rest).unwrap_or(0);
    Timestamp::from_second(seconds).unwrap_or(now)
}

/// Clock of the operating system. Its `sleep` needs no async runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only source of time")]
    fn now(&self) -> Timestamp {
        truncate_to_microseconds(Timestamp::now())
    }

    async fn sleep(&self, duration: Duration) {
        futures_timer::Delay::new(duration).await;
    }
}

/// Clock that only advances on request, so that tests need not wait.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Timestamp>,
    advanced: Event,
}

impl ManualClock {
    /// Creates a clock that is set to `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { now: Mutex::new(truncate_to_microseconds(now)), advanced: Event::new() }
    }

    /// Advances the clock and completes every sleep whose deadline has passed.
    pub fn advance(&self, duration: Duration) {
        {
            let mut now = self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *now = truncate_to_microseconds(after(*now, duration));
        }
        self.advanced.notify(usize::MAX);
    }
}

impl Default for ManualClock {
    /// Creates a clock that is set to 2026-01-01T00:00:00Z.
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
            let advanced = self.advanced.listen();
            if self.now() >= deadline {
                return;
            }
            advanced.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use futures_util::FutureExt as _;

    #[test]
    fn a_sleep_on_a_manual_clock_completes_at_its_deadline() {
        let clock = ManualClock::default();
        let mut sleep = clock.sleep(Duration::from_secs(60));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(59));
        assert!((&mut sleep).now_or_never().is_none());
        clock.advance(Duration::from_secs(1));
        block_on(sleep);
    }

    #[test]
    fn times_are_whole_microseconds() {
        let now = SystemClock.now();
        assert_eq!(now, truncate_to_microseconds(now));
    }

    #[test]
    fn addition_saturates_at_the_maximum_time() {
        assert_eq!(after(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(after(Timestamp::UNIX_EPOCH, Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn the_duration_until_a_past_time_is_zero() {
        let now = Timestamp::constant(100, 0);
        assert_eq!(until(now, Timestamp::constant(99, 0)), Duration::ZERO);
        assert_eq!(until(now, Timestamp::constant(160, 0)), Duration::from_secs(60));
    }
}
