use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::model::string_enum;
use crate::name::GroupName;
use crate::search::searchable;
use crate::version::Version;

/// Group of a workspace. Membership of a group implies membership of all its ancestors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Id of the group.
    pub id: GroupId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the group.
    pub workspace_id: WorkspaceId,
    /// Name, unique in the workspace. With a prefix it is the group name in Kubernetes.
    pub name: GroupName,
    /// Parent group; `None` for a root.
    pub parent_id: Option<GroupId>,
    /// Preset that the group is, `None` for other groups. A preset group can be renamed, but neither moved nor
    /// deleted.
    pub preset: Option<GroupPreset>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

impl Group {
    /// Returns the texts by which a group is found.
    #[must_use]
    pub fn searchable(&self) -> String {
        searchable([&self.name as &dyn std::fmt::Display])
    }
}

/// Groups that every workspace starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupPreset {
    /// All members of the workspace: `WorkspaceMembers`.
    Members,
    /// Administrators of the workspace: `WSAdmins`.
    Admins,
    /// Ordinary users of the workspace: `WSUsers`.
    Users,
}

string_enum!(GroupPreset { Members = "members", Admins = "admins", Users = "users" } else UnknownGroupPreset = "must be members, admins or users");

/// Membership of a user in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the group.
    pub workspace_id: WorkspaceId,
    /// Group.
    pub group_id: GroupId,
    /// Member.
    pub user_id: UserId,
    /// User who added the member.
    pub added_by: UserId,
    /// Time at which the member was added.
    pub created_at: Timestamp,
}
