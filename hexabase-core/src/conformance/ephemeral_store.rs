//! Conformance suite for [`EphemeralStore`].
//!
//! Most implementations use real time, so the cases use short TTLs and wait for them to pass.

use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::ephemeral::{EphemeralStore, Rate};

const LONG_TTL: Duration = Duration::from_secs(60);
const SHORT_TTL: Duration = Duration::from_millis(80);

/// Defines one test per case for an [`EphemeralStore`](crate::ephemeral::EphemeralStore). See the
/// [module](crate::conformance) for the value of the expression.
#[macro_export]
macro_rules! ephemeral_store_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            ephemeral_store,
            $make,
            [
                a_value_expires_after_its_ttl,
                put_replaces_an_existing_value,
                put_if_absent_keeps_an_existing_value,
                of_concurrent_put_if_absent_calls_exactly_one_succeeds,
                compare_and_set_requires_the_expected_value,
                of_concurrent_compare_and_set_calls_exactly_one_succeeds,
                of_concurrent_take_calls_exactly_one_returns_the_value,
                keys_are_independent_of_each_other,
                a_ping_leaves_stored_values_unchanged,
                a_visible_marker_is_reported_at_once,
                a_visible_marker_expires_after_its_ttl,
                a_bucket_allows_its_burst_and_then_returns_the_wait,
                a_bucket_of_maximum_size_works,
                a_bucket_refills_evenly,
            ]
        );
    };
}

/// Waits until a condition holds, for at most about five seconds.
async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        SystemClock.sleep(Duration::from_millis(10)).await;
    }
    unreachable!("timed out waiting for the condition");
}

async fn get(store: &dyn EphemeralStore, key: &str) -> Option<Vec<u8>> {
    store.get(key).await.unwrap()
}

/// A value is available at once, and absent after its TTL.
pub async fn a_value_expires_after_its_ttl(store: &dyn EphemeralStore) {
    store.ping().await.unwrap();
    store.put("short", b"\0\xff", SHORT_TTL).await.unwrap();
    store.put("long", b"x", LONG_TTL).await.unwrap();
    assert_eq!(get(store, "short").await, Some(b"\0\xff".to_vec()));
    eventually(|| async { get(store, "short").await.is_none() }).await;
    assert_eq!(get(store, "long").await, Some(b"x".to_vec()));
    assert!(
        store.put_if_absent("short", b"y", LONG_TTL).await.unwrap(),
        "an expired value must count as absent"
    );
    assert_eq!(store.take("never").await.unwrap(), None);
}

/// The new value and its TTL replace the old ones.
pub async fn put_replaces_an_existing_value(store: &dyn EphemeralStore) {
    store.put("key", b"old", SHORT_TTL).await.unwrap();
    store.put("key", b"new", LONG_TTL).await.unwrap();
    store.put("marker", b"x", SHORT_TTL).await.unwrap();
    eventually(|| async { get(store, "marker").await.is_none() }).await;
    assert_eq!(get(store, "key").await, Some(b"new".to_vec()));
}

/// An existing value is not replaced.
pub async fn put_if_absent_keeps_an_existing_value(store: &dyn EphemeralStore) {
    assert!(store.put_if_absent("key", b"first", LONG_TTL).await.unwrap());
    assert!(!store.put_if_absent("key", b"second", LONG_TTL).await.unwrap());
    assert_eq!(get(store, "key").await, Some(b"first".to_vec()));
}

/// Exactly one of many concurrent calls succeeds.
pub async fn of_concurrent_put_if_absent_calls_exactly_one_succeeds(store: &dyn EphemeralStore) {
    let racers = (0..16_u8)
        .map(|number| async move { store.put_if_absent("key", &[number], LONG_TTL).await.unwrap() });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
}

/// Only the expected value is replaced.
pub async fn compare_and_set_requires_the_expected_value(store: &dyn EphemeralStore) {
    assert!(
        !store.compare_and_set("key", b"old", b"new", LONG_TTL).await.unwrap(),
        "an absent value must not match"
    );
    store.put("key", b"old", LONG_TTL).await.unwrap();
    assert!(!store.compare_and_set("key", b"other", b"new", LONG_TTL).await.unwrap());
    assert!(store.compare_and_set("key", b"old", b"new", LONG_TTL).await.unwrap());
    assert_eq!(get(store, "key").await, Some(b"new".to_vec()));
}

/// Exactly one of many concurrent calls with the same expected value succeeds.
pub async fn of_concurrent_compare_and_set_calls_exactly_one_succeeds(store: &dyn EphemeralStore) {
    store.put("key", b"old", LONG_TTL).await.unwrap();
    let racers = (0..16_u8).map(|number| async move {
        store.compare_and_set("key", b"old", &[number], LONG_TTL).await.unwrap()
    });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
}

/// Exactly one of many concurrent calls returns the value, which is absent afterwards.
pub async fn of_concurrent_take_calls_exactly_one_returns_the_value(store: &dyn EphemeralStore) {
    store.put("key", b"x", LONG_TTL).await.unwrap();
    let outcomes = futures_util::future::join_all((0..16).map(|_| store.take("key"))).await;
    assert_eq!(outcomes.into_iter().filter_map(Result::unwrap).count(), 1);
    assert_eq!(get(store, "key").await, None);
}

/// Values and buckets under other keys stay unchanged.
pub async fn keys_are_independent_of_each_other(store: &dyn EphemeralStore) {
    store.put("a", b"1", LONG_TTL).await.unwrap();
    store.put("a:b", b"2", LONG_TTL).await.unwrap();
    let rate = Rate { burst: 1, period: LONG_TTL };
    assert!(store.take_token("a", rate).await.unwrap().allowed, "a bucket may have the same name as a value");
    assert_eq!(store.take("a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(get(store, "a:b").await, Some(b"2".to_vec()));
    assert!(store.take_token("b", rate).await.unwrap().allowed);
    assert!(!store.take_token("a", rate).await.unwrap().allowed);
}

/// A ping succeeds repeatedly, and changes neither values nor buckets.
pub async fn a_ping_leaves_stored_values_unchanged(store: &dyn EphemeralStore) {
    let rate = Rate { burst: 1, period: LONG_TTL };
    store.put("key", b"1", LONG_TTL).await.unwrap();
    store.take_token("ping", rate).await.unwrap();
    for _ in 0..2 {
        store.ping().await.unwrap();
    }
    assert_eq!(get(store, "key").await, Some(b"1".to_vec()));
    assert!(!store.take_token("ping", rate).await.unwrap().allowed);
}

/// A marker is reported for its own key only, for keys in one hash-tag group and in several.
pub async fn a_visible_marker_is_reported_at_once(store: &dyn EphemeralStore) {
    for [first, second] in [["group/a", "group/b"], ["other/a", "another/a"], ["plain", "also plain"]] {
        let known = async || store.contains_cached(first, second).await.unwrap();
        assert_eq!(known().await, [false, false]);
        store.put_visible(&[first.to_owned()], LONG_TTL).await.unwrap();
        assert_eq!(known().await, [true, false]);
        assert_eq!(store.contains_cached(second, first).await.unwrap(), [false, true]);
        store.put_visible(&[first.to_owned(), second.to_owned()], LONG_TTL).await.unwrap();
        assert_eq!(known().await, [true, true]);
    }
    store.put_visible(&[], LONG_TTL).await.unwrap();
}

/// A marker is absent after its TTL.
pub async fn a_visible_marker_expires_after_its_ttl(store: &dyn EphemeralStore) {
    store.put_visible(&["key".to_owned()], SHORT_TTL).await.unwrap();
    eventually(|| async { store.contains_cached("key", "other").await.unwrap() == [false, false] }).await;
}

/// A full bucket gives its burst; an empty one returns the time until the next token.
pub async fn a_bucket_allows_its_burst_and_then_returns_the_wait(store: &dyn EphemeralStore) {
    let rate = Rate { burst: 3, period: LONG_TTL };
    let mut left = Vec::new();
    for _ in 0..3 {
        let allowance = store.take_token("bucket", rate).await.unwrap();
        assert!(allowance.allowed);
        left.push(allowance.remaining);
    }
    assert_eq!(left, [2, 1, 0]);
    let refused = store.take_token("bucket", rate).await.unwrap();
    assert_eq!((refused.allowed, refused.remaining), (false, 0));
    let wait = refused.retry_after;
    assert!(
        wait > Duration::from_secs(15) && wait <= Duration::from_secs(20),
        "the wait must be about a third of the period, was {wait:?}"
    );
    assert!(refused.reset_after > Duration::from_secs(55) && refused.reset_after <= LONG_TTL);
}

/// A bucket whose refill time per token rounds to zero works like any other.
pub async fn a_bucket_of_maximum_size_works(store: &dyn EphemeralStore) {
    for _ in 0..3 {
        let rate = Rate { burst: u32::MAX, period: LONG_TTL };
        assert!(store.take_token("bucket", rate).await.unwrap().allowed);
    }
}

/// A token is available again after a fraction of the period.
pub async fn a_bucket_refills_evenly(store: &dyn EphemeralStore) {
    let rate = Rate { burst: 2, period: Duration::from_millis(600) };
    for _ in 0..2 {
        assert!(store.take_token("bucket", rate).await.unwrap().allowed);
    }
    let refused = store.take_token("bucket", rate).await.unwrap();
    assert!(!refused.allowed);
    SystemClock.sleep(refused.retry_after).await;
    eventually(|| async { store.take_token("bucket", rate).await.unwrap().allowed }).await;
}
