//! Filters of lists, which are part of the address.

use maud::{Markup, html};

use crate::components::Pager;
use crate::form::Fields;
use crate::language::Texts;

/// Page sizes to choose from.
const SIZES: [u64; 3] = [25, 50, 100];
/// Page size without a choice.
const DEFAULT_SIZE: u64 = 50;

/// Query of a list.
pub(crate) struct Filters {
    query: String,
    pairs: Vec<(String, String)>,
}

impl Filters {
    /// Creates the filters of a query string.
    pub(crate) fn new(query: &str) -> Self {
        Self {
            query: query.to_owned(),
            pairs: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        }
    }

    /// Returns the query string.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// Returns the filters as fields of a form.
    pub(crate) fn fields(&self) -> Fields {
        Fields::new(self.pairs.clone())
    }

    /// Returns the value of a filter; empty if it is not set.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// `true` if the list is filtered.
    pub(crate) fn is_filtered(&self) -> bool {
        self.pairs
            .iter()
            .any(|(name, value)| !matches!(name.as_str(), "limit" | "cursor") && !value.is_empty())
    }

    /// Returns the links to the other pages of the list.
    pub(crate) fn pager(&self, url: &str, next_cursor: Option<&str>) -> Pager {
        self.pager_of(DEFAULT_SIZE, url, next_cursor)
    }

    /// Returns the links to the other pages of a list that has pages of a size unless the user chooses another.
    pub(crate) fn pager_of(&self, size: u64, url: &str, next_cursor: Option<&str>) -> Pager {
        let size = self.get("limit").parse().unwrap_or(size);
        let is_first = self.get("cursor").is_empty();
        // Filters without a value are kept: a cursor is valid for the query that it was made for.
        let href = |changes: &[(&str, &str)]| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            let kept = self
                .pairs
                .iter()
                .filter(|(name, _)| name != "cursor" && !changes.iter().any(|(changed, _)| changed == name));
            query.extend_pairs(kept).extend_pairs(changes);
            let query = query.finish();
            if query.is_empty() { url.to_owned() } else { format!("{url}?{query}") }
        };
        Pager {
            first_href: (!is_first).then(|| href(&[])),
            next_href: next_cursor.map(|cursor| href(&[("cursor", cursor)])),
            sizes: SIZES.iter().map(|size| (*size, href(&[("limit", &size.to_string())]))).collect(),
            size,
        }
    }
}

/// Button that applies the filters.
pub(crate) fn submit_filters(texts: &Texts) -> Markup {
    html! { button class="button" type="submit" { (texts.text("filter-apply")) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_between_pages_keep_the_filters() {
        let filters = Filters::new("q=a+b&role=&limit=25&cursor=abc");
        assert!(filters.is_filtered());
        let pager = filters.pager("/members", Some("next"));
        assert_eq!(pager.first_href.as_deref(), Some("/members?q=a+b&role=&limit=25"));
        assert_eq!(pager.next_href.as_deref(), Some("/members?q=a+b&role=&limit=25&cursor=next"));
        assert_eq!(pager.sizes[2].1, "/members?q=a+b&role=&limit=100");
        let first = Filters::new("");
        assert!(!first.is_filtered());
        assert_eq!(first.pager("/members", None).next_href, None);
    }
}
