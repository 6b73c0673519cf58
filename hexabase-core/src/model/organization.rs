use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, UserId};
use crate::model::{BillingStanding, Subscription};
use crate::name::{DisplayName, PlanId, Slug};
use crate::search::searchable;
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
    /// Suspension by an operator; `None` if there is none.
    #[serde(default)]
    pub suspension: Option<OrganizationSuspension>,
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

impl Organization {
    /// Returns the texts by which operators find the organization.
    #[must_use]
    pub fn searchable(&self) -> String {
        searchable([&self.id as &dyn std::fmt::Display, &self.name, &self.display_name])
    }
}

/// Suspension of an organization by an operator. Its workspaces are suspended, independent of their power state and of
/// payments, and no new ones are created. Nothing is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationSuspension {
    /// Start of the suspension.
    pub since: Timestamp,
    /// Reason for the members, as the operator gave it; `None` if it was not given.
    pub reason: Option<String>,
}

/// Organization as listed for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationSummary {
    /// Organization itself.
    pub organization: Organization,
    /// Number of members who are persons.
    pub members: u32,
    /// Number of workspaces, including those being deleted.
    pub workspaces: u32,
    /// Subscription as last read from the billing provider; `None` if there is none.
    pub subscription: Option<Subscription>,
    /// Consequence of the payments.
    pub standing: BillingStanding,
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
