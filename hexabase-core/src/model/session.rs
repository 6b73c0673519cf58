use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, SessionId, UserId};
use crate::model::string_enum;
use crate::name::ProviderName;
use crate::secret::VerifierHash;
use crate::version::Version;

/// Sign-in of a user on one device, or the access that a user granted to a client. The refresh tokens of a session
/// form a family: only the newest one is valid, and the use of an older one revokes the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Id of the session.
    pub id: SessionId,
    /// User who signed in.
    pub user_id: UserId,
    /// Session that this one was derived from, and with which it ends; `None` for a sign-in or a grant.
    pub parent_id: Option<SessionId>,
    /// Provider through which the user signed in.
    pub provider: ProviderName,
    /// Hash of the newest refresh token; `None` for a browser session that never requested one.
    pub refresh_hash: Option<VerifierHash>,
    /// Hash of the session cookie; `None` unless the session belongs to a browser.
    pub cookie_hash: Option<VerifierHash>,
    /// Access that the user granted to a client; `None` for a session of the user's own.
    pub grant: Option<Grant>,
    /// `User-Agent` of the client, shortened.
    pub device: String,
    /// Address of the client; `None` if unknown.
    pub address: Option<String>,
    /// Time at which the user authenticated at the provider; `None` if the provider neither stated it nor was told to
    /// authenticate the user for this session.
    pub authenticated_at: Option<Timestamp>,
    /// Time of the sign-in.
    pub created_at: Timestamp,
    /// Time at which a token was last issued.
    pub used_at: Timestamp,
    /// Expiry time.
    pub expires_at: Timestamp,
    /// Revocation time; `None` if the session was not revoked.
    pub revoked_at: Option<Timestamp>,
    /// Version, incremented by every change. Of two concurrent refreshes, only one succeeds.
    pub version: Version,
}

/// Access that a user granted to a client of the OpenID provider, for the lifetime of the client's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Id of the client.
    pub client_id: String,
    /// Granted scopes, separated by spaces.
    pub scope: String,
    /// Time of the user's authentication (OpenID Connect `auth_time`).
    pub auth_time: Timestamp,
}

impl Grant {
    /// `true` if all scopes in `scope` were granted.
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        scope.split_whitespace().all(|one| self.scope.split_whitespace().any(|granted| granted == one))
    }
}

impl Session {
    /// `true` if the session has neither been revoked nor expired at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Returns the time of the user's authentication, as clients receive it (OpenID Connect `auth_time`): the time of
    /// the sign-in if the provider stated none.
    #[must_use]
    pub fn auth_time(&self) -> Timestamp {
        self.authenticated_at.unwrap_or(self.created_at)
    }
}

/// Record of a sign-in, token or session change, shown to the owner of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityEvent {
    /// Id of the event; events are ordered by it.
    pub id: EventId,
    /// Owner of the account.
    pub user_id: UserId,
    /// Kind of the event.
    pub kind: SecurityEventKind,
    /// Session of the event; `None` if there was none.
    pub session_id: Option<SessionId>,
    /// Address of the client; `None` if unknown.
    pub address: Option<String>,
    /// `User-Agent` of the client, shortened.
    pub device: String,
    /// Time of the event.
    pub at: Timestamp,
}

/// Kind of a security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityEventKind {
    /// The account was created at a first sign-in.
    UserCreated,
    /// A sign-in succeeded.
    SignIn,
    /// The user granted access to a client.
    ClientAuthorized,
    /// Another provider's identity was linked to the account.
    IdentityLinked,
    /// The identity of a provider was unlinked from the account.
    IdentityUnlinked,
    /// A refresh token was exchanged.
    TokenRefreshed,
    /// An old refresh token was used again; the session was revoked.
    RefreshReused,
    /// The owner revoked a session.
    SessionRevoked,
    /// The owner revoked all sessions.
    AllSessionsRevoked,
    /// An API token was created.
    TokenCreated,
    /// An API token was revoked.
    TokenRevoked,
}

string_enum!(SecurityEventKind {
    UserCreated = "user_created",
    SignIn = "signed_in",
    ClientAuthorized = "client_authorized",
    IdentityLinked = "identity_linked",
    IdentityUnlinked = "identity_unlinked",
    TokenRefreshed = "token_refreshed",
    RefreshReused = "refresh_reused",
    SessionRevoked = "session_revoked",
    AllSessionsRevoked = "all_sessions_revoked",
    TokenCreated = "token_created",
    TokenRevoked = "token_revoked",
} else UnknownSecurityEvent = "must be a kind of security event such as signed_in");
