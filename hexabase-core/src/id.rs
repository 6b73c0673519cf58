//! Typed, prefixed identifiers.
//!
//! An id is a UUIDv7 in the form of a [TypeID](https://github.com/jetify-com/typeid/tree/main/spec): a prefix for the
//! kind of object, `_`, and 26 characters of lower-case Crockford base32, as in `ws_01h455vb4pex5vsknk084sn02q`. Ids
//! sort by creation time. Kubernetes names do not allow `_`, so they have `-` instead: see
//! [`TypedId::kubernetes_name`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;
/// Marks a character that is not a digit of the alphabet.
const INVALID_DIGIT: u8 = u8::MAX;
/// Value of each character.
const DIGIT_VALUES: [u8; 256] = {
    let mut values = [INVALID_DIGIT; 256];
    let mut value = 0_u8;
    while (value as usize) < ALPHABET.len() {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// Common interface of all identifiers.
pub trait TypedId: Copy + Ord + fmt::Display + FromStr<Err = InvalidId> + Send + Sync + 'static {
    /// Prefix of the kind, before the underscore: `ws`, `org`, `usr`.
    const PREFIX: &'static str;

    /// Creates an id from a UUID, normally a UUIDv7.
    fn from_uuid(uuid: Uuid) -> Self;

    /// Returns the UUID of the id.
    fn uuid(self) -> Uuid;

    /// Returns the least id of this kind, the start of a range of all ids.
    fn least() -> Self {
        Self::from_uuid(Uuid::nil())
    }

    /// Returns the greatest id of this kind, the end of a range of all ids.
    fn greatest() -> Self {
        Self::from_uuid(Uuid::max())
    }

    /// Returns the id as a Kubernetes name (a DNS label): `ws-01h455vb4pex5vsknk084sn02q`.
    fn kubernetes_name(self) -> String {
        [Self::PREFIX, "-", digits(&encode(self.uuid()))].concat()
    }
}

/// Text that is not an identifier of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}_ and 26 characters of lower-case base32")]
pub struct InvalidId {
    /// Expected prefix.
    pub expected: &'static str,
}

fn encode(uuid: Uuid) -> [u8; SUFFIX_LENGTH] {
    let mut value = uuid.as_u128();
    let mut text = [b'0'; SUFFIX_LENGTH];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[usize::from((value & 31) as u8)];
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
    // 26 × 5 bits are 130, so the first character carries three bits and is at most '7'.
    if bytes.len() != SUFFIX_LENGTH || bytes[0] > b'7' {
        return None;
    }
    let mut value = 0_u128;
    for byte in bytes {
        let digit = DIGIT_VALUES[usize::from(*byte)];
        if digit == INVALID_DIGIT {
            return None;
        }
        value = value << 5 | u128::from(digit);
    }
    Some(Uuid::from_u128(value))
}

/// Text form of an id in a fixed-size buffer: formatting ids is frequent and needs no allocation.
struct EncodedId<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> EncodedId<LENGTH> {
    /// Encodes the prefix, `_` and the suffix, which have `LENGTH` bytes together.
    fn new(prefix: &str, uuid: Uuid) -> Self {
        let mut text = [b'_'; LENGTH];
        text[..prefix.len()].copy_from_slice(prefix.as_bytes());
        text[LENGTH - SUFFIX_LENGTH..].copy_from_slice(&encode(uuid));
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
            fn encoded(self) -> EncodedId<{ $prefix.len() + 1 + SUFFIX_LENGTH }> {
                EncodedId::new($prefix, self.0)
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
                out.write_str(self.encoded().as_str())
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
                out.serialize_str(self.encoded().as_str())
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
    /// Id of a user: a person or a service account.
    UserId = "usr";
    /// Id of an organization.
    OrganizationId = "org";
    /// Id of a workspace.
    WorkspaceId = "ws";
    /// Id of a project.
    ProjectId = "prj";
    /// Id of a group of a workspace.
    GroupId = "grp";
    /// Id of a custom role of a project.
    RoleId = "rol";
    /// Id of an assignment of a role to a group.
    AssignmentId = "asg";
    /// Id of an invitation to an organization.
    InvitationId = "inv";
    /// Id of an API token.
    TokenId = "tok";
    /// Id of a session, which is one sign-in on one device.
    SessionId = "ses";
    /// Id of a task: a long-running operation on a workspace.
    TaskId = "tsk";
    /// Id of an audit log entry, a live event or a security event.
    EventId = "evt";
    /// Id of a node pool of a workspace.
    NodePoolId = "npl";
    /// Id of an alert rule of a workspace.
    AlertRuleId = "alr";
    /// Id of an order: a requested subscription change.
    OrderId = "ord";
    /// Id of a message in the outbox and the task queue.
    MessageId = "msg";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_has_the_form_of_the_typeid_specification() {
        let uuid = Uuid::parse_str("01890a5d-ac96-774b-bcce-b302099a8057").unwrap();
        let id = WorkspaceId::from_uuid(uuid);
        assert_eq!(id.to_string(), "ws_01h455vb4pex5vsknk084sn02q");
        assert_eq!(id.kubernetes_name(), "ws-01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn a_different_prefix_is_rejected() {
        let id = OrganizationId::from_uuid(Uuid::from_u128(7)).to_string();
        assert_eq!(id.parse::<WorkspaceId>(), Err(InvalidId { expected: "ws" }));
    }

    #[test]
    fn an_id_has_exactly_one_text_form() {
        let text = WorkspaceId::from_uuid(Uuid::from_u128(u128::MAX)).to_string();
        assert_eq!(text, "ws_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        for wrong in ["ws_8zzzzzzzzzzzzzzzzzzzzzzzzz", "ws_7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "ws_", "ws", ""] {
            assert!(wrong.parse::<WorkspaceId>().is_err(), "{wrong}");
        }
        assert!(text.replace('_', "-").parse::<WorkspaceId>().is_err());
    }

    proptest! {
        #[test]
        fn every_id_round_trips_through_its_text_form(bits: u128) {
            let id = GroupId::from_uuid(Uuid::from_u128(bits));
            prop_assert_eq!(id.to_string().parse::<GroupId>(), Ok(id));
        }

        #[test]
        fn text_forms_sort_like_ids(left: u128, right: u128) {
            let (left, right) = (Uuid::from_u128(left), Uuid::from_u128(right));
            let texts = GroupId::from_uuid(left).to_string().cmp(&GroupId::from_uuid(right).to_string());
            prop_assert_eq!(texts, left.cmp(&right));
        }

        #[test]
        fn no_text_makes_parsing_an_id_panic(text in ".*") {
            let _ = text.parse::<GroupId>();
        }
    }
}
