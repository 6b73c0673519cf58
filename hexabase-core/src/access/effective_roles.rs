use std::collections::BTreeSet;

use super::action::WorkspaceRight;
use super::group_tree::GroupTree;
use super::review::Attributes;
use crate::id::{GroupId, ProjectId};
use crate::model::{Assignment, CustomRole, Group, OrganizationRole, PresetRole, Project, RoleRef};

/// Effective roles of a principal for one action.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EffectiveRoles {
    /// Role in the organization; `None` for an outsider.
    pub organization: Option<OrganizationRole>,
    /// `true` if the principal is a member of any group of the workspace.
    pub in_workspace: bool,
    /// `true` if a group grants `hexabase:workspace-admin`.
    pub workspace_admin: bool,
    /// `true` if a group grants `hexabase:project-admin` in the project concerned.
    pub project_admin: bool,
    /// `true` if a group grants a role that allows `get pods/log` in the project concerned, or without one in the
    /// workspace as a whole.
    pub pod_logs: bool,
}

/// Data that determines permissions in one workspace. It changes only together with the workspace's `access_version`,
/// or when projects are created or deleted.
#[derive(Debug, Clone, Default)]
pub struct AccessFacts {
    /// All groups, ordered by id.
    pub groups: Vec<Group>,
    /// All assignments.
    pub assignments: Vec<Assignment>,
    /// All projects.
    pub projects: Vec<Project>,
    /// All custom roles.
    pub roles: Vec<CustomRole>,
}

impl AccessFacts {
    /// Returns the effective roles of a user who is a direct member of the groups `direct`, in the workspace and, if
    /// given, in one project.
    #[must_use]
    pub fn effective_roles(
        &self,
        organization: Option<OrganizationRole>,
        direct: &[GroupId],
        project: Option<ProjectId>,
    ) -> EffectiveRoles {
        let groups = GroupTree::new(&self.groups).effective(direct);
        let has = |preset: PresetRole, places: &[Option<ProjectId>]| {
            self.assignments_of(&groups).any(|assignment| {
                assignment.role == RoleRef::Preset(preset) && places.contains(&assignment.project_id)
            })
        };
        let lineage: Vec<Option<ProjectId>> =
            project.map(|project| self.lineage(project).map(Some).collect()).unwrap_or_default();
        let pod_logs = Attributes::get("", "pods/log", project);
        EffectiveRoles {
            organization,
            in_workspace: !groups.is_empty(),
            workspace_admin: has(PresetRole::WorkspaceAdmin, &[None]),
            project_admin: has(PresetRole::ProjectAdmin, &lineage),
            pod_logs: self.assignments_of(&groups).any(|it| self.allows(it, &pod_logs)),
        }
    }

    /// Returns the right in the workspace that membership of a group grants.
    #[must_use]
    pub fn right_of(&self, group: GroupId) -> WorkspaceRight {
        let groups = GroupTree::new(&self.groups).effective(&[group]);
        let rights = self.assignments_of(&groups).map(|assignment| right_of_role(assignment.role));
        rights.fold(
            WorkspaceRight::Member,
            |highest, right| if right.includes(highest) { right } else { highest },
        )
    }

    /// Returns the assignments to one of the groups.
    pub fn assignments_of<'a>(
        &'a self,
        groups: &'a BTreeSet<GroupId>,
    ) -> impl Iterator<Item = &'a Assignment> + 'a {
        self.assignments.iter().filter(move |assignment| groups.contains(&assignment.group_id))
    }

    /// Returns a project and its ancestors, innermost first.
    pub fn lineage(&self, project: ProjectId) -> impl Iterator<Item = ProjectId> + '_ {
        lineage(&self.projects, project)
    }
}

/// Returns the right in the workspace that a role grants to the members of a group, at most: the rules of a custom role
/// can change after its assignment.
#[must_use]
pub const fn right_of_role(role: RoleRef) -> WorkspaceRight {
    match role {
        RoleRef::Preset(PresetRole::WorkspaceAdmin) => WorkspaceRight::Admin,
        RoleRef::Preset(PresetRole::ProjectAdmin) => WorkspaceRight::ProjectAdmin,
        RoleRef::Preset(_) | RoleRef::Custom(_) => WorkspaceRight::PodLogs,
    }
}

/// Returns a project and its ancestors, innermost first.
pub(crate) fn lineage(projects: &[Project], project: ProjectId) -> impl Iterator<Item = ProjectId> + '_ {
    let parent = |id: &ProjectId| projects.iter().find(|project| project.id == *id)?.parent_id;
    std::iter::successors(Some(project), parent).take(projects.len().max(1))
}
