use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::name::{DisplayName, ProjectName};
use crate::quota::Quota;
use crate::version::Version;

/// A part of a workspace: a namespace with a quota, roles and a place in the tree of projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Which project.
    pub id: ProjectId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// The name of its namespace, unique in the workspace; it never changes.
    pub name: ProjectName,
    /// The name to show.
    pub display_name: Option<DisplayName>,
    /// The project it is part of; none for a root. It never changes.
    pub parent_id: Option<ProjectId>,
    /// What it may use. Children's quotas are slices of their parent's; roots' of the plan's.
    pub quota: Quota,
    /// The workspace's generation in which it last changed: settled once the workspace observed that one.
    pub generation: u64,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}
