use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, ProjectId, UserId, WorkspaceId};
use crate::name::{DisplayName, ProjectName};
use crate::quota::Quota;
use crate::search::searchable;
use crate::version::Version;

/// Part of a workspace: a namespace with a quota, roles and a place in the tree of projects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Id of the project.
    pub id: ProjectId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the project.
    pub workspace_id: WorkspaceId,
    /// Name of the namespace, unique in the workspace. It never changes.
    pub name: ProjectName,
    /// Name for display.
    pub display_name: Option<DisplayName>,
    /// Parent project; `None` for a root. It never changes.
    pub parent_id: Option<ProjectId>,
    /// Maximum resource consumption. Quotas of children are slices of the parent's quota; quotas of roots are slices
    /// of
    /// the plan's quota.
    pub quota: Quota,
    /// Generation of the workspace in which the project last changed. The change is applied once the workspace has
    /// observed that generation.
    pub generation: u64,
    /// User who created the project.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

impl Project {
    /// Returns the texts by which a project is found.
    #[must_use]
    pub fn searchable(&self) -> String {
        let display_name = self.display_name.as_ref().map(|name| name as &dyn std::fmt::Display);
        searchable([&self.name as &dyn std::fmt::Display].into_iter().chain(display_name))
    }
}
