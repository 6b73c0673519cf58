use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::model::string_enum;
use crate::version::Version;

/// Membership of a user in an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Organization.
    pub organization_id: OrganizationId,
    /// Member.
    pub user_id: UserId,
    /// Role of the member in the organization.
    pub role: OrganizationRole,
    /// Time at which the user became a member.
    pub created_at: Timestamp,
    /// Time of the last role change.
    pub updated_at: Timestamp,
    /// Version, incremented by every role change.
    pub version: Version,
}

impl Member {
    /// Returns a new member.
    #[must_use]
    pub const fn new(
        organization_id: OrganizationId,
        user_id: UserId,
        role: OrganizationRole,
        now: Timestamp,
    ) -> Self {
        Self { organization_id, user_id, role, created_at: now, updated_at: now, version: Version::FIRST }
    }
}

/// Role of a member in an organization. It governs people, billing and the list of workspaces, and grants nothing
/// inside a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrganizationRole {
    /// All actions, including those on owners.
    Owner,
    /// People (except owners) and workspaces.
    Admin,
    /// Billing.
    Billing,
    /// Membership only. Permissions in a workspace come from its groups.
    Member,
}

string_enum!(OrganizationRole {
    Owner = "owner",
    Admin = "admin",
    Billing = "billing",
    Member = "member",
} else UnknownOrganizationRole = "must be owner, admin, billing or member");
