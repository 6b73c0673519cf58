use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{GroupId, OrganizationId, UserId, WorkspaceId};
use crate::model::words;
use crate::name::GroupName;
use crate::version::Version;

/// A group of a workspace. Being in a group means being in all its ancestors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Which group.
    pub id: GroupId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// Its name, unique in the workspace; with a prefix it is the group that Kubernetes sees.
    pub name: GroupName,
    /// The group it is part of; none for a root.
    pub parent_id: Option<GroupId>,
    /// Which of the groups that every workspace begins with it is, if any. Such a group can be renamed but
    /// neither moved nor deleted.
    pub preset: Option<GroupPreset>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}

/// The groups that every workspace begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupPreset {
    /// Everybody in the workspace: `WorkspaceMembers`.
    Members,
    /// Its administrators: `WSAdmins`.
    Admins,
    /// Its ordinary users: `WSUsers`.
    Users,
}

words!(GroupPreset { Members = "members", Admins = "admins", Users = "users" } else UnknownGroupPreset = "no preset group");

/// Somebody's place in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// In which organization.
    pub organization_id: OrganizationId,
    /// In which workspace.
    pub workspace_id: WorkspaceId,
    /// In which group.
    pub group_id: GroupId,
    /// Who.
    pub user_id: UserId,
    /// Who put them there.
    pub added_by: UserId,
    /// Since when.
    pub created_at: Timestamp,
}
