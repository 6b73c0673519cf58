use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{GroupId, UserId};

/// Somebody who was put out of a workspace at once. Until the tokens have ended that they may still have, and that name
/// their groups, those groups have no rights in the cluster: whoever else is in them has them by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Who was put out.
    pub user_id: UserId,
    /// The groups that their tokens may name.
    pub groups: Vec<GroupId>,
    /// When all of their tokens have ended.
    pub until: Timestamp,
}
