//! Leases: runs work under a lease of the store, and renews the lease meanwhile.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use futures_util::{FutureExt as _, pin_mut, select_biased};
use jiff::Timestamp;

use crate::clock::after;
use crate::error::{Error, Result};
use crate::id_source::IdSourceExt as _;
use crate::platform::PlatformInner;
use crate::store::Lease;
use crate::telemetry;

/// Lifetime of a lease without renewal, and so the longest time that a workspace waits after its worker died.
const LEASE_TTL: Duration = Duration::from_secs(10);
const LEASE_RENEW_INTERVAL: Duration = Duration::from_secs(3);

impl PlatformInner {
    /// Runs `work` while holding the lease `name`, and renews the lease until the work ends. Returns `None` if another
    /// holder has the lease. If the lease is lost meanwhile, the work is dropped where it is: its commits would fail
    /// anyway.
    pub(super) async fn with_lease<T, F>(
        &self,
        name: &str,
        work: impl FnOnce(Lease) -> F + Send,
    ) -> Result<Option<T>>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        // Each acquisition has its own holder id: two reconciles of one process must not share a lease.
        let holder = format!("{:032x}", u128::from_be_bytes(self.ids.bytes()));
        let acquired_at = self.now();
        let Some(lease) = self.store.acquire_lease(name, &holder, acquired_at, LEASE_TTL).await? else {
            return Ok(None);
        };
        let outcome = {
            let valid_until = Mutex::new(after(acquired_at, LEASE_TTL));
            let work = work(lease.clone());
            pin_mut!(work);
            // After a pause that was longer than the lease, the work is not polled until it is known whether another
            // holder has acquired the lease: lease preconditions protect commits, but not calls to the host cluster.
            let work = poll_fn(|context| match self.now() < *lock(&valid_until) {
                true => work.as_mut().poll(context),
                false => Poll::Pending,
            });
            let (mut work, lost) = (work.fuse(), self.renew(&lease, &valid_until).fuse());
            pin_mut!(lost);
            // The renewal is polled first, so that the work continues in the poll in which the renewal succeeds.
            select_biased! {
                error = lost => Err(error),
                outcome = work => outcome,
            }
        };
        if let Err(error) = self.store.release_lease(&lease).await {
            tracing::debug!(%error, lease = name, "releasing lease failed; it expires by itself");
        }
        outcome.map(Some)
    }

    /// Renews a lease until that fails, and returns the error.
    async fn renew(&self, lease: &Lease, valid_until: &Mutex<Timestamp>) -> Error {
        loop {
            self.clock.sleep(LEASE_RENEW_INTERVAL).await;
            let renewed_at = self.now();
            match self.store.renew_lease(lease, renewed_at, LEASE_TTL).await {
                Ok(true) => *lock(valid_until) = after(renewed_at, LEASE_TTL),
                Ok(false) => {
                    telemetry::record_lost_lease();
                    return Error::version_conflict("lease").with("lease", &lease.name);
                }
                Err(error) => return error,
            }
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
