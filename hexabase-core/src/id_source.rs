//! Source of ids and random bytes.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use uuid::Uuid;

use crate::id::TypedId;

/// Only source of ids and randomness in the platform, so that tests can reproduce a run exactly.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with random bytes. Production sources are cryptographically secure, since tokens, keys and
    /// verifiers
    /// are created from it.
    fn fill(&self, bytes: &mut [u8]);

    /// Returns a new UUIDv7 (RFC 9562 section 5.7) for the time `now`. It is greater than every UUID that this source
    /// created before for the same or an earlier millisecond.
    fn uuid(&self, now: Timestamp) -> Uuid;
}

/// Convenience methods of every [`IdSource`]; not to be implemented.
pub trait IdSourceExt: IdSource {
    /// Returns a new id of kind `T`.
    fn id<T: TypedId>(&self, now: Timestamp) -> T {
        T::from_uuid(self.uuid(now))
    }

    /// Returns `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<S: IdSource + ?Sized> IdSourceExt for S {}

/// Keeps the ids of one process ordered: within a millisecond, a counter replaces the first random bits (RFC 9562
/// section 6.2, method 1).
#[derive(Debug, Default)]
struct Monotonic(Mutex<(u64, u16)>);

impl Monotonic {
    fn compose(&self, now: Timestamp, random: [u8; 8]) -> Uuid {
        let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let (millisecond, counter) = {
            let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *last = match *last {
                (then, _) if now > then => (now, 0),
                // The counter has twelve bits. At its maximum it continues in the next millisecond.
                (then, 0x0fff) => (then + 1, 0),
                (then, counter) => (then, counter + 1),
            };
            *last
        };
        let high = u128::from(millisecond) << 80 | 0x7_u128 << 76 | u128::from(counter) << 64;
        let low = u64::from_be_bytes(random) & (u64::MAX >> 2) | 1 << 63;
        Uuid::from_u128(high | u128::from(low))
    }
}

/// Ids and random bytes from the operating system.
#[derive(Debug, Default)]
pub struct SystemIds(Monotonic);

impl IdSource for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the only source of randomness")]
    #[expect(clippy::expect_used, reason = "no token is secure without randomness, so the process stops")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system provides random bytes");
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.0.compose(now, self.bytes())
    }
}

/// Reproducible ids for tests: equal seeds give equal output. Not for secrets.
#[derive(Debug)]
pub struct SeededIds {
    state: AtomicU64,
    order: Monotonic,
}

impl SeededIds {
    /// Creates a source whose output is determined by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed), order: Monotonic::default() }
    }

    /// SplitMix64: small, well distributed, and sufficient for tests.
    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut mixed = self.state.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl IdSource for SeededIds {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next().to_be_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.order.compose(now, self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{GroupId, TypedId};

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(millisecond).unwrap()
    }

    #[test]
    fn ids_have_version_seven_and_the_given_time() {
        let id: GroupId = SystemIds::default().id(at(1_700_000_000_123));
        let uuid = id.uuid();
        assert_eq!((uuid.get_version_num(), uuid.as_u128() >> 80), (7, 1_700_000_000_123));
        assert_eq!(uuid.as_bytes()[8] >> 6, 0b10, "variant of RFC 9562");
    }

    #[test]
    fn ten_thousand_ids_of_one_millisecond_are_ordered_and_distinct() {
        let source = SeededIds::new(1);
        let ids: Vec<Uuid> = (0..10_000).map(|_| source.uuid(at(5))).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn ids_stay_ordered_when_the_clock_steps_back() {
        let source = SeededIds::new(1);
        let later = source.uuid(at(1_000));
        assert!(source.uuid(at(10)) > later);
    }

    #[test]
    fn equal_seeds_give_equal_output() {
        let (left, right) = (SeededIds::new(9), SeededIds::new(9));
        assert_eq!(left.bytes::<19>(), right.bytes::<19>());
        assert_eq!(left.uuid(at(1)), right.uuid(at(1)));
        assert_ne!(left.bytes::<8>(), SeededIds::new(10).bytes::<8>());
    }
}
