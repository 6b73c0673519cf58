//! Delays between attempts.

use std::time::Duration;

/// Returns the delay before attempt `failures + 1`. It doubles with each failure up to `max`. `random` selects a value
/// between half of the delay and the full delay, so that operations that failed together are not retried together.
#[must_use]
pub fn delay(failures: u32, initial: Duration, max: Duration, random: u64) -> Duration {
    let doubled =
        1_u32.checked_shl(failures.saturating_sub(1)).and_then(|factor| initial.checked_mul(factor));
    let ceiling = doubled.unwrap_or(max).min(max);
    let half = ceiling / 2;
    let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(if spread == 0 { 0 } else { random % (spread + 1) })
}

/// Returns the polling interval for an operation that has been in progress for `elapsed`: a sixteenth of that time,
/// within bounds. Fast operations are noticed quickly, and slow operations are polled rarely.
#[must_use]
pub fn poll(elapsed: Duration, min: Duration, max: Duration) -> Duration {
    (elapsed / 16).clamp(min, max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INITIAL_DELAY: Duration = Duration::from_millis(100);
    const MAX_DELAY: Duration = Duration::from_secs(300);

    #[test]
    fn the_delay_doubles_up_to_the_maximum() {
        let most = |failures| delay(failures, INITIAL_DELAY, MAX_DELAY, u64::MAX / 2 * 2 - 1).as_millis();
        assert!(most(1) <= 100 && most(2) <= 200 && most(5) <= 1_600);
        assert!(delay(99, INITIAL_DELAY, MAX_DELAY, 7) >= MAX_DELAY / 2);
    }

    proptest! {
        #[test]
        fn every_delay_is_at_least_half_the_initial_delay_and_at_most_the_maximum(failures in 0..200_u32, random: u64) {
            let wait = delay(failures, INITIAL_DELAY, MAX_DELAY, random);
            prop_assert!(wait >= INITIAL_DELAY / 2 && wait <= MAX_DELAY);
        }

        #[test]
        fn polling_intervals_stay_within_their_bounds(milliseconds in 0..10_000_000_u64) {
            let wait = poll(Duration::from_millis(milliseconds), INITIAL_DELAY, MAX_DELAY);
            prop_assert!(wait >= INITIAL_DELAY && wait <= MAX_DELAY);
        }
    }
}
