use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, OrganizationId, WorkspaceId};

/// Something that moved in an organization, for whoever watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Identity and order.
    pub id: EventId,
    /// In which organization.
    pub organization_id: OrganizationId,
    /// In which workspace, if in one.
    pub workspace_id: Option<WorkspaceId>,
    /// What, as `noun.verb`: `workspace.phase`.
    pub kind: String,
    /// The facts.
    pub data: serde_json::Value,
    /// When.
    pub at: Timestamp,
}
