use std::collections::BTreeSet;

use crate::id::GroupId;
use crate::model::Group;

/// Tree of the groups of one workspace. It borrows the groups as a store lists them, ordered by id, and needs no
/// preparation.
#[derive(Debug, Clone, Copy)]
pub struct GroupTree<'a>(&'a [Group]);

/// Effective membership of a group, with its derivation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPath {
    /// Group of the effective membership.
    pub group_id: GroupId,
    /// Path from the group of the direct membership up to `group_id`.
    pub path: Vec<GroupId>,
}

impl<'a> GroupTree<'a> {
    /// Creates a tree of groups, which must be ordered by id.
    #[must_use]
    pub fn new(groups: &'a [Group]) -> Self {
        debug_assert!(groups.is_sorted_by_key(|group| group.id), "groups are ordered by id");
        Self(groups)
    }

    /// Returns a group.
    #[must_use]
    pub fn get(&self, id: GroupId) -> Option<&'a Group> {
        self.0.binary_search_by_key(&id, |group| group.id).ok().map(|index| &self.0[index])
    }

    /// Returns a group and its ancestors, innermost first. Terminates even if the stored data has a cycle.
    pub fn with_ancestors(&self, id: GroupId) -> impl Iterator<Item = &'a Group> + use<'a> {
        let tree = *self;
        let first = tree.get(id);
        let chain = std::iter::successors(first, move |group| tree.get(group.parent_id?));
        chain.take(self.0.len())
    }

    /// Returns the effective groups of a user with these direct memberships: the groups and all their ancestors.
    #[must_use]
    pub fn effective(&self, direct: &[GroupId]) -> BTreeSet<GroupId> {
        let mut all = BTreeSet::new();
        for id in direct {
            for group in self.with_ancestors(*id) {
                if !all.insert(group.id) {
                    break;
                }
            }
        }
        all
    }

    /// Returns the sorted names of the effective groups of a user with these direct memberships: the claim `groups`.
    #[must_use]
    pub fn claim(&self, direct: &[GroupId]) -> Vec<&'a str> {
        let effective = self.effective(direct);
        let mut names: Vec<&str> =
            effective.iter().filter_map(|id| self.get(*id)).map(|g| g.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Returns the groups of [`Self::effective`], each with the shortest path to it.
    #[must_use]
    pub fn effective_paths(&self, direct: &[GroupId]) -> Vec<GroupPath> {
        let mut found: std::collections::BTreeMap<GroupId, Vec<GroupId>> = std::collections::BTreeMap::new();
        for id in direct {
            let mut path = Vec::new();
            for group in self.with_ancestors(*id) {
                path.push(group.id);
                let known = found.entry(group.id).or_insert_with(|| path.clone());
                if path.len() < known.len() {
                    known.clone_from(&path);
                }
            }
        }
        found.into_iter().map(|(group_id, path)| GroupPath { group_id, path }).collect()
    }

    /// Returns a group and its descendants. Members of these groups are effective members of the group.
    #[must_use]
    pub fn with_descendants(&self, id: GroupId) -> Vec<GroupId> {
        let below = |group: &&Group| self.with_ancestors(group.id).any(|ancestor| ancestor.id == id);
        self.0.iter().filter(below).map(|group| group.id).collect()
    }

    /// `true` if making `group` a child of `parent` would create a cycle.
    #[must_use]
    pub fn would_cycle(&self, group: GroupId, parent: GroupId) -> bool {
        self.with_ancestors(parent).any(|ancestor| ancestor.id == group)
    }

    /// Returns the children of a group, or the roots for `None`.
    pub fn children(&self, parent: Option<GroupId>) -> impl Iterator<Item = &'a Group> + use<'a> {
        self.0.iter().filter(move |group| group.parent_id == parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{OrganizationId, TypedId, WorkspaceId};
    use crate::name::GroupName;
    use crate::version::Version;
    use jiff::Timestamp;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn id(number: u128) -> GroupId {
        GroupId::from_uuid(Uuid::from_u128(number))
    }

    fn group(number: u128, parent: Option<u128>) -> Group {
        Group {
            id: id(number),
            organization_id: OrganizationId::least(),
            workspace_id: WorkspaceId::least(),
            name: GroupName::parse(&format!("g{number}")).unwrap(),
            parent_id: parent.map(id),
            preset: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            version: Version::FIRST,
        }
    }

    /// 1 ── 2 ── 3
    ///  └── 4         5
    fn sample_groups() -> Vec<Group> {
        vec![group(1, None), group(2, Some(1)), group(3, Some(2)), group(4, Some(1)), group(5, None)]
    }

    #[test]
    fn membership_of_a_group_implies_membership_of_its_ancestors() {
        let groups = sample_groups();
        let tree = GroupTree::new(&groups);
        assert_eq!(tree.claim(&[id(3), id(4)]), ["g1", "g2", "g3", "g4"]);
        assert_eq!(tree.claim(&[]), Vec::<&str>::new());
        assert_eq!(tree.claim(&[id(99)]), Vec::<&str>::new(), "an unknown group is ignored");
    }

    #[test]
    fn an_effective_membership_has_the_shortest_path() {
        let groups = sample_groups();
        let paths = GroupTree::new(&groups).effective_paths(&[id(3), id(4)]);
        let root = paths.iter().find(|path| path.group_id == id(1)).unwrap();
        assert_eq!(root.path, [id(4), id(1)], "the shorter of two paths");
    }

    #[test]
    fn a_group_cannot_become_a_descendant_of_itself() {
        let groups = sample_groups();
        let tree = GroupTree::new(&groups);
        assert!(tree.would_cycle(id(1), id(3)));
        assert!(tree.would_cycle(id(1), id(1)));
        assert!(!tree.would_cycle(id(3), id(5)));
    }

    #[test]
    fn descendants_include_the_group_itself() {
        let groups = sample_groups();
        assert_eq!(GroupTree::new(&groups).with_descendants(id(2)), [id(2), id(3)]);
    }

    #[test]
    fn a_cycle_in_stored_data_does_not_cause_an_endless_loop() {
        let groups = vec![group(1, Some(2)), group(2, Some(1))];
        assert_eq!(GroupTree::new(&groups).effective(&[id(1)]).len(), 2);
    }

    proptest! {
        #[test]
        fn allowed_moves_never_create_a_cycle(moves in proptest::collection::vec((0..12_u128, 0..12_u128), 0..60)) {
            let mut groups: Vec<Group> = (0..12).map(|number| group(number, None)).collect();
            for (child, parent) in moves {
                if !GroupTree::new(&groups).would_cycle(id(child), id(parent)) {
                    let index = usize::try_from(child).unwrap();
                    groups[index].parent_id = Some(id(parent));
                }
            }
            let tree = GroupTree::new(&groups);
            for group in &groups {
                prop_assert!(tree.with_ancestors(group.id).last().unwrap().parent_id.is_none());
            }
        }

        #[test]
        fn effective_groups_equal_the_closure_over_parents(parents in proptest::collection::vec(0..20_u128, 1..20), direct in proptest::collection::vec(0..20_u128, 0..6)) {
            // The parent of group n has a smaller number, so there is never a cycle.
            let groups: Vec<Group> = parents.iter().enumerate().map(|(n, p)| group(n as u128, (*p < n as u128).then_some(*p))).collect();
            let direct: Vec<GroupId> = direct.into_iter().map(id).collect();
            let mut expected = BTreeSet::new();
            for start in &direct {
                let mut next = groups.iter().find(|group| group.id == *start);
                while let Some(group) = next {
                    expected.insert(group.id);
                    next = groups.iter().find(|other| Some(other.id) == group.parent_id);
                }
            }
            prop_assert_eq!(GroupTree::new(&groups).effective(&direct), expected);
        }
    }
}
