//! Keyset pagination: the cost of a page does not depend on its position in the list.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::TypedId;

/// Request for one page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u16,
    after: Option<String>,
}

impl PageRequest {
    /// Maximum page size.
    pub const MAX_LIMIT: u16 = 200;
    /// Page size if the caller does not specify one.
    pub const DEFAULT_LIMIT: u16 = 50;

    /// Creates a request for at most `limit` items (clamped to 1..=[`Self::MAX_LIMIT`]) after the position `after`
    /// from an
    /// earlier page.
    #[must_use]
    pub fn new(limit: u16, after: Option<String>) -> Self {
        Self { limit: limit.clamp(1, Self::MAX_LIMIT), after }
    }

    /// Creates a request for the first page with the maximum size.
    #[must_use]
    pub fn largest() -> Self {
        Self::new(Self::MAX_LIMIT, None)
    }

    /// Returns the maximum number of items.
    #[must_use]
    pub fn limit(&self) -> usize {
        usize::from(self.limit)
    }

    /// Returns the position after which the page starts; `None` for the first page.
    #[must_use]
    pub fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Returns the position as an id, for lists that are ordered by id.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the position is not an id of this kind.
    pub fn after_id<T: TypedId>(&self) -> Result<Option<T>> {
        let invalid = |_| Error::invalid("cursor", "must be a cursor of this list");
        self.after().map(str::parse).transpose().map_err(invalid)
    }

    /// Returns the position as a time and an id, for lists that are ordered by both.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the position is not one of [`time_position`] with an id of this kind.
    pub fn after_time<T: TypedId>(&self) -> Result<Option<(Timestamp, T)>> {
        let parse = |text: &str| {
            let (at, id) = text.split_once('/')?;
            Some((Timestamp::from_microsecond(at.parse().ok()?).ok()?, id.parse().ok()?))
        };
        let invalid = || Error::invalid("cursor", "must be a cursor of this list");
        self.after().map(|text| parse(text).ok_or_else(invalid)).transpose()
    }

    /// Builds the page from the items of a store. The store reads one item more than [`Self::limit`], in order;
    /// `position`
    /// returns the position of an item in the list.
    #[must_use]
    pub fn page<T>(&self, mut found: Vec<T>, position: impl Fn(&T) -> String) -> Page<T> {
        let more = found.len() > self.limit();
        found.truncate(self.limit());
        let next = if more { found.last().map(position) } else { None };
        Page { items: found, next }
    }
}

/// Returns the position of an item in a list that is ordered by time and id; [`PageRequest::after_time`] reads it.
#[must_use]
pub fn time_position(at: Timestamp, id: impl fmt::Display) -> String {
    format!("{}/{id}", at.as_microsecond())
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(Self::DEFAULT_LIMIT, None)
    }
}

/// Page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Items, in the order of the list.
    pub items: Vec<T>,
    /// Position after which the next page starts; `None` on the last page. It must be signed before it leaves the
    /// server.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Converts the items of the page.
    #[must_use]
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EventId;

    #[test]
    fn a_page_has_a_next_position_only_if_more_items_follow() {
        let request = PageRequest::new(2, None);
        let page = request.page(vec![1, 2, 3], ToString::to_string);
        assert_eq!((page.items, page.next.as_deref()), (vec![1, 2], Some("2")));
        let last = request.page(vec![3, 4], ToString::to_string);
        assert_eq!((last.items, last.next), (vec![3, 4], None));
    }

    #[test]
    fn a_position_in_time_reads_back_and_any_other_is_rejected() {
        let (at, id): (_, EventId) = (Timestamp::UNIX_EPOCH, EventId::greatest());
        let position = |text: &str| PageRequest::new(1, Some(text.to_owned())).after_time::<EventId>();
        assert_eq!(position(&time_position(at, id)).unwrap(), Some((at, id)));
        for other in
            ["", "/", "0", "0/", &id.to_string(), &format!("x/{id}"), "0/usr_01h455vb4pex5vsknk084sn02q"]
        {
            assert!(position(other).is_err(), "{other}");
        }
    }

    #[test]
    fn an_out_of_range_limit_is_clamped() {
        assert_eq!(PageRequest::new(0, None).limit(), 1);
        assert_eq!(PageRequest::new(9_999, None).limit(), 200);
    }
}
