use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{GroupId, UserId};

/// Immediate removal of a user from a workspace. Until the user's existing tokens, which still name their groups, have
/// expired, those groups have no permissions in the cluster; the remaining members are bound by name instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRevocation {
    /// User whose access was revoked.
    pub user_id: UserId,
    /// Groups that the user's existing tokens may name.
    pub groups: Vec<GroupId>,
    /// Time at which all of the user's existing tokens have expired.
    pub until: Timestamp,
}
