use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::model::words;
use crate::version::Version;

/// A user's place in an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// In which organization.
    pub organization_id: OrganizationId,
    /// Who.
    pub user_id: UserId,
    /// What they may do there.
    pub role: OrganizationRole,
    /// Since when.
    pub created_at: Timestamp,
    /// When the role last changed.
    pub updated_at: Timestamp,
    /// Raised by every change of the role.
    pub version: Version,
}

impl Member {
    /// A new member.
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

/// What a member may do in an organization. Roles govern people, money and the list of workspaces; they
/// give no rights inside a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrganizationRole {
    /// Everything, owners included.
    Owner,
    /// People (owners excepted) and workspaces.
    Admin,
    /// Money.
    Billing,
    /// Belonging; what they may do in a workspace comes from its groups.
    Member,
}

words!(OrganizationRole {
    Owner = "owner",
    Admin = "admin",
    Billing = "billing",
    Member = "member",
} else UnknownOrganizationRole = "must be owner, admin, billing or member");
