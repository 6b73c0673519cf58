//! Conformance suite for [`KeyValueStore`].

use crate::store::{KeyRange, KeyValueBatch, KeyValueStore};

/// Defines one test per case for a [`KeyValueStore`]. See the [module](crate::conformance) for the value of the
/// expression.
#[macro_export]
macro_rules! key_value_store_conformance {
    ($make:expr) => {
        $crate::__conformance_tests!(
            key_value_store,
            $make,
            [
                a_written_value_is_read_unchanged,
                a_removed_key_is_absent,
                a_batch_whose_checks_hold_is_written,
                a_check_of_a_stale_value_is_rejected,
                a_check_of_a_key_that_must_be_absent_is_rejected,
                a_rejected_batch_writes_nothing,
                of_concurrent_batches_with_the_same_check_one_is_written,
                a_snapshot_does_not_see_later_batches,
                keys_are_ordered_as_unsigned_bytes,
                a_range_contains_its_first_key_and_not_its_end,
                a_scan_returns_the_first_entries_up_to_its_limit,
                a_descending_scan_returns_the_last_entries_up_to_its_limit,
            ]
        );
    };
}

type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

fn batch(checks: &[Entry<'_>], writes: &[Entry<'_>]) -> KeyValueBatch {
    let owned = |entries: &[Entry<'_>]| {
        entries.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
    };
    KeyValueBatch { checks: owned(checks), writes: owned(writes) }
}

async fn write(store: &dyn KeyValueStore, writes: &[Entry<'_>]) {
    assert!(store.commit(batch(&[], writes)).await.unwrap(), "a batch without checks is written");
}

async fn read(store: &dyn KeyValueStore, key: &[u8]) -> Option<Vec<u8>> {
    store.snapshot().await.unwrap().get(key).await.unwrap()
}

/// Returns the keys of a range.
async fn keys(store: &dyn KeyValueStore, range: &KeyRange) -> Vec<Vec<u8>> {
    let entries = store.snapshot().await.unwrap().scan(range).await.unwrap();
    entries.into_iter().map(|(key, _)| key).collect()
}

fn range(from: &[u8], until: &[u8]) -> KeyRange {
    KeyRange { from: from.to_vec(), until: until.to_vec(), descending: false, limit: 99 }
}

/// A range that contains all keys of the cases.
fn all() -> KeyRange {
    range(&[], &[0xff; 9])
}

/// Values have any bytes, none, or some hundred kilobytes.
pub async fn a_written_value_is_read_unchanged(store: &dyn KeyValueStore) {
    let large = vec![7; 300_000];
    write(store, &[(b"empty", Some(b"")), (b"bytes", Some(&[0, 0xff, 0x80])), (b"large", Some(&large))])
        .await;
    assert_eq!(read(store, b"empty").await, Some(Vec::new()));
    assert_eq!(read(store, b"bytes").await, Some(vec![0, 0xff, 0x80]));
    assert_eq!(read(store, b"large").await, Some(large));
    assert_eq!(read(store, b"other").await, None);
    write(store, &[(b"bytes", Some(b"new"))]).await;
    assert_eq!(read(store, b"bytes").await.as_deref(), Some(&b"new"[..]));
}

/// A removed key need not exist.
pub async fn a_removed_key_is_absent(store: &dyn KeyValueStore) {
    write(store, &[(b"a", Some(b"1")), (b"b", Some(b"2"))]).await;
    write(store, &[(b"a", None), (b"never", None)]).await;
    assert_eq!(read(store, b"a").await, None);
    assert_eq!(keys(store, &all()).await, [b"b"]);
}

/// Checks are compared with the state before the writes of the batch.
pub async fn a_batch_whose_checks_hold_is_written(store: &dyn KeyValueStore) {
    write(store, &[(b"a", Some(b"1"))]).await;
    let next = batch(&[(b"a", Some(b"1")), (b"b", None)], &[(b"a", None), (b"b", Some(b"2"))]);
    assert!(store.commit(next).await.unwrap());
    assert_eq!((read(store, b"a").await, read(store, b"b").await), (None, Some(b"2".to_vec())));
    assert!(store.commit(KeyValueBatch::default()).await.unwrap(), "an empty batch has no effect");
}

/// A check holds only for the present value: neither for an earlier one, nor for one of a key that was removed or
/// never existed, nor for one that begins with it.
pub async fn a_check_of_a_stale_value_is_rejected(store: &dyn KeyValueStore) {
    write(store, &[(b"a", Some(b"1")), (b"gone", Some(b"1"))]).await;
    write(store, &[(b"a", Some(b"12")), (b"gone", None)]).await;
    for stale in [(&b"a"[..], &b"1"[..]), (b"a", b""), (b"a", b"123"), (b"gone", b"1"), (b"never", b"")] {
        let change = batch(&[(b"a", Some(b"12")), (stale.0, Some(stale.1))], &[(b"b", Some(b"2"))]);
        assert!(!store.commit(change).await.unwrap(), "{stale:?}");
    }
}

/// A key that must be absent must not exist, not even with an empty value.
pub async fn a_check_of_a_key_that_must_be_absent_is_rejected(store: &dyn KeyValueStore) {
    write(store, &[(b"a", Some(b"1")), (b"empty", Some(b""))]).await;
    for key in [&b"a"[..], b"empty"] {
        assert!(!store.commit(batch(&[(key, None)], &[(key, Some(b"2"))])).await.unwrap(), "{key:?}");
    }
}

/// One check that does not hold rejects all writes, also those of keys that the batch does not check.
pub async fn a_rejected_batch_writes_nothing(store: &dyn KeyValueStore) {
    write(store, &[(b"a", Some(b"1")), (b"b", Some(b"1"))]).await;
    let writes: [Entry<'_>; 3] = [(b"a", Some(b"2")), (b"b", None), (b"c", Some(b"2"))];
    assert!(!store.commit(batch(&[(b"a", Some(b"1")), (b"b", Some(b"0"))], &writes)).await.unwrap());
    let entries = store.snapshot().await.unwrap().scan(&all()).await.unwrap();
    assert_eq!(entries, [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"1".to_vec())]);
}

/// No other batch takes effect between the checks and the writes of a batch.
pub async fn of_concurrent_batches_with_the_same_check_one_is_written(store: &dyn KeyValueStore) {
    let names: Vec<[u8; 1]> = (0..16).map(|number| [number]).collect();
    let change =
        |name: &[u8; 1]| store.commit(batch(&[(b"x", None)], &[(b"x", Some(name)), (name, Some(b""))]));
    let results = futures_util::future::join_all(names.iter().map(change)).await;
    let written: Vec<&[u8; 1]> = names
        .iter()
        .zip(results)
        .filter(|(_, result)| *result.as_ref().unwrap())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert_eq!(read(store, b"x").await.as_deref(), Some(&written[0][..]));
    assert_eq!(keys(store, &all()).await, [written[0].to_vec(), b"x".to_vec()]);
}

/// Reads and scans of a snapshot return the state at the time of the call, and see earlier batches.
pub async fn a_snapshot_does_not_see_later_batches(store: &dyn KeyValueStore) {
    write(store, &[(b"a", Some(b"1")), (b"b", Some(b"1"))]).await;
    let snapshot = store.snapshot().await.unwrap();
    write(store, &[(b"a", Some(b"2")), (b"b", None), (b"c", Some(b"2"))]).await;
    assert_eq!(snapshot.get(b"a").await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(snapshot.get(b"c").await.unwrap(), None);
    let before = [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"1".to_vec())];
    assert_eq!(snapshot.scan(&all()).await.unwrap(), before);
    assert_eq!(keys(store, &all()).await, [b"a", b"c"]);
}

/// Keys are ordered byte by byte without sign, and a key before those that begin with it.
pub async fn keys_are_ordered_as_unsigned_bytes(store: &dyn KeyValueStore) {
    let ordered: [&[u8]; 8] = [&[0], &[0, 0], &[0, 0xff], b"A", b"a", &[0x7f, 0xff], &[0x80], &[0xff, 0, 1]];
    for key in ordered.iter().rev() {
        write(store, &[(key, Some(b"1"))]).await;
    }
    assert_eq!(keys(store, &all()).await, ordered);
    let mut reversed = ordered;
    reversed.reverse();
    assert_eq!(keys(store, &KeyRange { descending: true, ..all() }).await, reversed);
}

/// A range contains the key at which it begins, and not the one before which it ends.
pub async fn a_range_contains_its_first_key_and_not_its_end(store: &dyn KeyValueStore) {
    for key in [b"a", b"b", b"c", b"d"] {
        write(store, &[(key, Some(key))]).await;
    }
    for descending in [false, true] {
        let part = KeyRange { descending, ..range(b"b", b"d") };
        let mut found = keys(store, &part).await;
        found.sort_unstable();
        assert_eq!(found, [b"b", b"c"], "descending: {descending}");
        let between = KeyRange { descending, ..range(b"b1", b"b2") };
        assert_eq!(keys(store, &between).await, Vec::<Vec<u8>>::new());
    }
}

/// Fewer entries than the limit are all there are.
pub async fn a_scan_returns_the_first_entries_up_to_its_limit(store: &dyn KeyValueStore) {
    for key in [b"a", b"b", b"c"] {
        write(store, &[(key, Some(key))]).await;
    }
    let limited = |limit| KeyRange { limit, ..all() };
    assert_eq!(keys(store, &limited(1)).await, [b"a"]);
    assert_eq!(keys(store, &limited(2)).await, [b"a", b"b"]);
    assert_eq!(keys(store, &limited(3)).await, [b"a", b"b", b"c"]);
    assert_eq!(keys(store, &limited(256)).await, [b"a", b"b", b"c"]);
}

/// A descending scan begins with the last key of the range.
pub async fn a_descending_scan_returns_the_last_entries_up_to_its_limit(store: &dyn KeyValueStore) {
    for key in [b"a", b"b", b"c", b"d"] {
        write(store, &[(key, Some(key))]).await;
    }
    let limited = |limit| KeyRange { descending: true, limit, ..range(b"a", b"d") };
    assert_eq!(keys(store, &limited(1)).await, [b"c"]);
    assert_eq!(keys(store, &limited(2)).await, [b"c", b"b"]);
    assert_eq!(keys(store, &limited(256)).await, [b"c", b"b", b"a"]);
}
