//! Effects of the move of a group.

use std::collections::BTreeSet;

use hexabase_core::access::{AccessFacts, GroupTree};
use hexabase_core::id::{GroupId, ProjectId};
use hexabase_core::model::RoleRef;

/// Role in a project, or in the workspace as a whole.
pub(super) type PlacedRole = (RoleRef, Option<ProjectId>);

/// Effects of the move of a group on its members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MovePreview {
    /// Groups that the members join.
    pub(super) joined: Vec<GroupId>,
    /// Groups that the members leave.
    pub(super) left: Vec<GroupId>,
    /// Roles that the members gain through the groups.
    pub(super) gained: Vec<PlacedRole>,
    /// Roles that the members lose through the groups.
    pub(super) lost: Vec<PlacedRole>,
}

/// Returns the effects of a move below another parent, or to the roots. Roles that members have through other groups as
/// well are not considered.
pub(super) fn move_preview(facts: &AccessFacts, group: GroupId, parent: Option<GroupId>) -> MovePreview {
    let tree = GroupTree::new(&facts.groups);
    let chain = |start: Option<GroupId>| -> BTreeSet<GroupId> {
        start.into_iter().flat_map(|id| tree.with_ancestors(id)).map(|group| group.id).collect()
    };
    let own: BTreeSet<_> = BTreeSet::from([group]);
    let before = chain(tree.get(group).and_then(|group| group.parent_id));
    let after = chain(parent);
    let roles = |groups: &BTreeSet<GroupId>| -> BTreeSet<PlacedRole> {
        let all = groups.union(&own).copied().collect();
        facts.assignments_of(&all).map(|assignment| (assignment.role, assignment.project_id)).collect()
    };
    let (roles_before, roles_after) = (roles(&before), roles(&after));
    MovePreview {
        joined: after.difference(&before).copied().collect(),
        left: before.difference(&after).copied().collect(),
        gained: roles_after.difference(&roles_before).copied().collect(),
        lost: roles_before.difference(&roles_after).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;
    use hexabase_core::id::{AssignmentId, OrganizationId, WorkspaceId};
    use hexabase_core::model::{Assignment, Group, PresetRole};

    use super::*;

    fn group(name: &str, parent: Option<&str>) -> Group {
        Group { parent_id: parent.map(fixture::id), ..fixture::group(name) }
    }

    fn assignment(group: &str, role: PresetRole, project: Option<&str>) -> Assignment {
        Assignment {
            id: fixture::id::<AssignmentId>(&format!("{group}{role}")),
            organization_id: fixture::id::<OrganizationId>("acme"),
            workspace_id: fixture::id::<WorkspaceId>("dev"),
            project_id: project.map(fixture::id),
            group_id: fixture::id(group),
            role: RoleRef::Preset(role),
            created_by: fixture::id("owner"),
            created_at: fixture::FIXTURE_TIME,
        }
    }

    /// The group `team` is below `staff`, which is below `all`; `ops` is below `all`, too.
    fn facts() -> AccessFacts {
        let mut groups = vec![
            group("all", None),
            group("staff", Some("all")),
            group("ops", Some("all")),
            group("team", Some("staff")),
        ];
        groups.sort_by_key(|group| group.id);
        let assignments = vec![
            assignment("all", PresetRole::WorkspaceViewer, None),
            assignment("staff", PresetRole::ProjectEditor, Some("shop")),
            assignment("ops", PresetRole::WorkspaceAdmin, None),
            assignment("team", PresetRole::ProjectViewer, Some("shop")),
        ];
        AccessFacts { groups, assignments, ..AccessFacts::default() }
    }

    #[test]
    fn members_gain_and_lose_what_the_parents_grant() {
        let preview = move_preview(&facts(), fixture::id("team"), Some(fixture::id("ops")));
        assert_eq!(
            preview,
            MovePreview {
                joined: vec![fixture::id("ops")],
                left: vec![fixture::id("staff")],
                gained: vec![(RoleRef::Preset(PresetRole::WorkspaceAdmin), None)],
                lost: vec![(RoleRef::Preset(PresetRole::ProjectEditor), Some(fixture::id("shop")))],
            }
        );
    }

    #[test]
    fn a_role_of_both_parents_stays() {
        let mut facts = facts();
        facts.assignments.push(assignment("ops", PresetRole::ProjectEditor, Some("shop")));
        let preview = move_preview(&facts, fixture::id("team"), Some(fixture::id("ops")));
        assert!(preview.lost.is_empty());
    }

    #[test]
    fn a_move_to_the_roots_only_loses() {
        let preview = move_preview(&facts(), fixture::id("team"), None);
        assert_eq!((preview.joined.len(), preview.left.len()), (0, 2));
        assert_eq!((preview.gained.len(), preview.lost.len()), (0, 2));
        let nothing = move_preview(&facts(), fixture::id("team"), Some(fixture::id("staff")));
        assert_eq!(nothing, MovePreview::default());
    }
}
