use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{EventId, SessionId, UserId};
use crate::model::words;
use crate::name::ProviderName;
use crate::secret::VerifierHash;
use crate::version::Version;

/// One sign-in on one device. Its refresh tokens are a family: of all that were ever given out only the
/// newest works, and showing an older one ends the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which session.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// Through which provider they signed in.
    pub provider: ProviderName,
    /// The hash of the newest refresh token; none for a browser session that never asked for one.
    pub refresh_hash: Option<VerifierHash>,
    /// The hash of the browser's session cookie, for a session that lives in a browser.
    pub cookie_hash: Option<VerifierHash>,
    /// What a client may do on the person's behalf, for a session that is not their own but a client's.
    pub grant: Option<Grant>,
    /// The client's `User-Agent`, shortened.
    pub device: String,
    /// The client's address, where known.
    pub address: Option<String>,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When a token was last given out.
    pub used_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was ended on purpose.
    pub revoked_at: Option<Timestamp>,
    /// Raised by every change: two refreshes at once cannot both win.
    pub version: Version,
}

/// What somebody lets a client of the OpenID Connect provider do on their behalf, for as long as its session lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The client.
    pub client_id: String,
    /// What they agreed to: scopes with spaces between.
    pub scope: String,
    /// When they proved who they are.
    pub auth_time: Timestamp,
}

impl Grant {
    /// Whether all of these scopes were agreed to.
    #[must_use]
    pub fn covers(&self, scope: &str) -> bool {
        scope.split_whitespace().all(|one| self.scope.split_whitespace().any(|agreed| agreed == one))
    }
}

impl Session {
    /// Whether it can still be used.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }
}

/// Something that happened to an account, shown to its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityEvent {
    /// Identity and order.
    pub id: EventId,
    /// Whose account.
    pub user_id: UserId,
    /// What happened.
    pub kind: SecurityEventKind,
    /// In which session.
    pub session_id: Option<SessionId>,
    /// From which address.
    pub address: Option<String>,
    /// With which device.
    pub device: String,
    /// When.
    pub at: Timestamp,
}

/// What happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecurityEventKind {
    /// The account was made at a first sign-in.
    UserCreated,
    /// A sign-in succeeded.
    SignedIn,
    /// A client was let do something on the person's behalf.
    ClientAuthorized,
    /// Another provider's identity was linked to the account.
    IdentityLinked,
    /// A refresh token was exchanged.
    TokenRefreshed,
    /// An old refresh token was shown again; the session was ended.
    RefreshReused,
    /// A session was ended by its owner.
    SessionRevoked,
    /// All sessions were ended by their owner.
    AllSessionsRevoked,
    /// An API token was made.
    TokenCreated,
    /// An API token was removed.
    TokenRevoked,
}

words!(SecurityEventKind {
    UserCreated = "user_created",
    SignedIn = "signed_in",
    ClientAuthorized = "client_authorized",
    IdentityLinked = "identity_linked",
    TokenRefreshed = "token_refreshed",
    RefreshReused = "refresh_reused",
    SessionRevoked = "session_revoked",
    AllSessionsRevoked = "all_sessions_revoked",
    TokenCreated = "token_created",
    TokenRevoked = "token_revoked",
} else UnknownSecurityEvent = "no kind of security event");
