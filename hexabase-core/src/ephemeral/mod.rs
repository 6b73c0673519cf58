//! The extension point for short-lived data.

mod fallback;
pub mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub use fallback::RateLimitFallback;
pub use memory::MemoryEphemeral;

use crate::error::Result;

/// Data that is needed for minutes: one-time codes, device authorizations, revocations, rate-limit buckets. Every entry
/// has a TTL. Losing all entries inconveniences users but loses no durable data.
///
/// Keys are short texts chosen by Hexabase (`code:…`). Values are bytes; secrets are hashed or sealed before they are
/// stored. Keys with the same text before a `/` (`revoked/ses_…`) form a hash-tag group. An implementation that
/// distributes keys over several servers stores a hash-tag group on one of them, so that a failure loses a group as a
/// whole and never in part.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait EphemeralStore: fmt::Debug + Send + Sync + 'static {
    /// Stores a value for `ttl`, replacing an existing value.
    ///
    /// # Behaviour
    /// - The value is absent after `ttl`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()>;

    /// Stores a value for `ttl` unless the key has a value; returns `true` if it stored the value.
    ///
    /// # Behaviour
    /// - Of two concurrent calls exactly one succeeds.
    /// - An expired value counts as absent.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool>;

    /// Replaces the value `expected` by `value` for `ttl`; returns `true` if it replaced the value.
    ///
    /// # Behaviour
    /// - Changes nothing if the key has another value or none.
    /// - Of two concurrent calls with the same expected value exactly one succeeds.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool>;

    /// Returns the value; `None` if the key has none.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Removes and returns the value; `None` if the key has none.
    ///
    /// # Behaviour
    /// - Of two concurrent calls exactly one returns the value.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Stores a marker under each key for `ttl`. After return, no [`contains_cached`](Self::contains_cached) call in
    /// any process reports a key as absent.
    ///
    /// # Behaviour
    /// - The marker is absent after `ttl`; putting it again extends its life.
    /// - The call may take 100 ms, the maximum age of a cached result in other processes.
    ///
    /// # Errors
    /// `Unavailable`; the markers may or may not be visible, so repeat the call.
    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()>;

    /// Reports for each of two keys whether it has a value, with at most one request to the backend.
    ///
    /// # Behaviour
    /// - A marker from [`put_visible`](Self::put_visible) is reported at once. A value from another method, or a
    ///   removal, may be reported up to 100 ms later.
    /// - The results for two keys of the same hash-tag group are from the same moment.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]>;

    /// Takes one token from a bucket.
    ///
    /// # Behaviour
    /// - A bucket starts full, with [`Rate::burst`] tokens.
    /// - It refills evenly, one token every [`Rate::period`] / [`Rate::burst`].
    /// - An empty bucket returns the time until the next token.
    /// - An implementation in memory may bound the number of its buckets, and forgets the fullest ones first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance>;

    /// Checks that the store accepts writes, by a write that changes nothing that callers of other methods store.
    ///
    /// # Errors
    /// `Unavailable` if the store does not respond or rejects writes, as a full or read-only one does.
    async fn ping(&self) -> Result<()>;
}

/// Size and refill time of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Number of tokens in a full bucket; at least 1.
    pub burst: u32,
    /// Time in which an empty bucket becomes full.
    pub period: Duration,
}

/// Result of taking a token from a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// `true` if there was a token.
    pub allowed: bool,
    /// Number of whole tokens left.
    pub remaining: u32,
    /// Time until the next token; zero while there are tokens.
    pub retry_after: Duration,
    /// Time until the bucket is full.
    pub reset_after: Duration,
}
