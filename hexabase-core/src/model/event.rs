use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, OrganizationId, WorkspaceId};

/// Live event: change in an organization for clients that watch it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Id of the event; events are ordered by it.
    pub id: EventId,
    /// Organization of the event.
    pub organization_id: OrganizationId,
    /// Workspace of the event; `None` for an event of the whole organization.
    pub workspace_id: Option<WorkspaceId>,
    /// Type of the event, as `noun.verb`: `workspace.phase`.
    pub kind: String,
    /// Details of the event.
    pub data: serde_json::Value,
    /// Time of the event.
    pub at: Timestamp,
}
