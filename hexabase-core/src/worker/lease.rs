use std::time::Duration;

use futures_util::{FutureExt as _, pin_mut, select_biased};

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
        let Some(lease) = self.store.acquire_lease(name, &holder, self.now(), TTL).await? else {
            return Ok(None);
        };
        let outcome = {
            let (work, lost) = (work(lease.clone()).fuse(), self.renew(&lease).fuse());
            pin_mut!(work, lost);
            select_biased! {
                outcome = work => outcome,
                error = lost => Err(error),
            }
        };
        if let Err(error) = self.store.release_lease(&lease).await {
            tracing::debug!(%error, lease = name, "a lease was not released; it runs out by itself");
        }
        outcome.map(Some)
    }

    /// Renews a lease until that fails, and says why it did.
    async fn renew(&self, lease: &Lease) -> Error {
        loop {
            self.clock.sleep(RENEW_AFTER).await;
            match self.store.renew_lease(lease, self.now(), TTL).await {
                Ok(true) => {}
                Ok(false) => return Error::version_conflict("lease").with("lease", &lease.name),
                Err(error) => return error,
            }
        }
    }
}
