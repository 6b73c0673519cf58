use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::{SessionId, TokenId, UserId};
use crate::model::{ApiToken, SecurityEvent, Session, SigningKey};
use crate::page::{Page, PageRequest};
use crate::secret::VerifierHash;

/// Sessions, tokens and keys.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// A session, alive or over.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>>;

    /// The sessions of a user that are neither revoked nor expired at `now`, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>>;

    /// Sessions that were revoked at `since` or later and had not expired by then. Whoever keeps
    /// revocations elsewhere refills itself from here.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>>;

    /// When a refresh token of a session was exchanged for a newer one, by the hash of its verifier. Nothing when it
    /// never was, never belonged to the session, or was forgotten after the session's end.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>>;

    /// An API token, alive or expired.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>>;

    /// The API tokens of a user, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>>;

    /// Notes that an API token was used. Nobody waits for this and nothing is decided on it.
    ///
    /// # Behaviour
    /// - A token that is gone is not an error.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()>;

    /// What happened to a user's account, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>>;

    /// All signing keys, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_signing_keys(&self) -> Result<Vec<SigningKey>>;
}
