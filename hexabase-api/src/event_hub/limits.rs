//! Maximum numbers of event streams.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Result, Retry};
use hexabase_core::id::{OrganizationId, UserId};

/// Time after which a rejected client may retry.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// Maximum numbers of concurrent event streams in a process; zero for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventStreamLimits {
    /// Maximum number of streams of a user, of all organizations together.
    pub per_user: usize,
    /// Maximum number of streams of an organization, of all its members together.
    pub per_organization: usize,
    /// Maximum number of streams of the process.
    pub per_process: usize,
}

impl Default for EventStreamLimits {
    fn default() -> Self {
        Self { per_user: 10, per_organization: 50, per_process: 5_000 }
    }
}

/// Numbers of open streams. Users and organizations without streams have no entry.
#[derive(Debug, Default)]
pub(super) struct StreamCounts {
    total: usize,
    users: HashMap<UserId, usize>,
    organizations: HashMap<OrganizationId, usize>,
}

impl StreamCounts {
    /// Counts a new stream.
    ///
    /// # Errors
    /// `RateLimited` with code `too_many_event_streams`; then nothing is counted.
    pub(super) fn add(
        &mut self,
        limits: &EventStreamLimits,
        user: UserId,
        organization: OrganizationId,
    ) -> Result<()> {
        let of_user = self.users.get(&user).copied().unwrap_or_default();
        let of_organization = self.organizations.get(&organization).copied().unwrap_or_default();
        for (open, limit, owner, remedy) in [
            (of_user, limits.per_user, "the user", "close one of them"),
            (of_organization, limits.per_organization, "the organization", "close one of them"),
            (self.total, limits.per_process, "the server", "retry later"),
        ] {
            if limit > 0 && open >= limit {
                let message =
                    format!("{owner} has {open} open event streams, which is the maximum; {remedy}");
                let error = Error::new(ErrorKind::RateLimited, message).with_code("too_many_event_streams");
                return Err(error.with_retry(Retry::After(RETRY_AFTER)));
            }
        }
        self.total += 1;
        *self.users.entry(user).or_default() += 1;
        *self.organizations.entry(organization).or_default() += 1;
        Ok(())
    }

    /// Removes a stream that was counted, and returns `true` if it was the last one of its organization.
    pub(super) fn remove(&mut self, user: UserId, organization: OrganizationId) -> bool {
        self.total = self.total.saturating_sub(1);
        decrement(&mut self.users, user);
        decrement(&mut self.organizations, organization)
    }
}

/// Decrements a count and removes it at zero; returns `true` if it was removed.
fn decrement<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) -> bool {
    let Some(count) = counts.get_mut(&key) else { return false };
    *count -= 1;
    if *count > 0 {
        return false;
    }
    counts.remove(&key);
    true
}

#[cfg(test)]
mod tests {
    use hexabase_core::id::TypedId as _;
    use uuid::Uuid;

    use super::*;

    const LIMITS: EventStreamLimits = EventStreamLimits { per_user: 2, per_organization: 3, per_process: 4 };

    fn user(number: u128) -> UserId {
        UserId::from_uuid(Uuid::from_u128(number))
    }

    fn organization(number: u128) -> OrganizationId {
        OrganizationId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn streams_are_limited_per_user_organization_and_process() {
        let mut counts = StreamCounts::default();
        let rejection = |result: Result<()>| {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "too_many_event_streams"));
            assert_eq!(error.retry(), Retry::After(RETRY_AFTER));
            error.message().split_once(" has ").unwrap().0.to_owned()
        };
        counts.add(&LIMITS, user(1), organization(1)).unwrap();
        counts.add(&LIMITS, user(1), organization(2)).unwrap();
        assert_eq!(rejection(counts.add(&LIMITS, user(1), organization(3))), "the user");
        counts.add(&LIMITS, user(2), organization(1)).unwrap();
        counts.add(&LIMITS, user(3), organization(1)).unwrap();
        assert_eq!(rejection(counts.add(&LIMITS, user(4), organization(1))), "the organization");
        assert_eq!(rejection(counts.add(&LIMITS, user(4), organization(4))), "the server");
        assert!(counts.remove(user(1), organization(2)));
        counts.add(&LIMITS, user(4), organization(4)).unwrap();
    }

    #[test]
    fn closed_streams_leave_no_counts() {
        let mut counts = StreamCounts::default();
        counts.add(&LIMITS, user(1), organization(1)).unwrap();
        counts.add(&LIMITS, user(2), organization(1)).unwrap();
        assert!(!counts.remove(user(1), organization(1)));
        assert!(counts.remove(user(2), organization(1)));
        assert_eq!((counts.total, counts.users.len(), counts.organizations.len()), (0, 0, 0));
    }

    #[test]
    fn zero_is_no_limit() {
        let unlimited = EventStreamLimits { per_user: 0, per_organization: 0, per_process: 0 };
        let mut counts = StreamCounts::default();
        for _ in 0..100 {
            counts.add(&unlimited, user(1), organization(1)).unwrap();
        }
    }
}
