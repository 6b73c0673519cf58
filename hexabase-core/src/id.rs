//! Typed, prefixed identifiers.
//!
//! An id is a UUIDv7 written as a [TypeID](https://github.com/jetify-com/typeid/tree/main/spec): a prefix
//! that names the kind of thing, `_`, and 26 characters of lower-case Crockford base32, as in
//! `ws_01h455vb4pex5vsknk084sn02q`. Ids sort by the time they were made. In Kubernetes names, where `_` is
//! not allowed, it becomes `-`: see [`TypedId::kubernetes_name`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX: usize = 26;
/// Stands for a character that is no digit.
const NO_DIGIT: u8 = u8::MAX;
/// What each character is worth.
const VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0_u8;
    while (value as usize) < ALPHABET.len() {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// What all identifiers have in common.
pub trait TypedId: Copy + Ord + fmt::Display + FromStr<Err = InvalidId> + Send + Sync + 'static {
    /// The kind, as written before the underscore: `ws`, `org`, `usr`.
    const PREFIX: &'static str;

    /// Makes an id of this kind from a UUID, normally a UUIDv7.
    fn from_uuid(uuid: Uuid) -> Self;

    /// The UUID behind the id.
    fn uuid(self) -> Uuid;

    /// The least id of this kind: where a range of all of them begins.
    fn least() -> Self {
        Self::from_uuid(Uuid::nil())
    }

    /// The greatest id of this kind: where a range of all of them ends.
    fn greatest() -> Self {
        Self::from_uuid(Uuid::max())
    }

    /// The id as a Kubernetes name (a DNS label): `ws-01h455vb4pex5vsknk084sn02q`.
    fn kubernetes_name(self) -> String {
        [Self::PREFIX, "-", digits(&encode(self.uuid()))].concat()
    }
}

/// A text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}_ and 26 characters of lower-case base32")]
pub struct InvalidId {
    /// The prefix that was expected.
    pub expected: &'static str,
}

fn encode(uuid: Uuid) -> [u8; SUFFIX] {
    let mut value = uuid.as_u128();
    let mut text = [b'0'; SUFFIX];
    for place in text.iter_mut().rev() {
        *place = ALPHABET[usize::from((value & 31) as u8)];
        value >>= 5;
    }
    text
}

fn digits(encoded: &[u8]) -> &str {
    // The alphabet is ASCII.
    std::str::from_utf8(encoded).unwrap_or_default()
}

fn decode(text: &str) -> Option<Uuid> {
    let bytes = text.as_bytes();
    // 26 × 5 bits are 130: the first character carries three bits, so it is at most '7'.
    if bytes.len() != SUFFIX || bytes[0] > b'7' {
        return None;
    }
    let mut value = 0_u128;
    for byte in bytes {
        let digit = VALUES[usize::from(*byte)];
        if digit == NO_DIGIT {
            return None;
        }
        value = value << 5 | u128::from(digit);
    }
    Some(Uuid::from_u128(value))
}

/// An id as text, in one piece: what is written most often of all.
struct Written<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> Written<LENGTH> {
    /// The prefix, `_` and the suffix; `LENGTH` is that of all three.
    fn new(prefix: &str, uuid: Uuid) -> Self {
        let mut text = [b'_'; LENGTH];
        text[..prefix.len()].copy_from_slice(prefix.as_bytes());
        text[LENGTH - SUFFIX..].copy_from_slice(&encode(uuid));
        Self(text)
    }

    fn as_str(&self) -> &str {
        digits(&self.0)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            fn written(self) -> Written<{ $prefix.len() + 1 + SUFFIX }> {
                Written::new($prefix, self.0)
            }
        }

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;

            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(self.written().as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix)
                    .and_then(|rest| rest.strip_prefix('_'))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(InvalidId { expected: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(self.written().as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// A person or a service account.
    UserId = "usr";
    /// An organization.
    OrganizationId = "org";
    /// A workspace.
    WorkspaceId = "ws";
    /// A project.
    ProjectId = "prj";
    /// A group of a workspace.
    GroupId = "grp";
    /// A custom role of a project.
    RoleId = "rol";
    /// An assignment of a role to a group.
    AssignmentId = "asg";
    /// An invitation into an organization.
    InvitationId = "inv";
    /// An API token.
    TokenId = "tok";
    /// A session, which is one sign-in on one device.
    SessionId = "ses";
    /// A task: one slow operation on a workspace.
    TaskId = "tsk";
    /// An entry of an audit log, a live event or a security event.
    EventId = "evt";
    /// A pool of nodes of a workspace's own.
    NodePoolId = "npl";
    /// Something that an organization wants of its subscription.
    OrderId = "ord";
    /// A message on its way through the outbox and the queue.
    MessageId = "msg";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_reads_as_the_typeid_specification_says() {
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let id = WorkspaceId::from_uuid(uuid);
        assert_eq!(id.to_string(), "ws_01h455vb4pex5vsknk084sn02q");
        assert_eq!(id.kubernetes_name(), "ws-01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn a_foreign_prefix_is_refused() {
        let id = OrganizationId::from_uuid(Uuid::from_u128(7)).to_string();
        assert_eq!(id.parse::<WorkspaceId>(), Err(InvalidId { expected: "ws" }));
    }

    #[test]
    fn one_id_has_one_spelling() {
        let text = WorkspaceId::from_uuid(Uuid::from_u128(u128::MAX)).to_string();
        assert_eq!(text, "ws_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        for wrong in ["ws_8zzzzzzzzzzzzzzzzzzzzzzzzz", "ws_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "ws_", "ws", ""] {
            assert!(wrong.parse::<WorkspaceId>().is_err(), "{wrong}");
        }
        assert!(text.replace('_', "-").parse::<WorkspaceId>().is_err());
    }

    proptest! {
        #[test]
        fn every_id_survives_being_written_and_read(bits: u128) {
            let id = GroupId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<GroupId>(), Ok(id));
        }

        #[test]
        fn the_order_of_texts_is_the_order_of_ids(left: u128, right: u128) {
            let (left, right) = (Uuid::from_u128(left), Uuid::from_u128(right));
            let texts = GroupId::from_uuid(left).to_string().cmp(&GroupId::from_uuid(right).to_string());
            prop_assert_eq!(texts, left.cmp(&right));
        }

        #[test]
        fn no_text_makes_reading_an_id_panic(text in ".*") {
            let _ = text.parse::<GroupId>();
        }
    }
}
