use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::OrganizationRole;
use crate::name::Email;
use crate::secret::VerifierHash;

/// An offer to join an organization, for whoever owns an address. It is removed when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Which invitation.
    pub id: InvitationId,
    /// Into which organization.
    pub organization_id: OrganizationId,
    /// Whom: the invited must have this address, verified.
    pub email: Email,
    /// As what.
    pub role: OrganizationRole,
    /// The hash of the token that was sent to the address.
    pub hash: VerifierHash,
    /// Who invited.
    pub invited_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Until when it can be accepted.
    pub expires_at: Timestamp,
}
