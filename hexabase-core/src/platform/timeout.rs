//! Time limits of requests to monitoring systems.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::PlatformInner;
use crate::error::{Error, Result, Retry};

impl PlatformInner {
    /// Runs a request to another system, such as "the metrics source prometheus".
    ///
    /// # Errors
    /// Errors of the request, and `Unavailable` with the system's name and a remedy if it takes longer than the timeout.
    pub(super) async fn in_time<T>(
        &self,
        (system, remedy): (&str, &str),
        timeout: Duration,
        request: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        match select(pin!(request), self.clock.sleep(timeout)).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let message =
                    format!("{system} did not respond within {} seconds; {remedy}", timeout.as_secs());
                Err(Error::unavailable(message).with_retry(Retry::After(timeout)))
            }
        }
    }
}
