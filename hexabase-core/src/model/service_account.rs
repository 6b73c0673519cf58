use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::name::Slug;
use crate::version::Version;

/// Automation of one organization. It is a [`User`](crate::model::User) that never signs in, can be a member of
/// groups, and has API tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAccount {
    /// Organization of the service account.
    pub organization_id: OrganizationId,
    /// Id of the user that the service account is.
    pub id: UserId,
    /// Name, unique in the organization.
    pub name: Slug,
    /// User who created the service account.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}
