use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use futures_util::{FutureExt as _, pin_mut, select_biased};
use jiff::Timestamp;

use crate::clock::after;
use crate::error::{Error, Result};
use crate::id_source::IdSourceExt as _;
use crate::platform::Parts;
use crate::store::Lease;

/// How long a lease lasts without being renewed: so long does a workspace wait when its worker dies.
const TTL: Duration = Duration::from_secs(10);
const RENEW_AFTER: Duration = Duration::from_secs(3);

impl Parts {
    /// Does `work` while holding the lease on `name`, renewing it as long as that takes. Answers `None`
    /// when somebody else holds it. When the lease is lost on the way, the work is dropped where it stands;
    /// it could not commit any more anyway.
    pub(super) async fn with_lease<T, F>(
        &self,
        name: &str,
        work: impl FnOnce(Lease) -> F + Send,
    ) -> Result<Option<T>>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        // Every acquisition has a holder of its own: two looks of one process must not share a lease.
        let holder = format!("{:032x}", u128::from_be_bytes(self.ids.bytes()));
        let acquired_at = self.now();
        let Some(lease) = self.store.acquire_lease(name, &holder, acquired_at, TTL).await? else {
            return Ok(None);
        };
        let outcome = {
            let ours_until = Mutex::new(after(acquired_at, TTL));
            let work = work(lease.clone());
            pin_mut!(work);
            // Whoever wakes up after a pause that was longer than the lease does nothing until it is known whether
            // somebody else has it by now: not to the cluster either, which knows no leases.
            let work = poll_fn(|context| match self.now() < *lock(&ours_until) {
                true => work.as_mut().poll(context),
                false => Poll::Pending,
            });
            let (mut work, lost) = (work.fuse(), self.renew(&lease, &ours_until).fuse());
            pin_mut!(lost);
            // The renewal comes first, so that work goes on in the same turn in which it succeeds.
            select_biased! {
                error = lost => Err(error),
                outcome = work => outcome,
            }
        };
        if let Err(error) = self.store.release_lease(&lease).await {
            tracing::debug!(%error, lease = name, "a lease was not released; it runs out by itself");
        }
        outcome.map(Some)
    }

    /// Renews a lease until that fails, and says why it did.
    async fn renew(&self, lease: &Lease, ours_until: &Mutex<Timestamp>) -> Error {
        loop {
            self.clock.sleep(RENEW_AFTER).await;
            let renewed_at = self.now();
            match self.store.renew_lease(lease, renewed_at, TTL).await {
                Ok(true) => *lock(ours_until) = after(renewed_at, TTL),
                Ok(false) => return Error::version_conflict("lease").with("lease", &lease.name),
                Err(error) => return error,
            }
        }
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
