//! Lists that can be shown as a tree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How to show things that lie in each other.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum View {
    /// One after the other.
    #[default]
    Flat,
    /// In each other.
    Tree,
}

/// Something, with what lies in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tree<T> {
    #[serde(flatten)]
    node: T,
    /// What lies in it; only with `view=tree`.
    #[schema(no_recursion)]
    children: Vec<Tree<T>>,
}

/// Puts things, each with its own key and that of what it lies in, into each other. The order stays.
pub(super) fn tree<K: Ord + Copy, T>(things: Vec<(K, Option<K>, T)>) -> Vec<Tree<T>> {
    let mut below: BTreeMap<Option<K>, Vec<(K, T)>> = BTreeMap::new();
    for (key, parent, thing) in things {
        below.entry(parent).or_default().push((key, thing));
    }
    grow(None, &mut below)
}

fn grow<K: Ord + Copy, T>(parent: Option<K>, below: &mut BTreeMap<Option<K>, Vec<(K, T)>>) -> Vec<Tree<T>> {
    let own = below.remove(&parent).unwrap_or_default();
    own.into_iter().map(|(key, node)| Tree { node, children: grow(Some(key), below) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_are_put_into_each_other_in_their_order() {
        let grown = tree(vec![(3, Some(1), "c"), (1, None, "a"), (2, Some(1), "b"), (4, Some(2), "d")]);
        let json = serde_json::to_value(names(&grown)).unwrap();
        assert_eq!(json, serde_json::json!([["a", [["c", []], ["b", [["d", []]]]]]]));
    }

    fn names(trees: &[Tree<&'static str>]) -> serde_json::Value {
        trees.iter().map(|tree| serde_json::json!([tree.node, names(&tree.children)])).collect()
    }
}
