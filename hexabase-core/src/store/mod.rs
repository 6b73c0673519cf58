//! The system of record.
//!
//! [`TenantStore`] is the sum of small traits, one per area of the domain; implement those. Reads are
//! scoped: whatever is nested takes the ids of its parents, so that a foreign id finds nothing. Everything
//! that changes the domain goes through the one [`Commit::commit`].
//!
//! What all methods have in common:
//!
//! - `find_*` answers `None` for what is missing; `list_*` answers an empty list or page.
//! - A read sees every commit that was acknowledged before it began.
//! - A store that cannot answer fails with [`Unavailable`](crate::ErrorKind::Unavailable).
//!
//! Every sentence under *Behaviour* is a case of `hexabase_core::conformance` (feature `conformance`).

mod access;
mod billing;
mod credentials;
mod hosts;
pub mod memory;
mod organizations;
mod usage;
mod users;
mod work;
mod workspaces;

use std::fmt;

use async_trait::async_trait;

pub use access::AccessStore;
pub use billing::BillingStore;
pub use credentials::CredentialStore;
pub use hosts::HostStore;
pub use memory::MemoryStore;
pub use organizations::OrganizationStore;
pub use usage::{MeteredWorkspace, UsageStore};
pub use users::UserStore;
pub use work::{Lease, WorkStore};
pub use workspaces::WorkspaceStore;

use crate::changeset::{Changeset, IdempotencyRecord};
use crate::error::Result;
use crate::id::UserId;

/// The one way in which the domain changes.
#[async_trait]
pub trait Commit: fmt::Debug + Send + Sync + 'static {
    /// Makes a change, wholly or not at all.
    ///
    /// # Behaviour
    /// - A commit that fails leaves nothing behind.
    /// - Guards are checked against the state before the writes, and stay true until the commit is done.
    /// - Inserting what is there fails with `AlreadyExists` and names the thing.
    /// - Putting replaces what is there, and adds what is not.
    /// - Updating or deleting what is missing fails with `NotFound`.
    /// - Inserting into something missing fails with `NotFound`.
    /// - Of two commits guarded by the same version exactly one succeeds.
    /// - Once acknowledged, a commit survives the death of the process; a store that lives in memory lives
    ///   as long as its process.
    ///
    /// # Errors
    /// - `Conflict` with code `version_conflict` when a guard no longer holds; read and decide again.
    /// - `AlreadyExists` with code `idempotency_key_used` when the reply to this key is there already.
    /// - `AlreadyExists` or `NotFound` as above.
    async fn commit(&self, changeset: Changeset) -> Result<()>;

    /// The reply that a request with this key was given, unless it has expired.
    ///
    /// # Behaviour
    /// - Keys of different users never meet.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_idempotency(
        &self,
        user: UserId,
        key: &str,
        now: jiff::Timestamp,
    ) -> Result<Option<IdempotencyRecord>>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    async fn ping(&self) -> Result<()>;
}

/// The system of record: scoped reads, and one way to change things. Do not implement it; it is there for
/// whatever implements its parts.
pub trait TenantStore:
    Commit
    + UserStore
    + CredentialStore
    + HostStore
    + OrganizationStore
    + WorkspaceStore
    + AccessStore
    + WorkStore
    + BillingStore
    + UsageStore
{
}

impl<S> TenantStore for S where
    S: Commit
        + UserStore
        + CredentialStore
        + HostStore
        + OrganizationStore
        + WorkspaceStore
        + AccessStore
        + WorkStore
        + BillingStore
        + UsageStore
{
}
