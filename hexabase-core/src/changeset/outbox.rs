//! Outbox messages, which start slow work once a change is committed.

use serde::{Deserialize, Serialize};

use crate::id::{MessageId, OrganizationId, WorkspaceId};
use crate::trace::TraceParent;

/// The purpose of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Reconcile a workspace, so that its cluster matches the desired state. Without a workspace: reconcile the
    /// organization's billing account and its subscription order. A delayed reconcile of a workspace carries its due
    /// time (RFC 3339) as payload and is discarded if the workspace has been rescheduled since.
    Reconcile,
    /// Run the isolation check of a workspace.
    CheckIsolation,
    /// Send a mail. The payload is sealed, because it may contain secrets.
    Mail,
}

impl Topic {
    /// All topics, in declaration order.
    pub const ALL: [Self; 3] = [Self::Reconcile, Self::CheckIsolation, Self::Mail];

    /// The name of the topic as stores and queues write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reconcile => "reconcile",
            Self::CheckIsolation => "check_isolation",
            Self::Mail => "mail",
        }
    }

    /// Parses the output of [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == text)
    }
}

/// A message in the transactional outbox: stored in the same commit as the change that caused it, and published
/// afterwards, at least once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxMessage {
    /// Id, which also gives the order; queues drop duplicates by it.
    pub id: MessageId,
    /// Purpose of the message.
    pub topic: Topic,
    /// Organization that the message is about.
    pub organization_id: OrganizationId,
    /// Workspace that the message is about; messages of one workspace are published in order. `None` if the message is
    /// about the organization.
    pub workspace_id: Option<WorkspaceId>,
    /// Additional data for the receiver; secrets must be sealed.
    pub payload: Vec<u8>,
    /// Trace of the request or the work that created the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<TraceParent>,
}
