use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::name::{DisplayName, PlanId, Slug};
use crate::version::Version;

/// Who buys workspaces: people with roles, a plan, and what belongs to them. Root of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Which organization.
    pub id: OrganizationId,
    /// Its name, unique in the installation.
    pub name: Slug,
    /// The name to show.
    pub display_name: DisplayName,
    /// Whether it was made for one person at their first sign-in.
    pub personal: bool,
    /// The plan that limits how many members and workspaces it may have.
    pub plan_id: PlanId,
    /// When deletion with everything in it was asked for. It goes when its last workspace is gone.
    pub deletion_requested_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change to anything in it, workspaces coming and going included.
    pub version: Version,
}

/// How much there is in an organization. Decisions on it are safe when the organization was read first and
/// the commit is guarded by its version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationCounts {
    /// Persons who are members.
    pub members: u32,
    /// Those of them who are owners.
    pub owners: u32,
    /// Invitations that were neither accepted nor withdrawn, expired ones included.
    pub invitations: u32,
    /// Service accounts.
    pub service_accounts: u32,
    /// Workspaces, those being deleted included.
    pub workspaces: u32,
}
