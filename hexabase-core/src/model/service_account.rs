use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::name::Slug;
use crate::version::Version;

/// Automation that belongs to an organization. It is a [`User`](crate::model::User) that never signs in:
/// it can be put in groups and has API tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// To which organization it belongs.
    pub organization_id: OrganizationId,
    /// Which user it is.
    pub id: UserId,
    /// Its name, unique in the organization.
    pub name: Slug,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}
