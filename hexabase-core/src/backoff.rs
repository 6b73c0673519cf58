//! How long to wait before trying again.

use std::time::Duration;

/// The wait before attempt `failures + 1`: it doubles with every failure up to `longest`, and between half
/// of it and all of it is drawn by `random`, so that what failed together does not return together.
#[must_use]
pub fn delay(failures: u32, first: Duration, longest: Duration, random: u64) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).and_then(|factor| first.checked_mul(factor));
    let ceiling = doubled.unwrap_or(longest).min(longest);
    let half = ceiling / 2;
    let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
    half + Duration::from_nanos(if spread == 0 { 0 } else { random % (spread + 1) })
}

/// How long to wait before looking again at something that has been under way for `elapsed`: a sixteenth of
/// that, within bounds. What is quick is noticed quickly, and what is slow is not asked all the time.
#[must_use]
pub fn poll(elapsed: Duration, shortest: Duration, longest: Duration) -> Duration {
    (elapsed / 16).clamp(shortest, longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(300);

    #[test]
    fn the_wait_doubles_and_then_stays() {
        let most = |failures| delay(failures, FIRST, LONGEST, u64::MAX / 2 * 2 - 1).as_millis();
        assert!(most(1) <= 100 && most(2) <= 200 && most(5) <= 1_600);
        assert!(delay(99, FIRST, LONGEST, 7) >= LONGEST / 2);
    }

    proptest! {
        #[test]
        fn every_wait_is_between_half_and_all_of_the_ceiling(failures in 0..200_u32, random: u64) {
            let wait = delay(failures, FIRST, LONGEST, random);
            prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
        }

        #[test]
        fn polling_stays_within_its_bounds(milliseconds in 0..10_000_000_u64) {
            let wait = poll(Duration::from_millis(milliseconds), FIRST, LONGEST);
            prop_assert!(wait >= FIRST && wait <= LONGEST);
        }
    }
}
