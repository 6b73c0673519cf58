use jiff::Timestamp;

use crate::error::Result;
use crate::id::{SessionId, TokenId, UserId};
use crate::model::{ApiToken, SecurityEvent, Session, SigningKey};
use crate::page::{Page, PageRequest};
use crate::secret::VerifierHash;
use crate::store::decorator::store_part;

store_part! {
    /// Sessions, API tokens, security events and signing keys.
    pub trait CredentialStore {
        /// Finds a session, including revoked and expired ones.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_session(&self, id: SessionId) -> Result<Option<Session>>;

        /// Lists the sessions of a user that are neither revoked nor expired at `now`, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;

        /// Lists the sessions that were revoked at `since` or later and had not expired at `since`. A cache of revocations
        /// that lost its data is refilled from here.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>>;

        /// Returns the time at which a refresh token of a session was exchanged for a newer one, by the hash of its
        /// verifier. `None` if it was not exchanged, does not belong to the session, or was deleted after the end of the
        /// session.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>>;

        /// Finds an API token, including expired ones.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>>;

        /// Lists the API tokens of a user, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>>;

        /// Records the last use of an API token. The value is informative: no request waits for it and no decision depends
        /// on it.
        ///
        /// # Behaviour
        /// - A deleted token is not an error.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()>;

        /// Lists the security events of a user's account, newest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>>;

        /// Lists all signing keys, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_signing_keys(&self) -> Result<Vec<SigningKey>>;
    }
}
