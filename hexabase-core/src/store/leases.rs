use std::time::Duration;

use jiff::Timestamp;

use crate::changeset::Precondition;
use crate::error::Result;
use crate::store::decorator::store_part;

/// An exclusive, temporary right to work on something. At any time at most one holder has it, and an earlier holder
/// can no longer commit: see [`Precondition::Lease`](crate::changeset::Precondition::Lease).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Name of the resource that the lease is for.
    pub name: String,
    /// Fencing token; it increases with every acquisition.
    pub token: u64,
    /// Time at which the lease expires unless it is renewed.
    pub expires_at: Timestamp,
}

impl Lease {
    /// The precondition for commits of the holder.
    #[must_use]
    pub fn precondition(&self) -> Precondition {
        Precondition::Lease(self.name.clone(), self.token)
    }
}

store_part! {
    /// Leases.
    pub trait LeaseStore {
        /// Acquires a lease; `None` while another holder has it.
        ///
        /// # Behaviour
        /// - Any holder can acquire a lease that has expired.
        /// - The current holder can acquire the lease again; this increases the token too.
        /// - The tokens of one name always increase, also after a release.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn acquire_lease(
            &self,
            name: &str,
            holder: &str,
            now: Timestamp,
            ttl: Duration,
        ) -> Result<Option<Lease>>;

        /// Extends a lease that still has its token.
        ///
        /// # Behaviour
        /// - Returns `false` and changes nothing if the lease has been acquired again since.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool>;

        /// Releases a lease that still has its token.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn release_lease(&self, lease: &Lease) -> Result<()>;

        /// Lists the leases that are held, ordered by name, at most `limit`.
        ///
        /// # Behaviour
        /// - Leases that were released or have expired at `now` are not included.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>>;
    }
}
