use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::model::words;
use crate::name::Slug;
use crate::version::Version;

/// What may be done with what: one rule of a Kubernetes role
/// (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// API groups; the core group is the empty text.
    pub api_groups: Vec<String>,
    /// Resources in the plural, subresources as `pods/log`.
    pub resources: Vec<String>,
    /// Verbs: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verbs: Vec<String>,
    /// Names of single objects; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
}

/// A role that people of a workspace made for one project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomRole {
    /// Which role.
    pub id: RoleId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// Of which project.
    pub project_id: ProjectId,
    /// Its name, unique in the project.
    pub name: Slug,
    /// What it allows.
    pub rules: Vec<Rule>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change.
    pub version: Version,
}

/// The roles that every workspace and every project has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PresetRole {
    /// Administers the whole workspace.
    WorkspaceAdmin,
    /// Sees the whole workspace, secrets excepted.
    WorkspaceViewer,
    /// Administers one project.
    ProjectAdmin,
    /// Changes workloads in one project.
    ProjectEditor,
    /// Sees one project, secrets excepted.
    ProjectViewer,
}

words!(PresetRole {
    WorkspaceAdmin = "hexabase:workspace-admin",
    WorkspaceViewer = "hexabase:workspace-viewer",
    ProjectAdmin = "hexabase:project-admin",
    ProjectEditor = "hexabase:project-editor",
    ProjectViewer = "hexabase:project-viewer",
} else UnknownPresetRole = "must be one of hexabase:workspace-admin, hexabase:workspace-viewer, hexabase:project-admin, hexabase:project-editor, hexabase:project-viewer");

impl PresetRole {
    /// Whether it is assigned in a workspace as a whole, not in one of its projects.
    #[must_use]
    pub const fn is_for_workspace(self) -> bool {
        matches!(self, Self::WorkspaceAdmin | Self::WorkspaceViewer)
    }
}

/// A role as an assignment names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleRef {
    /// One that is always there.
    Preset(PresetRole),
    /// One that was made for the project.
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

/// A text that names no role.
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

/// A role given to a group: in the whole workspace, or in one project and its descendants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// Which assignment.
    pub id: AssignmentId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Of which workspace.
    pub workspace_id: WorkspaceId,
    /// In which project; none for the workspace as a whole.
    pub project_id: Option<ProjectId>,
    /// To which group.
    pub group_id: GroupId,
    /// Which role.
    pub role: RoleRef,
    /// Who gave it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
}
