//! Lists that can be returned as a tree.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Resource with its children.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tree<T> {
    #[serde(flatten)]
    node: T,
    /// Children of the resource; only with `view=tree`.
    #[schema(no_recursion)]
    children: Vec<Tree<T>>,
}

/// Builds the trees of entries with their keys and those of their parents. Siblings keep their order.
pub(super) fn build_tree<K: Ord + Copy, T>(entries: Vec<(K, Option<K>, T)>) -> Vec<Tree<T>> {
    let mut children_of: BTreeMap<Option<K>, Vec<(K, T)>> = BTreeMap::new();
    for (key, parent, entry) in entries {
        children_of.entry(parent).or_default().push((key, entry));
    }
    build_level(None, &mut children_of)
}

fn build_level<K: Ord + Copy, T>(
    parent: Option<K>,
    children_of: &mut BTreeMap<Option<K>, Vec<(K, T)>>,
) -> Vec<Tree<T>> {
    let own = children_of.remove(&parent).unwrap_or_default();
    own.into_iter().map(|(key, node)| Tree { node, children: build_level(Some(key), children_of) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_nested_and_keep_their_order() {
        let trees = build_tree(vec![(3, Some(1), "c"), (1, None, "a"), (2, Some(1), "b"), (4, Some(2), "d")]);
        let json = serde_json::to_value(names(&trees)).unwrap();
        assert_eq!(json, serde_json::json!([["a", [["c", []], ["b", [["d", []]]]]]]));
    }

    fn names(trees: &[Tree<&'static str>]) -> serde_json::Value {
        trees.iter().map(|tree| serde_json::json!([tree.node, names(&tree.children)])).collect()
    }
}
