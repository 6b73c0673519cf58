use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::model::string_enum;
use crate::name::Slug;
use crate::version::Version;

/// Rule of a Kubernetes role: verbs that are allowed on resources
/// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// API groups. The core group is the empty string.
    pub api_groups: Vec<String>,
    /// Resources in the plural; subresources as `pods/log`.
    pub resources: Vec<String>,
    /// Verbs: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verbs: Vec<String>,
    /// Names of single objects. Empty: all objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

/// Role with its own rules, defined by users of a workspace for one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    /// Id of the role.
    pub id: RoleId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the project.
    pub workspace_id: WorkspaceId,
    /// Project of the role.
    pub project_id: ProjectId,
    /// Name, unique in the project.
    pub name: Slug,
    /// Rules of the role.
    pub rules: Vec<Rule>,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

/// Roles that every workspace and every project has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PresetRole {
    /// Administration of the whole workspace.
    WorkspaceAdmin,
    /// Read access to the whole workspace, except Secrets.
    WorkspaceViewer,
    /// Administration of one project.
    ProjectAdmin,
    /// Write access to the workloads of one project.
    ProjectEditor,
    /// Read access to one project, except Secrets.
    ProjectViewer,
}

string_enum!(PresetRole {
    WorkspaceAdmin = "hexabase:workspace-admin",
    WorkspaceViewer = "hexabase:workspace-viewer",
    ProjectAdmin = "hexabase:project-admin",
    ProjectEditor = "hexabase:project-editor",
    ProjectViewer = "hexabase:project-viewer",
} else UnknownPresetRole = "must be one of hexabase:workspace-admin, hexabase:workspace-viewer, hexabase:project-admin, hexabase:project-editor, hexabase:project-viewer");

impl PresetRole {
    /// `true` if the role is assigned in a workspace as a whole, not in one of its projects.
    #[must_use]
    pub const fn is_for_workspace(self) -> bool {
        matches!(self, Self::WorkspaceAdmin | Self::WorkspaceViewer)
    }
}

/// Reference to a role in an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleRef {
    /// Preset role.
    Preset(PresetRole),
    /// Custom role of the project.
    Custom(RoleId),
}

impl fmt::Display for RoleRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset) => preset.fmt(out),
            Self::Custom(id) => id.fmt(out),
        }
    }
}

impl FromStr for RoleRef {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let preset = text.parse().map(Self::Preset);
        preset.or_else(|_| text.parse().map(Self::Custom)).map_err(|_| UnknownRole)
    }
}

/// Text that does not name a [`RoleRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a preset such as hexabase:project-editor, or the id of a custom role (rol_…)")]
pub struct UnknownRole;

impl Serialize for RoleRef {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RoleRef {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Assignment of a role to a group: in the whole workspace, or in one project and its descendants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Id of the assignment.
    pub id: AssignmentId,
    /// Organization of the workspace.
    pub organization_id: OrganizationId,
    /// Workspace of the assignment.
    pub workspace_id: WorkspaceId,
    /// Project of the assignment; `None` for the workspace as a whole.
    pub project_id: Option<ProjectId>,
    /// Group that receives the role.
    pub group_id: GroupId,
    /// Assigned role.
    pub role: RoleRef,
    /// User who created the assignment.
    pub created_by: UserId,
    /// Creation time.
    pub created_at: Timestamp,
}
