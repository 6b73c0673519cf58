use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::name::{ManagedObject, Slug};
use crate::version::Version;

/// Objects of an organization that one declarative source manages, such as a directory of documents in git. It exists
/// as long as it has objects. Objects that have been deleted since remain in it until the source releases them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Organization of the objects.
    pub organization_id: OrganizationId,
    /// Name, unique in the organization.
    pub name: Slug,
    /// Objects that the source created or adopted. An object is in at most one inventory.
    pub objects: BTreeSet<ManagedObject>,
    /// User who made the last change.
    pub updated_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}
