use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::GroupId;
use crate::name::GroupName;

/// Name that a group lost by its deletion or renaming. Tokens name groups, so until those that were issued before have
/// expired, no other group of the workspace can take the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredGroupName {
    /// The name.
    pub name: GroupName,
    /// Group that had the name. It can take the name back at any time.
    pub group_id: GroupId,
    /// Time at which all tokens that carry the name have expired.
    pub until: Timestamp,
}
