//! The system of record.
//!
//! [`TenantStore`] is the sum of small traits, one per area of the domain; a backend implements those. Reads are
//! scoped: a method that reads a nested record takes the ids of its parents, so an id of another tenant finds no
//! record. Every change of the domain goes through [`Commit::commit`].
//!
//! Rules for all methods:
//!
//! - `find_*` returns `None` if the record does not exist; `list_*` returns an empty list or page.
//! - A read sees every commit that was acknowledged before the read began.
//! - If the store does not respond, a method fails with [`Unavailable`](crate::ErrorKind::Unavailable).
//!
//! Every sentence under *Behaviour* is a case of `hexabase_core::conformance` (feature `conformance`).

mod access;
mod alerts;
mod billing;
mod credentials;
mod decorator;
mod events;
mod hosts;
pub mod kv;
mod leases;
mod members;
mod organizations;
mod outbox;
mod plans;
pub(crate) mod rules;
mod sealed;
mod search;
mod usage;
mod users;
mod work;
mod workspaces;

pub use access::AccessStore;
pub use alerts::AlertStore;
pub use billing::BillingStore;
pub use credentials::CredentialStore;
pub use decorator::StoreDecorator;
pub use events::EventStore;
pub use hosts::HostStore;
pub use kv::memory::MemoryStore;
pub use kv::{KeyRange, KeyValueBatch, KeyValueSnapshot, KeyValueStore, KvTenantStore};
pub use leases::{Lease, LeaseStore};
pub use members::MemberStore;
pub use organizations::OrganizationStore;
pub use outbox::OutboxStore;
pub use plans::PlanStore;
pub use sealed::{SealedKind, SealedStore, SealedValue};
pub use search::SearchStore;
pub use usage::{MeteredWorkspace, UsageStore};
pub use users::UserStore;
pub use work::{PhaseCount, PruneCutoffs, WorkStore};
pub use workspaces::{RunningWorkspace, WorkspaceStore};

use crate::changeset::{Changeset, IdempotencyRecord};
use crate::error::Result;
use crate::id::UserId;
use decorator::store_part;

store_part! {
    /// Atomic commits, the only way to change the domain.
    pub trait Commit {
        /// Applies a changeset atomically.
        ///
        /// # Behaviour
        /// - A commit that fails changes nothing.
        /// - Preconditions are checked against the state before the writes, and hold until the commit is done.
        /// - Inserting a record that exists fails with `AlreadyExists`; the message names the kind of the record.
        /// - Putting a record replaces an existing one, and otherwise adds it.
        /// - Updating or deleting a record that does not exist fails with `NotFound`.
        /// - Inserting a record whose owner does not exist, or moving a record to such an owner, fails with `NotFound`.
        /// - An audit event or message whose id exists fails with `AlreadyExists`.
        /// - Of two commits with a precondition on the same version exactly one succeeds.
        /// - An acknowledged commit survives a crash of the process; in a store that lives in memory it lives as long as
        ///   the process.
        ///
        /// # Errors
        /// - `Conflict` with code `version_conflict` if a precondition does not hold; read and decide again.
        /// - `AlreadyExists` with code `idempotency_key_used` if a response to this key is already stored.
        /// - `AlreadyExists` or `NotFound` as listed under *Behaviour*.
        async fn commit(&self, changeset: Changeset) -> Result<()>;

        /// Finds the response that a request with this key received; `None` if it has expired at `now`.
        ///
        /// # Behaviour
        /// - The same key of another user is a different record.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_idempotency(
            &self,
            user: UserId,
            key: &str,
            now: jiff::Timestamp,
        ) -> Result<Option<IdempotencyRecord>>;

        /// Checks that the store accepts writes, by a write that changes nothing that other methods return.
        ///
        /// # Errors
        /// `Unavailable` or `Unexpected` if the store does not respond or rejects writes, as a full or read-only one does.
        async fn ping(&self) -> Result<()>;
    }
}

/// The system of record: scoped reads and atomic commits. Implemented automatically for every type that implements the
/// parts; do not implement it directly.
pub trait TenantStore:
    Commit
    + UserStore
    + CredentialStore
    + HostStore
    + PlanStore
    + SealedStore
    + SearchStore
    + OrganizationStore
    + MemberStore
    + EventStore
    + WorkspaceStore
    + AccessStore
    + AlertStore
    + OutboxStore
    + LeaseStore
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
        + PlanStore
        + SealedStore
        + SearchStore
        + OrganizationStore
        + MemberStore
        + EventStore
        + WorkspaceStore
        + AccessStore
        + AlertStore
        + OutboxStore
        + LeaseStore
        + WorkStore
        + BillingStore
        + UsageStore
{
}
