use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, OrganizationId, SessionId, TokenId, UserId};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Which user; none when the platform itself did it.
    pub user_id: Option<UserId>,
    /// In which session.
    pub session_id: Option<SessionId>,
    /// With which API token.
    pub token_id: Option<TokenId>,
}

impl Actor {
    /// The platform itself.
    pub const PLATFORM: Self = Self { user_id: None, session_id: None, token_id: None };
}

/// From where something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The caller's address, where known.
    pub address: Option<String>,
    /// The caller's `User-Agent`, shortened.
    pub device: String,
    /// The request's id.
    pub request_id: String,
}

/// One entry of an organization's audit log. Entries are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Identity and order.
    pub id: EventId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Who.
    pub actor: Actor,
    /// What, as `noun.verb`: `workspace.create`.
    pub action: String,
    /// To what: an id, or a path of ids for things inside others.
    pub resource: String,
    /// What it was before; null when it is new. Never a secret.
    pub before: serde_json::Value,
    /// What it is now; null when it is gone. Never a secret.
    pub after: serde_json::Value,
    /// From where.
    pub origin: Origin,
    /// When.
    pub at: Timestamp,
}

/// Which entries of an audit log to read. An empty filter reads all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what this user did.
    pub actor: Option<UserId>,
    /// Only this action.
    pub action: Option<String>,
    /// Only what was done to this resource.
    pub resource: Option<String>,
    /// Only from this moment on.
    pub since: Option<Timestamp>,
    /// Only before this moment.
    pub until: Option<Timestamp>,
}
