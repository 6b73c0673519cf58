//! The seam to short-lived facts.

pub mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

pub use memory::MemoryEphemeral;

use crate::error::Result;

/// Facts that are worth something for minutes: sign-ins under way, one-time codes, revocations, rate
/// buckets. Everything in it has an end; losing all of it is a nuisance, never a loss.
///
/// Keys are short texts chosen by Hexabase (`login:…`); values are bytes, of which secrets come hashed or sealed. Keys
/// that begin with the same text before a `/` (`revoked/ses_…`) are on one shelf, and an implementation that spreads keys
/// over several places keeps a shelf in one of them: so that when something of it is lost, all of it is.
#[async_trait]
pub trait EphemeralStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps a value for `ttl`, in place of what was there.
    ///
    /// # Behaviour
    /// - After `ttl` the value is gone.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()>;

    /// Keeps a value for `ttl` unless there is one; says whether it did.
    ///
    /// # Behaviour
    /// - Of two at the same time exactly one succeeds.
    /// - A value that has expired is not in the way.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool>;

    /// Replaces `expected` by `value`, kept for `ttl`; says whether it did.
    ///
    /// # Behaviour
    /// - It does nothing when there is another value, or none.
    /// - Of two at the same time with the same expectation exactly one succeeds.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool>;

    /// The value, if there is one.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// The value, which is gone afterwards.
    ///
    /// # Behaviour
    /// - Of two at the same time exactly one gets it.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>>;

    /// Keeps something under each of these keys for `ttl`, for everybody to know: when this returns no
    /// [`are_announced`](Self::are_announced) that is asked from then on, in whatever process, says that there is nothing.
    ///
    /// # Behaviour
    /// - After `ttl` it is gone; announcing again prolongs it.
    /// - It may take a tenth of a second, for which others may go by what they asked a moment ago.
    ///
    /// # Errors
    /// `Unavailable`; who knows is open then, so announce it again.
    async fn announce(&self, keys: &[String], ttl: Duration) -> Result<()>;

    /// Under which of two keys there is something, for the price of asking once at most.
    ///
    /// # Behaviour
    /// - What was [announced](Self::announce) is there. What was put, or is gone, may be so a tenth of a second later.
    /// - Of keys on one shelf, the answers are of the same moment.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn are_announced(&self, keys: [&str; 2]) -> Result<[bool; 2]>;

    /// Takes one token out of a bucket.
    ///
    /// # Behaviour
    /// - A bucket begins full and holds [`Rate::burst`] tokens.
    /// - It refills evenly, one token every [`Rate::period`] / [`Rate::burst`].
    /// - An empty bucket says how long it takes until there is a token.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance>;

    /// Whether the store answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    async fn ping(&self) -> Result<()>;
}

/// How much a bucket holds, and how long it takes to fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many tokens a full bucket holds; at least one.
    pub burst: u32,
    /// How long an empty bucket takes to be full again.
    pub period: Duration,
}

/// What a bucket gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whether there was a token.
    pub allowed: bool,
    /// How many whole tokens are left.
    pub remaining: u32,
    /// How long until there is another token; zero while there are some.
    pub retry_after: Duration,
    /// How long until the bucket is full.
    pub reset_after: Duration,
}
