//! Where ids and random bytes come from.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use uuid::Uuid;

use crate::id::TypedId;

/// The only source of ids and randomness in the platform, so that tests can repeat a run exactly.
pub trait IdSource: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with randomness. Production sources are cryptographically secure: tokens, keys and
    /// verifiers are made from it.
    fn fill(&self, bytes: &mut [u8]);

    /// A new UUIDv7 (RFC 9562 section 5.7) for the given moment, greater than any this source made before
    /// for the same or an earlier millisecond.
    fn uuid(&self, now: Timestamp) -> Uuid;
}

/// Conveniences over any [`IdSource`]; do not implement it.
pub trait IdSourceExt: IdSource {
    /// A new id of kind `T`.
    fn id<T: TypedId>(&self, now: Timestamp) -> T {
        T::from_uuid(self.uuid(now))
    }

    /// `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl<S: IdSource + ?Sized> IdSourceExt for S {}

/// Keeps the ids of one process in order: within a millisecond a counter takes the place of the first
/// random bits, as RFC 9562 section 6.2 (method 1) describes.
#[derive(Debug, Default)]
struct Monotonic(Mutex<(u64, u16)>);

impl Monotonic {
    fn compose(&self, now: Timestamp, random: [u8; 8]) -> Uuid {
        let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let (millisecond, counter) = {
            let mut last = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *last = match *last {
                (then, _) if now > then => (now, 0),
                // The twelve bits are used up: borrow from the next millisecond.
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

/// Ids and randomness from the operating system.
#[derive(Debug, Default)]
pub struct SystemIds(Monotonic);

impl IdSource for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the one place where randomness enters")]
    #[expect(clippy::expect_used, reason = "without randomness no token is safe: stop at once")]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has randomness");
    }

    fn uuid(&self, now: Timestamp) -> Uuid {
        self.0.compose(now, self.bytes())
    }
}

/// Repeatable ids for tests: the same seed gives the same run. Never use it where a secret matters.
#[derive(Debug)]
pub struct SeededIds {
    state: AtomicU64,
    order: Monotonic,
}

impl SeededIds {
    /// A source whose whole output follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: AtomicU64::new(seed), order: Monotonic::default() }
    }

    /// SplitMix64: small, well distributed, and good enough for tests.
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
    fn ids_are_version_seven_of_the_given_moment() {
        let id: GroupId = SystemIds::default().id(at(1_700_000_000_123));
        let uuid = id.uuid();
        assert_eq!((uuid.get_version_num(), uuid.as_u128() >> 80), (7, 1_700_000_000_123));
        assert_eq!(uuid.as_bytes()[8] >> 6, 0b10, "the RFC's variant");
    }

    #[test]
    fn ten_thousand_ids_of_one_millisecond_are_in_order_and_distinct() {
        let source = SeededIds::new(1);
        let ids: Vec<Uuid> = (0..10_000).map(|_| source.uuid(at(5))).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_break_the_order() {
        let source = SeededIds::new(1);
        let later = source.uuid(at(1_000));
        assert!(source.uuid(at(10)) > later);
    }

    #[test]
    fn one_seed_gives_one_run() {
        let (left, right) = (SeededIds::new(9), SeededIds::new(9));
        assert_eq!(left.bytes::<19>(), right.bytes::<19>());
        assert_eq!(left.uuid(at(1)), right.uuid(at(1)));
        assert_ne!(left.bytes::<8>(), SeededIds::new(10).bytes::<8>());
    }
}
