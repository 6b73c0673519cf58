//! Keys: bytes that sort like the values from which they are made.

use std::marker::PhantomData;

use jiff::Timestamp;

use crate::changeset::{RecordKey, Stored};
use crate::id::{OrganizationId, TypedId};
use crate::model::Hour;
use crate::name::{Email, GroupName, HostClusterName, ProjectName, ProviderName, Slug};
use crate::secret::VerifierHash;

/// Key of an item.
pub(crate) type Key = Vec<u8>;

/// Part of a key. No encoding is a prefix of another one of the same type, so that concatenations are unambiguous.
pub(crate) trait KeyPart: Sync {
    /// Appends the part in a form that sorts like the value.
    fn write(&self, key: &mut Key);

    /// The part as the id of an organization; `None` if it is another id or no id.
    fn organization(&self) -> Option<OrganizationId> {
        None
    }
}

impl<T: TypedId> KeyPart for T {
    fn write(&self, key: &mut Key) {
        key.extend_from_slice(self.uuid().as_bytes());
    }

    fn organization(&self) -> Option<OrganizationId> {
        (T::PREFIX == OrganizationId::PREFIX).then(|| OrganizationId::from_uuid(self.uuid()))
    }
}

impl KeyPart for &str {
    /// Writes the bytes and two zeros; a zero in the text becomes `00 FF`.
    fn write(&self, key: &mut Key) {
        for byte in self.bytes() {
            key.push(byte);
            if byte == 0 {
                key.push(0xff);
            }
        }
        key.extend_from_slice(&[0, 0]);
    }
}

impl KeyPart for String {
    fn write(&self, key: &mut Key) {
        self.as_str().write(key);
    }
}

impl KeyPart for Timestamp {
    /// Writes the nanoseconds with the sign bit inverted, so that negative numbers sort first.
    fn write(&self, key: &mut Key) {
        key.extend_from_slice(&(self.as_nanosecond() ^ i128::MIN).to_be_bytes());
    }
}

impl KeyPart for Hour {
    fn write(&self, key: &mut Key) {
        self.start().write(key);
    }
}

impl KeyPart for VerifierHash {
    fn write(&self, key: &mut Key) {
        key.extend_from_slice(self.as_bytes());
    }
}

impl<T: KeyPart> KeyPart for Option<T> {
    fn write(&self, key: &mut Key) {
        key.push(u8::from(self.is_some()));
        if let Some(part) = self {
            part.write(key);
        }
    }
}

macro_rules! texts {
    ($($type:ty),+) => {$(
        impl KeyPart for $type {
            fn write(&self, key: &mut Key) {
                self.as_str().write(key);
            }
        }
    )+};
}

texts!(Email, GroupName, HostClusterName, ProjectName, ProviderName, Slug);

/// Kind of an item, the first byte of its key. The numbers are stored, and therefore never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Records by key.
    Record = 1,
    /// Keys of the records that a record owns, by owner.
    Owned = 2,
    /// Keys of the records without which a record is not deleted, by that record.
    Child = 3,
    /// Number of changes of what a record owns, by the record.
    Revision = 4,
    /// Keys of the records that have a unique name, by kind and name.
    Name = 5,
    /// Keys of records by kind, index and the properties of the index.
    Index = 6,
    /// Audit events by organization, time and id.
    Audit = 7,
    /// Responses to idempotent requests, by user and key.
    Response = 8,
    /// Keys of responses by the time of their expiry.
    ResponseExpiry = 9,
    /// Outbox messages by id.
    Message = 10,
    /// Leases by name.
    Lease = 11,
    /// Item that is written to check that the store accepts writes.
    Ping = 12,
}

impl Section {
    /// The key of an item of this kind, or with fewer parts the prefix of several.
    pub(crate) fn key(self, parts: &[&dyn KeyPart]) -> Key {
        keyed(&[self as u8], parts)
    }

    /// The key of an item of this kind for a record.
    pub(crate) fn of(self, record: &RecordKey) -> Key {
        let mut key = vec![self as u8];
        record.write(&mut key);
        key
    }

    /// The key of an entry of this kind that leads from one record to another.
    pub(crate) fn between(self, from: &RecordKey, to: &RecordKey) -> Key {
        let mut key = self.of(from);
        to.write(&mut key);
        key
    }

    /// The prefix of the entries of this kind that lead from one record to records of type `T`.
    pub(crate) fn towards<T: Stored>(self, from: &RecordKey) -> Key {
        let mut key = self.of(from);
        key.push(T::TAG);
        key
    }
}

/// The key of the unique name of a record of type `T`.
pub(crate) fn name<T: Stored>(parts: &[&dyn KeyPart]) -> Key {
    keyed(&[Section::Name as u8, T::TAG], parts)
}

/// Index of records of type `T`. Its number is stored, and therefore never changes.
pub(crate) struct Index<T>(u8, PhantomData<fn() -> T>);

impl<T: Stored> Index<T> {
    pub(crate) const fn new(number: u8) -> Self {
        Self(number, PhantomData)
    }

    /// The key of an entry, or with fewer parts the prefix of several.
    pub(crate) fn key(&self, parts: &[&dyn KeyPart]) -> Key {
        keyed(&[Section::Index as u8, T::TAG, self.0], parts)
    }
}

fn keyed(prefix: &[u8], parts: &[&dyn KeyPart]) -> Key {
    let mut key = prefix.to_vec();
    parts.iter().for_each(|part| part.write(&mut key));
    key
}

/// The prefix of the keys of the records of type `T` whose key begins with these parts.
pub(crate) fn records<T: Stored>(parts: &[&dyn KeyPart]) -> Key {
    keyed(&[Section::Record as u8, T::TAG], parts)
}

/// The least key after all keys with this prefix.
pub(crate) fn after_prefix(mut prefix: Key) -> Key {
    while let Some(last) = prefix.pop() {
        if last < u8::MAX {
            prefix.push(last + 1);
            break;
        }
    }
    prefix
}

/// The least key after this one.
pub(crate) fn after_key(mut key: Key) -> Key {
    key.push(0);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::id;
    use crate::id::UserId;
    use proptest::prelude::*;

    fn written(part: impl KeyPart) -> Key {
        let mut key = Key::new();
        part.write(&mut key);
        key
    }

    proptest! {
        #[test]
        fn keys_sort_like_texts(left: String, right: String) {
            prop_assert_eq!(written(left.as_str()).cmp(&written(right.as_str())), left.cmp(&right));
        }

        #[test]
        fn keys_sort_like_pairs_of_texts(left: (String, String), right: (String, String)) {
            let key = |(one, other): &(String, String)| Section::Lease.key(&[one, other]);
            prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right));
        }

        #[test]
        fn keys_sort_like_times(left in -9_000_000_000_i64..9_000_000_000, right in -9_000_000_000_i64..9_000_000_000) {
            let time = |second| Timestamp::from_second(second).unwrap();
            prop_assert_eq!(written(time(left)).cmp(&written(time(right))), left.cmp(&right));
        }
    }

    #[test]
    fn a_prefix_ends_before_the_next_key() {
        assert_eq!(after_prefix(vec![1, 2]), [1, 3]);
        assert_eq!(after_prefix(vec![1, 255, 255]), [2]);
    }

    #[test]
    fn the_organization_of_a_key_is_its_first_part() {
        let user: UserId = id("ann");
        assert_eq!(RecordKey::Member(id("acme"), user).organization(), Some(id("acme")));
        assert_eq!(RecordKey::User(user).organization(), None);
        assert_eq!(RecordKey::Plans.organization(), None);
    }
}
