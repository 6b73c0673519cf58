//! Trees from flat lists.

use crate::components::{TreeChoice, TreeNode};

/// Object with a parent of the same kind.
pub(crate) trait Nested {
    /// Id of the object.
    type Id: PartialEq + Copy;

    /// Returns the id.
    fn id(&self) -> Self::Id;

    /// Returns the id of the parent; `None` for a root.
    fn parent(&self) -> Option<Self::Id>;
}

impl Nested for hexabase_core::model::Group {
    type Id = hexabase_core::id::GroupId;

    fn id(&self) -> Self::Id {
        self.id
    }

    fn parent(&self) -> Option<Self::Id> {
        self.parent_id
    }
}

impl Nested for hexabase_core::model::Project {
    type Id = hexabase_core::id::ProjectId;

    fn id(&self) -> Self::Id {
        self.id
    }

    fn parent(&self) -> Option<Self::Id> {
        self.parent_id
    }
}

/// Maximum number of levels that are shown. Neither groups nor projects can be nested deeper.
const MAX_DEPTH: usize = 32;

/// Returns the tree of the objects, each with the label and facts of `node`.
pub(crate) fn tree_nodes<T: Nested>(items: &[T], node: &dyn Fn(&T) -> TreeNode) -> Vec<TreeNode> {
    below(items, None, MAX_DEPTH, &|item, children| TreeNode { children, ..node(item) })
}

/// Returns the tree of the objects as choices.
pub(crate) fn tree_choices<T: Nested>(items: &[T], choice: &dyn Fn(&T) -> TreeChoice) -> Vec<TreeChoice> {
    below(items, None, MAX_DEPTH, &|item, children| TreeChoice { children, ..choice(item) })
}

/// Returns the objects in the order of their tree, each with its level.
pub(crate) fn in_order<T: Nested>(items: &[T]) -> Vec<(usize, &T)> {
    fn visit<'a, T: Nested>(
        items: &'a [T],
        parent: Option<T::Id>,
        level: usize,
        found: &mut Vec<(usize, &'a T)>,
    ) {
        for item in items.iter().filter(|item| item.parent() == parent && level < MAX_DEPTH) {
            found.push((level, item));
            visit(items, Some(item.id()), level + 1, found);
        }
    }
    let mut found = Vec::with_capacity(items.len());
    visit(items, None, 0, &mut found);
    found
}

fn below<T: Nested, N>(
    items: &[T],
    parent: Option<T::Id>,
    levels: usize,
    node: &dyn Fn(&T, Vec<N>) -> N,
) -> Vec<N> {
    if levels == 0 {
        return Vec::new();
    }
    let children = items.iter().filter(|item| item.parent() == parent);
    children.map(|item| node(item, below(items, Some(item.id()), levels - 1, node))).collect()
}

#[cfg(test)]
mod tests {
    use hexabase_core::fixture;
    use hexabase_core::model::Group;
    use maud::html;

    use super::*;

    fn groups() -> Vec<Group> {
        let group = |name: &str, parent: Option<&str>| Group {
            parent_id: parent.map(fixture::id),
            ..fixture::group(name)
        };
        vec![group("c", Some("b")), group("a", None), group("b", Some("a")), group("d", None)]
    }

    #[test]
    fn objects_are_below_their_parents() {
        let node =
            |group: &Group| TreeNode { label: html! { (group.name) }, facts: html! {}, children: Vec::new() };
        let nodes = tree_nodes(&groups(), &node);
        let labels = |nodes: &[TreeNode]| nodes.iter().map(|node| node.label.0.clone()).collect::<Vec<_>>();
        assert_eq!(labels(&nodes), ["a", "d"]);
        assert_eq!(labels(&nodes[0].children[0].children), ["c"]);
        let groups = groups();
        let order: Vec<_> =
            in_order(&groups).into_iter().map(|(level, group)| format!("{level}{}", group.name)).collect();
        assert_eq!(order, ["0a", "1b", "2c", "0d"]);
    }

    #[test]
    fn a_cycle_is_not_followed() {
        let mut groups = groups();
        groups[1].parent_id = Some(fixture::id("b"));
        assert_eq!(in_order(&groups).len(), 1);
    }
}
