use std::collections::BTreeSet;

use super::group_tree::GroupTree;
use crate::id::{GroupId, ProjectId};
use crate::model::{Assignment, Group, OrganizationRole, PresetRole, Project, RoleRef};

/// How a principal stands in the place where they want to do something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Their role in the organization; none for an outsider.
    pub organization: Option<OrganizationRole>,
    /// Whether they are in any group of the workspace.
    pub in_workspace: bool,
    /// Whether a group gives them `hexabase:workspace-admin`.
    pub workspace_admin: bool,
    /// Whether a group gives them `hexabase:project-admin` in the project concerned.
    pub project_admin: bool,
}

/// What decides on rights in one workspace. It changes only with the workspace's `access_version`, or when
/// projects come and go.
#[derive(Debug, Clone, Default)]
pub struct AccessFacts {
    /// All groups, in the order of their ids.
    pub groups: Vec<Group>,
    /// All assignments.
    pub assignments: Vec<Assignment>,
    /// All projects.
    pub projects: Vec<Project>,
}

impl AccessFacts {
    /// How somebody stands who was put in these groups, in the workspace and, if given, in one project.
    #[must_use]
    pub fn standing(
        &self,
        organization: Option<OrganizationRole>,
        direct: &[GroupId],
        project: Option<ProjectId>,
    ) -> Standing {
        let groups = GroupTree::new(&self.groups).effective(direct);
        let has = |preset: PresetRole, places: &[Option<ProjectId>]| {
            self.assignments_of(&groups)
                .any(|given| given.role == RoleRef::Preset(preset) && places.contains(&given.project_id))
        };
        let lineage: Vec<Option<ProjectId>> =
            project.map(|project| self.lineage(project).map(Some).collect()).unwrap_or_default();
        Standing {
            organization,
            in_workspace: !groups.is_empty(),
            workspace_admin: has(PresetRole::WorkspaceAdmin, &[None]),
            project_admin: has(PresetRole::ProjectAdmin, &lineage),
        }
    }

    /// The assignments that reach one of these groups.
    pub fn assignments_of<'a>(
        &'a self,
        groups: &'a BTreeSet<GroupId>,
    ) -> impl Iterator<Item = &'a Assignment> + 'a {
        self.assignments.iter().filter(move |given| groups.contains(&given.group_id))
    }

    /// A project and the projects it is part of, from the inside out.
    pub fn lineage(&self, project: ProjectId) -> impl Iterator<Item = ProjectId> + '_ {
        lineage(&self.projects, project)
    }
}

/// A project and the projects it is part of, from the inside out.
pub(crate) fn lineage(projects: &[Project], project: ProjectId) -> impl Iterator<Item = ProjectId> + '_ {
    let parent = |id: &ProjectId| projects.iter().find(|project| project.id == *id)?.parent_id;
    std::iter::successors(Some(project), parent).take(projects.len().max(1))
}
