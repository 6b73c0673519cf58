//! Maximum numbers of streams.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use hexabase_core::error::{Error, ErrorKind, Result, Retry};
use hexabase_core::id::UserId;

use crate::telemetry::EVENT_STREAMS;

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

/// Maximum numbers of concurrent streams of usage in a process; zero for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageStreamLimits {
    /// Maximum number of streams of a user, of all workspaces together.
    pub per_user: usize,
    /// Maximum number of streams of a workspace, of all users together.
    pub per_workspace: usize,
    /// Maximum number of streams of the process.
    pub per_process: usize,
}

impl Default for UsageStreamLimits {
    fn default() -> Self {
        Self { per_user: 10, per_workspace: 50, per_process: 5_000 }
    }
}

/// Maximum numbers of concurrent log streams in a process; zero for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStreamLimits {
    /// Maximum number of streams of a user, of all workspaces together.
    pub per_user: usize,
    /// Maximum number of streams of a workspace, of all users together.
    pub per_workspace: usize,
    /// Maximum number of streams of the process.
    pub per_process: usize,
}

impl Default for LogStreamLimits {
    fn default() -> Self {
        Self { per_user: 10, per_workspace: 50, per_process: 1_000 }
    }
}

/// Maximum numbers of one kind of streams, with the words of its rejections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamLimits {
    per_user: usize,
    per_subject: usize,
    per_process: usize,
    /// Kind of the object that the streams are about.
    subject: &'static str,
    /// Kind of the streams.
    streams: &'static str,
    code: &'static str,
}

impl From<EventStreamLimits> for StreamLimits {
    fn from(limits: EventStreamLimits) -> Self {
        Self {
            per_user: limits.per_user,
            per_subject: limits.per_organization,
            per_process: limits.per_process,
            subject: "the organization",
            streams: "event streams",
            code: "too_many_event_streams",
        }
    }
}

impl From<UsageStreamLimits> for StreamLimits {
    fn from(limits: UsageStreamLimits) -> Self {
        Self {
            per_user: limits.per_user,
            per_subject: limits.per_workspace,
            per_process: limits.per_process,
            subject: "the workspace",
            streams: "usage streams",
            code: "too_many_usage_streams",
        }
    }
}

impl From<LogStreamLimits> for StreamLimits {
    fn from(limits: LogStreamLimits) -> Self {
        Self {
            per_user: limits.per_user,
            per_subject: limits.per_workspace,
            per_process: limits.per_process,
            subject: "the workspace",
            streams: "log streams",
            code: "too_many_log_streams",
        }
    }
}

/// Numbers of open streams about subjects, such as organizations. Users and subjects without streams have no entry.
#[derive(Debug)]
pub(crate) struct StreamCounts<K> {
    total: usize,
    users: HashMap<UserId, usize>,
    subjects: HashMap<K, usize>,
}

impl<K> Default for StreamCounts<K> {
    fn default() -> Self {
        Self { total: 0, users: HashMap::new(), subjects: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> StreamCounts<K> {
    /// Counts a new stream.
    ///
    /// # Errors
    /// `RateLimited` with the code of the limits; then nothing is counted.
    pub(crate) fn add(&mut self, limits: &StreamLimits, user: UserId, subject: K) -> Result<()> {
        let of_user = self.users.get(&user).copied().unwrap_or_default();
        let of_subject = self.subjects.get(&subject).copied().unwrap_or_default();
        for (open, limit, owner, remedy) in [
            (of_user, limits.per_user, "the user", "close one of them"),
            (of_subject, limits.per_subject, limits.subject, "close one of them"),
            (self.total, limits.per_process, "the server", "retry later"),
        ] {
            if limit > 0 && open >= limit {
                let streams = limits.streams;
                let message = format!("{owner} has {open} open {streams}, which is the maximum; {remedy}");
                let error = Error::new(ErrorKind::RateLimited, message).with_code(limits.code);
                return Err(error.with_retry(Retry::After(RETRY_AFTER)));
            }
        }
        self.total += 1;
        metrics::gauge!(EVENT_STREAMS).increment(1);
        *self.users.entry(user).or_default() += 1;
        *self.subjects.entry(subject).or_default() += 1;
        Ok(())
    }

    /// Removes a stream that was counted, and returns `true` if it was the last one of its subject.
    pub(crate) fn remove(&mut self, user: UserId, subject: K) -> bool {
        self.total = self.total.saturating_sub(1);
        metrics::gauge!(EVENT_STREAMS).decrement(1);
        decrement(&mut self.users, user);
        decrement(&mut self.subjects, subject)
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
    use hexabase_core::id::{OrganizationId, TypedId as _};
    use uuid::Uuid;

    use super::*;

    fn limits(per_user: usize, per_organization: usize, per_process: usize) -> StreamLimits {
        EventStreamLimits { per_user, per_organization, per_process }.into()
    }

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
        counts.add(&limits(2, 3, 4), user(1), organization(1)).unwrap();
        counts.add(&limits(2, 3, 4), user(1), organization(2)).unwrap();
        assert_eq!(rejection(counts.add(&limits(2, 3, 4), user(1), organization(3))), "the user");
        counts.add(&limits(2, 3, 4), user(2), organization(1)).unwrap();
        counts.add(&limits(2, 3, 4), user(3), organization(1)).unwrap();
        assert_eq!(rejection(counts.add(&limits(2, 3, 4), user(4), organization(1))), "the organization");
        assert_eq!(rejection(counts.add(&limits(2, 3, 4), user(4), organization(4))), "the server");
        assert!(counts.remove(user(1), organization(2)));
        counts.add(&limits(2, 3, 4), user(4), organization(4)).unwrap();
    }

    #[test]
    fn closed_streams_leave_no_counts() {
        let mut counts = StreamCounts::default();
        counts.add(&limits(2, 3, 4), user(1), organization(1)).unwrap();
        counts.add(&limits(2, 3, 4), user(2), organization(1)).unwrap();
        assert!(!counts.remove(user(1), organization(1)));
        assert!(counts.remove(user(2), organization(1)));
        assert_eq!((counts.total, counts.users.len(), counts.subjects.len()), (0, 0, 0));
    }

    #[test]
    fn zero_is_no_limit() {
        let unlimited = limits(0, 0, 0);
        let mut counts = StreamCounts::default();
        for _ in 0..100 {
            counts.add(&unlimited, user(1), organization(1)).unwrap();
        }
    }
}
