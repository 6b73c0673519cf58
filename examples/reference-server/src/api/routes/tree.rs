//! Lists that can be shown as a tree.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::reply::PageQuery;

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

/// How to show a list, and which page of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TreeQuery {
    /// `flat`, page by page, or `tree`, all at once with `children` inside.
    #[serde(default)]
    #[param(inline)]
    pub(super) view: View,
    /// How many entries at most, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Where the page begins: `next_cursor` of the page before.
    cursor: Option<String>,
}

impl TreeQuery {
    pub(super) fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }
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
