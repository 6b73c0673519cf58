//! Lists are read a page at a time, by key: page 1,000 costs what page 1 costs.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::TypedId;

/// Which part of a list to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u16,
    after: Option<String>,
}

impl PageRequest {
    /// The largest page there is.
    pub const MAX_LIMIT: u16 = 200;
    /// The size of a page when nobody says.
    pub const DEFAULT_LIMIT: u16 = 50;

    /// A page of at most `limit` entries (cut to 1..=[`Self::MAX_LIMIT`]) that come after the position
    /// `after` of an earlier page.
    #[must_use]
    pub fn new(limit: u16, after: Option<String>) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), after }
    }

    /// The first page of the largest size.
    #[must_use]
    pub fn largest() -> Self {
        Self::new(Self::MAX_LIMIT, None)
    }

    /// How many entries at most.
    #[must_use]
    pub fn limit(&self) -> usize {
        usize::from(self.limit)
    }

    /// The position after which the page begins.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The position as an id, for lists that are ordered by id.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) when it is none of this kind.
    pub fn after_id<T: TypedId>(&self) -> Result<Option<T>> {
        let wrong = |_| Error::invalid("cursor", "does not belong to this list");
        self.after().map(str::parse).transpose().map_err(wrong)
    }

    /// Makes a page of what a store found. The store reads one entry more than [`Self::limit`], in order;
    /// `position` gives an entry's place in the list.
    #[must_use]
    pub fn page<T>(&self, mut found: Vec<T>, position: impl Fn(&T) -> String) -> Page<T> {
        let more = found.len() > self.limit();
        found.truncate(self.limit());
        let next = if more { found.last().map(position) } else { None };
        Page { items: found, next }
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT, None)
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries, in the list's order.
    pub items: Vec<T>,
    /// The position after which the next page begins; nothing on the last page. Sign it before it leaves
    /// the server.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page with every entry turned into something else.
    #[must_use]
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_knows_whether_another_one_follows() {
        let request = PageRequest::new(2, None);
        let page = request.page(vec![1, 2, 3], ToString::to_string);
        assert_eq!((page.items, page.next.as_deref()), (vec![1, 2], Some("2")));
        let last = request.page(vec![3, 4], ToString::to_string);
        assert_eq!((last.items, last.next), (vec![3, 4], None));
    }

    #[test]
    fn a_limit_out_of_range_is_cut() {
        assert_eq!(PageRequest::new(0, None).limit(), 1);
        assert_eq!(PageRequest::new(9_999, None).limit(), 200);
    }
}
