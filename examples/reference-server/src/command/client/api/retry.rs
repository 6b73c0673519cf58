//! Repetition of requests that the server cannot process now.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Maximum number of attempts of a request.
const MAX_ATTEMPTS: u32 = 5;
/// Delay before the second attempt without `Retry-After`; it doubles after each attempt.
const BASE_DELAY: Duration = Duration::from_millis(500);
/// Longest delay before an attempt. If the server asks for a longer one, the request fails at once.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// Returns the delay before the next attempt after a number of earlier ones; `None` if the request is not repeated.
pub(super) fn delay(status: StatusCode, retry_after: Option<Duration>, attempt: u32) -> Option<Duration> {
    let is_temporary = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    if !is_temporary || attempt + 1 >= MAX_ATTEMPTS {
        return None;
    }
    let delay = retry_after.unwrap_or_else(|| BASE_DELAY.saturating_mul(1 << attempt));
    (delay <= MAX_DELAY).then_some(delay)
}

/// Returns the value of `Retry-After` in seconds.
pub(super) fn parse_retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_temporary_errors_are_repeated_and_only_a_few_times() {
        let limited = StatusCode::TOO_MANY_REQUESTS;
        let seconds = Duration::from_secs;
        for (status, retry_after, attempt, expected) in [
            (limited, Some(seconds(3)), 0, Some(seconds(3))),
            (StatusCode::SERVICE_UNAVAILABLE, Some(seconds(0)), 3, Some(seconds(0))),
            (limited, Some(seconds(3)), 4, None),
            (limited, Some(seconds(31)), 0, None),
            (limited, None, 0, Some(Duration::from_millis(500))),
            (limited, None, 2, Some(seconds(2))),
            (StatusCode::CONFLICT, Some(seconds(1)), 0, None),
            (StatusCode::INTERNAL_SERVER_ERROR, None, 0, None),
        ] {
            assert_eq!(delay(status, retry_after, attempt), expected, "{status} {retry_after:?} {attempt}");
        }
    }
}
