//! Searches in progress, at most two per organization in each process: stores have few connections for searches, and no
//! organization takes all of them for long.

use std::time::Duration;

use super::in_progress::{InProgress, Operation};
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::OrganizationId;

/// Maximum number of searches of an organization in progress.
const MAX_SEARCHES_PER_ORGANIZATION: u32 = 2;

/// Numbers of searches in progress, by organization.
#[derive(Debug, Default)]
pub(super) struct Searches(InProgress<OrganizationId>);

impl Searches {
    /// Begins a search, which ends when the result is dropped.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_searches`.
    pub(super) fn begin(&self, organization: OrganizationId) -> Result<Operation<OrganizationId>> {
        self.0.begin(organization, MAX_SEARCHES_PER_ORGANIZATION).ok_or_else(|| {
            let message = format!(
                "the organization has {MAX_SEARCHES_PER_ORGANIZATION} searches in progress; wait for their results"
            );
            let error = Error::new(ErrorKind::RateLimited, message).with_code("too_many_searches");
            error.with_retry(Retry::After(Duration::from_secs(1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::id;

    #[test]
    fn an_organization_has_two_searches_at_a_time_and_leaves_room_for_others() {
        let searches = Searches::default();
        let (_first, _second) = (searches.begin(id("acme")).unwrap(), searches.begin(id("acme")).unwrap());
        let error = searches.begin(id("acme")).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "too_many_searches"));
        assert!(searches.begin(id("other")).is_ok());
    }
}
