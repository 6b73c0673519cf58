//! [`Pruner`] deletes records beyond their retention.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::StopSignal;
use crate::error::Result;
use crate::platform::{Platform, PlatformInner};
use crate::store::PruneCutoffs;

/// Interval between two searches for records beyond their retention.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);
/// Maximum number of records of each kind that one batch deletes, so that no statement locks many rows or runs for long.
const PRUNE_BATCH_SIZE: usize = 500;
/// Pause between two batches, in which other work proceeds.
const BATCH_PAUSE: Duration = Duration::from_millis(200);

/// Deletes records beyond their retention, in small batches and in one worker at a time.
#[derive(Debug)]
pub struct Pruner<'a>(&'a PlatformInner);

impl<'a> Pruner<'a> {
    /// Creates the pruner of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    pub(super) async fn run(&self, stop_signal: &StopSignal) {
        while !stop_signal.is_set() {
            if let Err(error) = self.prune_until(stop_signal).await {
                tracing::warn!(%error, "deleting records beyond their retention failed; repeated later");
            }
            stop_signal.sleep(self.0, PRUNE_INTERVAL).await;
        }
    }

    /// Deletes batches until none is left. Does nothing while another worker does it.
    async fn prune_until(&self, stop_signal: &StopSignal) -> Result<()> {
        let batches = async {
            let mut deleted = 0;
            while !stop_signal.is_set() {
                let count = self.delete_batch().await?;
                if count == 0 {
                    break;
                }
                deleted += count;
                stop_signal.sleep(self.0, BATCH_PAUSE).await;
            }
            Ok(deleted)
        };
        match self.0.with_lease("prune", |_| batches).await? {
            Some(deleted) if deleted > 0 => tracing::info!(deleted, "records beyond their retention deleted"),
            _ => {}
        }
        Ok(())
    }

    /// Deletes one batch, and returns the number of records in it; zero if none is left, or another worker deletes
    /// them. Interruptions are harmless: the next batch continues.
    ///
    /// # Errors
    /// Errors of the store.
    pub async fn prune(&self) -> Result<u64> {
        self.0.with_lease("prune", |_| self.delete_batch()).await.map(Option::unwrap_or_default)
    }

    async fn delete_batch(&self) -> Result<u64> {
        self.0.store.prune(&self.cutoffs(), PRUNE_BATCH_SIZE).await
    }

    fn cutoffs(&self) -> PruneCutoffs {
        let (now, config) = (self.0.now(), &self.0.config);
        PruneCutoffs {
            now,
            events: before(now, config.event_retention),
            security_events: before(now, config.security_event_retention),
            tasks: before(now, config.task_retention),
            audit_events: config.audit_retention.map(|retention| before(now, retention)),
            usage: before(now, config.usage_retention),
        }
    }
}

/// Returns the time `retention` before `now`.
fn before(now: Timestamp, retention: Duration) -> Timestamp {
    let retention = SignedDuration::try_from(retention).unwrap_or(SignedDuration::MAX);
    // Times before 1970 are not stored.
    now.checked_sub(retention).unwrap_or(Timestamp::UNIX_EPOCH).max(Timestamp::UNIX_EPOCH)
}
