//! Searches in progress, at most two per organization in each process: stores have few connections for searches, and no
//! organization takes all of them for long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::id::OrganizationId;

/// Maximum number of searches of an organization in progress.
const MAX_SEARCHES_PER_ORGANIZATION: u32 = 2;

/// Numbers of searches in progress, by organization.
#[derive(Debug, Clone, Default)]
pub(super) struct Searches(Arc<Mutex<BTreeMap<OrganizationId, u32>>>);

/// A search in progress; it ends on drop.
#[derive(Debug)]
pub(super) struct Search {
    searches: Searches,
    organization: OrganizationId,
}

impl Searches {
    /// Begins a search.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_searches`.
    pub(super) fn begin(&self, organization: OrganizationId) -> Result<Search> {
        let mut running = self.lock();
        let count = running.entry(organization).or_default();
        if *count >= MAX_SEARCHES_PER_ORGANIZATION {
            let message = format!(
                "the organization has {MAX_SEARCHES_PER_ORGANIZATION} searches in progress; wait for their results"
            );
            let error = Error::new(ErrorKind::RateLimited, message).with_code("too_many_searches");
            return Err(error.with_retry(Retry::After(Duration::from_secs(1))));
        }
        *count += 1;
        Ok(Search { searches: self.clone(), organization })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<OrganizationId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let mut running = self.searches.lock();
        if let Some(count) = running.get_mut(&self.organization) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.organization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::id;

    #[test]
    fn an_organization_has_two_searches_at_a_time_and_leaves_room_for_others() {
        let searches = Searches::default();
        let (first, second) = (searches.begin(id("acme")).unwrap(), searches.begin(id("acme")).unwrap());
        let error = searches.begin(id("acme")).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "too_many_searches"));
        assert!(searches.begin(id("other")).is_ok());
        drop(first);
        let third = searches.begin(id("acme")).unwrap();
        drop((second, third));
        assert!(searches.lock().is_empty(), "nothing remains of finished searches");
    }
}
