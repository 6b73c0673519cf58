use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::name::{DisplayName, PlanId, Slug};
use crate::version::Version;

/// Customer of an installation: members with roles, a plan, and workspaces. Root of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Id of the organization.
    pub id: OrganizationId,
    /// Name, unique in the installation.
    pub name: Slug,
    /// Name for display.
    pub display_name: DisplayName,
    /// `true` if the organization was created for one user at their first sign-in.
    pub personal: bool,
    /// Plan that limits the numbers of members and workspaces.
    pub plan_id: PlanId,
    /// Time at which deletion with all contents was requested; `None` otherwise. The organization is deleted together
    /// with
    /// its last workspace.
    pub deletion_requested_at: Option<Timestamp>,
    /// User who created the organization.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change inside the organization, including the creation and deletion of
    /// workspaces.
    pub version: Version,
}

/// Numbers of objects in an organization. A decision based on them is safe if the organization was read first and the
/// commit has its version as a precondition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationCounts {
    /// Members who are persons.
    pub members: u32,
    /// Members who are persons and owners.
    pub owners: u32,
    /// Invitations that were neither accepted nor withdrawn, including expired ones.
    pub invitations: u32,
    /// Service accounts.
    pub service_accounts: u32,
    /// Workspaces, including those being deleted.
    pub workspaces: u32,
}
