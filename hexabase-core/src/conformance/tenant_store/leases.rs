use std::time::Duration;

use super::setup::{later, populate};
use crate::changeset::Changeset;
use crate::fixture::{self, FIXTURE_TIME, id};
use crate::store::{Lease, TenantStore};

const LEASE_TTL: Duration = Duration::from_secs(10);

async fn acquire(store: &dyn TenantStore, holder: &str, seconds: i64) -> Option<Lease> {
    store.acquire_lease("work", holder, later(seconds), LEASE_TTL).await.unwrap()
}

/// No other holder gets a lease before it has expired or was released.
pub async fn a_lease_excludes_others_until_it_expires(store: &dyn TenantStore) {
    let mine = acquire(store, "ann", 0).await.unwrap();
    assert_eq!((mine.name.as_str(), mine.expires_at), ("work", later(10)));
    assert!(acquire(store, "bob", 9).await.is_none());
    assert!(store.acquire_lease("other work", "bob", FIXTURE_TIME, LEASE_TTL).await.unwrap().is_some());
    assert!(acquire(store, "bob", 10).await.is_some());
    assert!(acquire(store, "ann", 11).await.is_none());
}

/// Tokens increase with every acquisition, also by the same holder and after a release.
pub async fn every_acquisition_of_a_lease_increases_its_token(store: &dyn TenantStore) {
    let first = acquire(store, "ann", 0).await.unwrap();
    let again = acquire(store, "ann", 1).await.unwrap();
    assert!(again.token > first.token);
    store.release_lease(&again).await.unwrap();
    let next = acquire(store, "bob", 2).await.unwrap();
    assert!(next.token > again.token);
}

/// A previous holder can neither extend nor release the lease.
pub async fn a_lost_lease_cannot_be_renewed_or_released(store: &dyn TenantStore) {
    let old = acquire(store, "ann", 0).await.unwrap();
    assert!(store.renew_lease(&old, later(5), LEASE_TTL).await.unwrap());
    assert!(acquire(store, "bob", 14).await.is_none(), "the lease was renewed until 15");
    let new = acquire(store, "bob", 15).await.unwrap();
    assert!(!store.renew_lease(&old, later(16), LEASE_TTL).await.unwrap());
    store.release_lease(&old).await.unwrap();
    assert!(acquire(store, "ann", 16).await.is_none(), "bob still holds it");
    store.release_lease(&new).await.unwrap();
    assert!(acquire(store, "ann", 16).await.is_some());
}

/// Only held leases are listed.
pub async fn held_leases_are_listed_by_name(store: &dyn TenantStore) {
    for (name, at) in [("b", 5), ("a", 0), ("c", 5)] {
        store.acquire_lease(name, "ann", later(at), LEASE_TTL).await.unwrap();
    }
    let names = |at, limit| async move {
        let leases = store.list_leases(later(at), limit).await.unwrap();
        leases.into_iter().map(|lease| lease.name).collect::<Vec<_>>()
    };
    assert_eq!(names(9, 9).await, ["a", "b", "c"]);
    assert_eq!(names(9, 2).await, ["a", "b"]);
    assert_eq!(names(10, 9).await, ["b", "c"]);
    let lease = store.list_leases(later(10), 1).await.unwrap().remove(0);
    assert_eq!(lease.expires_at, later(15));
    store.release_lease(&lease).await.unwrap();
    assert_eq!(names(10, 9).await, ["c"]);
}

/// Fencing: a commit with an old token fails, also after the newer lease was released.
pub async fn a_commit_under_a_lost_lease_is_rejected(store: &dyn TenantStore) {
    populate(store).await;
    let under = |lease: &Lease| Changeset::new().precondition(lease.precondition());
    let old = acquire(store, "ann", 0).await.unwrap();
    store.commit(under(&old).insert(fixture::group("in-time"))).await.unwrap();
    let new = acquire(store, "bob", 20).await.unwrap();
    store.release_lease(&new).await.unwrap();
    let error = store.commit(under(&old).insert(fixture::group("too-late"))).await.unwrap_err();
    assert!(error.is_version_conflict());
    assert_eq!(store.find_group(id("acme"), id("dev"), id("too-late")).await.unwrap(), None);
}

/// Exactly one of many concurrent acquisitions succeeds.
pub async fn of_concurrent_acquisitions_exactly_one_succeeds(store: &dyn TenantStore) {
    let holders: Vec<String> = (0..8).map(|number| format!("racer {number}")).collect();
    let racers = holders.iter().map(|holder| store.acquire_lease("race", holder, FIXTURE_TIME, LEASE_TTL));
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.into_iter().filter_map(Result::unwrap).count(), 1);
}

/// A ping succeeds repeatedly, and leaves no other lease in the list.
pub async fn a_ping_changes_no_lease(store: &dyn TenantStore) {
    let lease = acquire(store, "ann", 0).await.unwrap();
    for _ in 0..2 {
        store.ping().await.unwrap();
    }
    assert_eq!(store.list_leases(later(1), 10).await.unwrap(), std::slice::from_ref(&lease));
    assert!(store.renew_lease(&lease, later(1), LEASE_TTL).await.unwrap());
}
