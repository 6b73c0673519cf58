use std::time::Duration;

/// How long tokens, sessions and keys last.
#[derive(Debug, Clone, Copy)]
pub struct AuthConfig {
    /// How long an access token is valid.
    pub access_token: Duration,
    /// How long a session lasts, however often it is refreshed.
    pub session: Duration,
    /// How long somebody may take to sign in with a provider.
    pub login: Duration,
    /// How many sessions one person has at most: whoever begins another one ends their oldest.
    pub sessions_per_user: usize,
    /// For how long keys sign before the next ones take their place; none to do that only when told.
    pub signing_keys: Option<Duration>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            access_token: Duration::from_secs(15 * MINUTE),
            session: Duration::from_secs(30 * 24 * 60 * MINUTE),
            login: Duration::from_secs(10 * MINUTE),
            sessions_per_user: 100,
            signing_keys: Some(Duration::from_secs(90 * 24 * 60 * MINUTE)),
        }
    }
}
