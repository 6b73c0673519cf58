//! Configuration of [`Auth`](crate::Auth): lifetimes of tokens, sessions and signing keys.

use std::time::Duration;

/// Lifetimes of tokens, sessions and signing keys, and limits per user.
#[derive(Debug, Clone, Copy)]
pub struct AuthConfig {
    /// Lifetime of an access token.
    pub access_token_lifetime: Duration,
    /// Lifetime of a session. Refreshing its tokens does not extend it.
    pub session_lifetime: Duration,
    /// Time that a user has to complete a sign-in with an identity provider.
    pub login_timeout: Duration,
    /// Maximum number of sessions of a user. A session beyond it ends the oldest one.
    pub sessions_per_user: usize,
    /// Maximum number of authorizations of clients by a user, per minute; at least 1. Each of them stores
    /// a code for a minute.
    pub authorizations_per_minute: u32,
    /// Maximum number of refreshes of a session per minute; at least 1. Each of them stores the spent refresh token until
    /// the session ends, and a security event.
    pub refreshes_per_minute: u32,
    /// Age at which signing keys are rotated; `None` to rotate them on request only.
    pub signing_key_rotation: Option<Duration>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            access_token_lifetime: Duration::from_secs(15 * MINUTE),
            session_lifetime: Duration::from_secs(30 * 24 * 60 * MINUTE),
            login_timeout: Duration::from_secs(10 * MINUTE),
            sessions_per_user: 100,
            authorizations_per_minute: 60,
            refreshes_per_minute: 60,
            signing_key_rotation: Some(Duration::from_secs(90 * 24 * 60 * MINUTE)),
        }
    }
}
