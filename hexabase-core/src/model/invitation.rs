use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{InvitationId, OrganizationId, UserId};
use crate::model::OrganizationRole;
use crate::name::Email;
use crate::secret::VerifierHash;

/// Offer to the owner of an e-mail address to join an organization. It is removed when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Id of the invitation.
    pub id: InvitationId,
    /// Organization to join.
    pub organization_id: OrganizationId,
    /// Invited address. The user who accepts must have this address, verified.
    pub email: Email,
    /// Role of the new member.
    pub role: OrganizationRole,
    /// Hash of the token that was sent to the address.
    pub hash: VerifierHash,
    /// User who sent the invitation.
    pub invited_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time until which the invitation can be accepted.
    pub expires_at: Timestamp,
}
