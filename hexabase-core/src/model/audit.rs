use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, OrganizationId, SessionId, TokenId, UserId};

/// Author of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// User who made the change; `None` for the platform itself.
    pub user_id: Option<UserId>,
    /// Session of the user; `None` if no session was used.
    pub session_id: Option<SessionId>,
    /// API token that was used; `None` if none was used.
    pub token_id: Option<TokenId>,
}

impl Actor {
    /// The platform itself.
    pub const PLATFORM: Self = Self { user_id: None, session_id: None, token_id: None };
}

/// Origin of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Address of the caller; `None` if unknown.
    pub address: Option<String>,
    /// `User-Agent` of the caller, shortened.
    pub device: String,
    /// Id of the request.
    pub request_id: String,
}

/// Entry of an organization's audit log, which is append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Id of the entry; entries are ordered by it.
    pub id: EventId,
    /// Organization of the log.
    pub organization_id: OrganizationId,
    /// Author of the change.
    pub actor: Actor,
    /// Action, as `noun.verb`: `workspace.create`.
    pub action: String,
    /// Changed object: its id, or a path of ids for a nested object.
    pub resource: String,
    /// Object before the change; null if it is new. Contains no secret.
    pub before: serde_json::Value,
    /// Object after the change; null if it was deleted. Contains no secret.
    pub after: serde_json::Value,
    /// Origin of the request.
    pub origin: Origin,
    /// Time of the change.
    pub at: Timestamp,
}

/// Filter on the entries of an audit log. An empty filter selects all entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Selects changes by this user.
    pub actor: Option<UserId>,
    /// Selects this action.
    pub action: Option<String>,
    /// Selects changes of this object.
    pub resource: Option<String>,
    /// Selects entries at or after this time.
    pub since: Option<Timestamp>,
    /// Selects entries before this time.
    pub until: Option<Timestamp>,
}
