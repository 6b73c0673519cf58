use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Key;
use crate::changeset::{IdempotencyRecord, OutboxMessage, Record, RecordKey, Stored};
use crate::model::AuditEvent;

/// Value of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    Record(Record),
    /// Key of the record that has a name or index entry, or that is owned.
    Pointer(RecordKey),
    /// Key of an item that is not a record.
    Key(Key),
    Audit(AuditEvent),
    Response(IdempotencyRecord),
    /// Message with the time until which it is claimed.
    Message(OutboxMessage, Timestamp),
    Lease(LeaseRow),
    Number(u64),
}

/// Lease, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeaseRow {
    pub(crate) name: String,
    /// Current holder; `None` after a release.
    pub(crate) holder: Option<String>,
    pub(crate) token: u64,
    pub(crate) expires_at: Timestamp,
}

impl Item {
    /// The record of this type; `None` for other items.
    pub(crate) fn record<T: Stored>(&self) -> Option<&T> {
        if let Self::Record(record) = self { T::of(record) } else { None }
    }

    /// The key of the record to which the item leads.
    pub(crate) const fn pointer(&self) -> Option<&RecordKey> {
        if let Self::Pointer(key) = self { Some(key) } else { None }
    }
}
