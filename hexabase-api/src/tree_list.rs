//! Lists that can be returned as a tree.

use std::collections::BTreeMap;

use hexabase_core::error::{Error, Result};
use hexabase_core::search::SearchText;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::filters::parse_text;
use crate::response::PageQuery;

/// Form of a list of nested resources.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[schema(as = ListView)]
#[serde(rename_all = "lowercase")]
pub(super) enum View {
    /// Flat list.
    #[default]
    Flat,
    /// Tree.
    Tree,
}

/// Form of a list, and the page to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TreeQuery {
    /// `flat` for a paginated list, or `tree` for all items at once, nested in `children`.
    #[serde(default)]
    pub(super) view: View,
    /// Part of the name or display name, in any case; only with `view=flat`.
    #[param(min_length = 1, max_length = 100)]
    q: Option<String>,
    /// Maximum number of items, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// Position of the page: `next_cursor` of the previous page.
    cursor: Option<String>,
}

impl TreeQuery {
    pub(super) fn page(&self) -> PageQuery {
        PageQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Returns the text to search for.
    ///
    /// # Errors
    /// `Invalid` for a text that cannot be searched for, and for a tree.
    pub(super) fn text(&self) -> Result<Option<SearchText>> {
        if self.q.is_some() && matches!(self.view, View::Tree) {
            return Err(Error::invalid("q", "cannot be combined with view=tree"));
        }
        parse_text(self.q.as_ref())
    }
}

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
