//! Per-organization commit locks, which reduce version conflicts between concurrent changes.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::pin;
use std::time::Duration;

use async_lock::{Mutex, MutexGuard};
use futures_util::future::{Either, select};

use crate::changeset::{Changeset, Precondition};
use crate::clock::Clock;

/// Number of locks. Organizations that share one occasionally wait for each other's commits.
const STRIPES: usize = 64;
/// Maximum wait for a commit lock; the caller then retries without it. The holder may itself be waiting, even for the
/// caller. Correctness does not depend on the lock.
const LOCK_WAIT_TIMEOUT: Duration = Duration::from_secs(1);

/// Locks for callers whose commit failed with a version conflict, so that they do not conflict with each other again.
///
/// The locks do not extend to other replicas: there are few replicas, and each has at most one retry per lock at a
/// time.
#[derive(Debug)]
pub(super) struct CommitLocks([Mutex<()>; STRIPES]);

impl CommitLocks {
    pub(super) const fn new() -> Self {
        Self([const { Mutex::new(()) }; STRIPES])
    }

    /// Returns the lock for the object whose version `changeset` checks. All changes inside one organization share a
    /// lock.
    pub(super) fn lock_for(&self, changeset: &Changeset) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        match changeset.preconditions.first() {
            Some(
                Precondition::Organization(organization, _)
                | Precondition::BillingAccount(organization, _)
                | Precondition::Workspace(organization, ..)
                | Precondition::Member(organization, _),
            ) => organization.hash(&mut hasher),
            Some(Precondition::User(user, _)) => user.hash(&mut hasher),
            Some(Precondition::Session(session, _)) => session.hash(&mut hasher),
            Some(Precondition::Host(name, _)) => name.hash(&mut hasher),
            Some(Precondition::Lease(name, _)) => name.hash(&mut hasher),
            Some(Precondition::Plans(_) | Precondition::PlanUnused(..)) | None => {}
        }
        &self.0[usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or_default()]
    }
}

/// Acquires a lock, which is released on drop. Returns `None` after [`LOCK_WAIT_TIMEOUT`].
pub(super) async fn acquire<'a>(lock: &'a Mutex<()>, clock: &dyn Clock) -> Option<MutexGuard<'a, ()>> {
    match select(pin!(lock.lock()), clock.sleep(LOCK_WAIT_TIMEOUT)).await {
        Either::Left((held_lock, _)) => Some(held_lock),
        Either::Right(((), _)) => None,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::ManualClock;
    use crate::fixture;
    use crate::version::Version;

    #[test]
    fn changes_of_one_organization_share_one_lock() {
        let locks = CommitLocks::new();
        let workspace = fixture::workspace("shop");
        let of = |precondition| locks.lock_for(&Changeset::new().precondition(precondition));
        let organization = of(Precondition::Organization(workspace.organization_id, Version::FIRST));
        let shop = of(Precondition::Workspace(workspace.organization_id, workspace.id, Version::FIRST));
        assert!(std::ptr::eq(organization, shop));
    }

    #[test]
    fn acquire_gives_up_after_the_timeout() {
        let (lock, clock) = (Mutex::new(()), ManualClock::new(fixture::FIXTURE_TIME));
        let held_lock = acquire(&lock, &clock).now_or_never().flatten();
        assert!(held_lock.is_some());
        let mut second = pin!(acquire(&lock, &clock));
        assert!(second.as_mut().now_or_never().is_none());
        clock.advance(LOCK_WAIT_TIMEOUT);
        assert!(second.now_or_never().is_some_and(|held_lock| held_lock.is_none()));
        drop(held_lock);
        assert!(acquire(&lock, &clock).now_or_never().flatten().is_some());
    }
}
