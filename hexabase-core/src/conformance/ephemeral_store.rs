//! What every [`EphemeralStore`] must do.
//!
//! Time is real for most implementations, so the cases use short lives and wait for them to end.

use std::time::Duration;

use crate::clock::{Clock as _, SystemClock};
use crate::ephemeral::{EphemeralStore, Rate};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(80);

/// Makes one test per case for an [`EphemeralStore`](crate::ephemeral::EphemeralStore). See the
/// [module](crate::conformance) for what the expression answers.
#[macro_export]
macro_rules! ephemeral_store_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            ephemeral_store,
            $make,
            [
                a_value_is_there_until_its_time_is_over,
                putting_replaces_what_was_there,
                putting_if_absent_leaves_what_was_there,
                of_two_that_put_if_absent_exactly_one_succeeds,
                comparing_sets_only_what_was_expected,
                of_two_that_compare_and_set_exactly_one_succeeds,
                of_two_that_take_exactly_one_gets_it,
                keys_do_not_touch_each_other,
                what_is_announced_is_known_from_then_on,
                what_is_announced_has_an_end,
                a_bucket_gives_its_burst_and_then_says_how_long_to_wait,
                a_bucket_may_be_as_large_as_can_be,
                a_bucket_refills_evenly,
            ]
        );
    };
}

/// Waits until a condition holds, for at most a few seconds.
async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    for _ in 0..500 {
        if condition().await {
            return;
        }
        SystemClock.sleep(Duration::from_millis(10)).await;
    }
    unreachable!("the condition never came true");
}

async fn get(store: &dyn EphemeralStore, key: &str) -> Option<Vec<u8>> {
    store.get(key).await.unwrap()
}

/// A value is there at once, and gone after its time.
pub async fn a_value_is_there_until_its_time_is_over(store: &dyn EphemeralStore) {
    store.ping().await.unwrap();
    store.put("short", b"\0\xff", SHORT).await.unwrap();
    store.put("long", b"x", LONG).await.unwrap();
    assert_eq!(get(store, "short").await, Some(b"\0\xff".to_vec()));
    eventually(|| async { get(store, "short").await.is_none() }).await;
    assert_eq!(get(store, "long").await, Some(b"x".to_vec()));
    assert!(store.put_if_absent("short", b"y", LONG).await.unwrap(), "what has expired is not in the way");
    assert_eq!(store.take("never").await.unwrap(), None);
}

/// The newer value counts, and lives as long as it says.
pub async fn putting_replaces_what_was_there(store: &dyn EphemeralStore) {
    store.put("key", b"old", SHORT).await.unwrap();
    store.put("key", b"new", LONG).await.unwrap();
    store.put("marker", b"x", SHORT).await.unwrap();
    eventually(|| async { get(store, "marker").await.is_none() }).await;
    assert_eq!(get(store, "key").await, Some(b"new".to_vec()));
}

/// A value that is there stays.
pub async fn putting_if_absent_leaves_what_was_there(store: &dyn EphemeralStore) {
    assert!(store.put_if_absent("key", b"first", LONG).await.unwrap());
    assert!(!store.put_if_absent("key", b"second", LONG).await.unwrap());
    assert_eq!(get(store, "key").await, Some(b"first".to_vec()));
}

/// Of many at once exactly one succeeds.
pub async fn of_two_that_put_if_absent_exactly_one_succeeds(store: &dyn EphemeralStore) {
    let racers =
        (0..16_u8).map(|number| async move { store.put_if_absent("key", &[number], LONG).await.unwrap() });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
}

/// Only what was expected is replaced.
pub async fn comparing_sets_only_what_was_expected(store: &dyn EphemeralStore) {
    assert!(!store.compare_and_set("key", b"old", b"new", LONG).await.unwrap(), "there is nothing");
    store.put("key", b"old", LONG).await.unwrap();
    assert!(!store.compare_and_set("key", b"other", b"new", LONG).await.unwrap());
    assert!(store.compare_and_set("key", b"old", b"new", LONG).await.unwrap());
    assert_eq!(get(store, "key").await, Some(b"new".to_vec()));
}

/// Of many with the same expectation exactly one succeeds.
pub async fn of_two_that_compare_and_set_exactly_one_succeeds(store: &dyn EphemeralStore) {
    store.put("key", b"old", LONG).await.unwrap();
    let racers = (0..16_u8)
        .map(|number| async move { store.compare_and_set("key", b"old", &[number], LONG).await.unwrap() });
    let outcomes = futures_util::future::join_all(racers).await;
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1);
}

/// Of many that take exactly one gets the value, and then it is gone.
pub async fn of_two_that_take_exactly_one_gets_it(store: &dyn EphemeralStore) {
    store.put("key", b"x", LONG).await.unwrap();
    let outcomes = futures_util::future::join_all((0..16).map(|_| store.take("key"))).await;
    assert_eq!(outcomes.into_iter().filter_map(Result::unwrap).count(), 1);
    assert_eq!(get(store, "key").await, None);
}

/// Values and buckets under other keys stay as they are.
pub async fn keys_do_not_touch_each_other(store: &dyn EphemeralStore) {
    store.put("a", b"1", LONG).await.unwrap();
    store.put("a:b", b"2", LONG).await.unwrap();
    let rate = Rate { burst: 1, period: LONG };
    assert!(store.take_token("a", rate).await.unwrap().allowed, "a bucket may be called like a value");
    assert_eq!(store.take("a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(get(store, "a:b").await, Some(b"2".to_vec()));
    assert!(store.take_token("b", rate).await.unwrap().allowed);
    assert!(!store.take_token("a", rate).await.unwrap().allowed);
}

/// Which of two keys was announced, and which was not, can be told apart; on one shelf and on several.
pub async fn what_is_announced_is_known_from_then_on(store: &dyn EphemeralStore) {
    for [first, second] in [["shelf/a", "shelf/b"], ["other/a", "another/a"], ["plain", "also plain"]] {
        let known = async || store.are_announced([first, second]).await.unwrap();
        assert_eq!(known().await, [false, false]);
        store.announce(&[first.to_owned()], LONG).await.unwrap();
        assert_eq!(known().await, [true, false]);
        assert_eq!(store.are_announced([second, first]).await.unwrap(), [false, true]);
        store.announce(&[first.to_owned(), second.to_owned()], LONG).await.unwrap();
        assert_eq!(known().await, [true, true]);
    }
    store.announce(&[], LONG).await.unwrap();
}

/// What was announced is forgotten in time.
pub async fn what_is_announced_has_an_end(store: &dyn EphemeralStore) {
    store.announce(&["key".to_owned()], SHORT).await.unwrap();
    eventually(|| async { store.are_announced(["key", "other"]).await.unwrap() == [false, false] }).await;
}

/// A full bucket gives what it holds, and an empty one says when to come back.
pub async fn a_bucket_gives_its_burst_and_then_says_how_long_to_wait(store: &dyn EphemeralStore) {
    let rate = Rate { burst: 3, period: LONG };
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
        "a third of the period: {wait:?}"
    );
    assert!(refused.reset_after > Duration::from_secs(55) && refused.reset_after <= LONG);
}

/// A bucket so large that a token takes no time to come back is a bucket like any other.
pub async fn a_bucket_may_be_as_large_as_can_be(store: &dyn EphemeralStore) {
    for _ in 0..3 {
        let rate = Rate { burst: u32::MAX, period: LONG };
        assert!(store.take_token("bucket", rate).await.unwrap().allowed);
    }
}

/// A token comes back after a fraction of the period.
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
