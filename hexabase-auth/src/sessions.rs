//! Sessions: beginning, refreshing, listing and ending them.

use hexabase_core::changeset::{Changeset, SpentRefresh, Write};
use hexabase_core::clock::after;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{Origin, RefreshState, SecurityEvent, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::secret::{BearerToken, ExposeSecret as _, Verifier};
use hexabase_core::version::Version;

use crate::auth::Auth;
use crate::refusal::refused;

/// What refresh tokens begin with.
const REFRESH_PREFIX: &str = "hxr";
/// How often to look again when somebody else changes the session at the same moment.
const ATTEMPTS: usize = 5;

/// What a client gets when somebody has signed in: what to call with, and what to renew it with.
#[derive(Clone)]
pub struct TokenPair {
    /// Whose tokens.
    pub user_id: UserId,
    /// Of which session.
    pub session_id: SessionId,
    /// A signed token for `Authorization: Bearer`.
    pub access_token: String,
    /// What the next pair is exchanged for, once.
    pub refresh_token: String,
    /// How long the access token is valid, in seconds.
    pub expires_in: u64,
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TokenPair").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

impl Auth {
    /// Signs somebody in whom a provider vouched for, and begins a session with tokens.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sign_in(
        &self,
        provider: &ProviderName,
        who: &ExternalIdentity,
        origin: &Origin,
    ) -> Result<TokenPair> {
        let user = self.platform.users().sign_in(provider, who, origin).await?;
        self.begin_with_tokens(user.id, provider, origin).await
    }

    /// Begins a session with tokens.
    pub(crate) async fn begin_with_tokens(
        &self,
        user: UserId,
        provider: &ProviderName,
        origin: &Origin,
    ) -> Result<TokenPair> {
        let verifier = Verifier::generate(&**self.platform.ids());
        let session =
            Session { refresh_hash: Some(verifier.hash()), ..self.new_session(user, provider, origin) };
        self.begin(&session, origin).await?;
        self.pair(&session, &verifier).await
    }

    pub(crate) fn new_session(&self, user_id: UserId, provider: &ProviderName, origin: &Origin) -> Session {
        let now = self.platform.clock().now();
        Session {
            id: self.platform.ids().id(now),
            user_id,
            provider: provider.clone(),
            refresh_hash: None,
            cookie_hash: None,
            device: origin.device.clone(),
            address: origin.address.clone(),
            created_at: now,
            used_at: now,
            expires_at: after(now, self.config.session),
            revoked_at: None,
            version: Version::FIRST,
        }
    }

    pub(crate) async fn begin(&self, session: &Session, origin: &Origin) -> Result<()> {
        let event = self.security_event(session, SecurityEventKind::SignedIn, origin);
        self.platform.store().commit(Changeset::new().insert(session.clone()).insert(event)).await
    }

    async fn pair(&self, session: &Session, verifier: &Verifier) -> Result<TokenPair> {
        let now = self.platform.clock().now();
        let jti = format!("{:032x}", u128::from_be_bytes(self.platform.ids().bytes()));
        let key = self.keys.signing().await?;
        Ok(TokenPair {
            user_id: session.user_id,
            session_id: session.id,
            access_token: self.access_tokens.issue(&key, session.user_id, session.id, now, jti)?,
            refresh_token: BearerToken::new(REFRESH_PREFIX, &[&session.id], verifier)
                .expose_secret()
                .to_owned(),
            expires_in: self.config.access_token.as_secs(),
        })
    }

    pub(crate) fn security_event(
        &self,
        session: &Session,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> SecurityEvent {
        let now = self.platform.clock().now();
        SecurityEvent {
            id: self.platform.ids().id(now),
            user_id: session.user_id,
            kind,
            session_id: Some(session.id),
            address: origin.address.clone(),
            device: origin.device.clone(),
            at: now,
        }
    }

    /// Exchanges a refresh token for a new pair. The old token is spent: whoever shows it again has stolen it,
    /// or was stolen from, so the session ends.
    ///
    /// # Errors
    /// - `Unauthenticated` for a token that is wrong, spent, or of a session that is over.
    /// - `Unavailable`.
    pub async fn refresh(&self, refresh_token: &str, origin: &Origin) -> Result<TokenPair> {
        let (id, shown) =
            BearerToken::split::<SessionId>(REFRESH_PREFIX, refresh_token).ok_or_else(refused)?;
        let store = self.platform.store();
        for _ in 0..ATTEMPTS {
            let now = self.platform.clock().now();
            let found = store.find_session(id).await?;
            let session = found.filter(|session| session.is_alive(now)).ok_or_else(refused)?;
            let is_newest = session.refresh_hash.is_some_and(|hash| hash.matches(&shown));
            let outcome = if is_newest {
                self.rotate(session, &shown, origin).await
            } else {
                match store.refresh_state(id, &shown.hash()).await? {
                    RefreshState::Spent => self.end_family(session, origin).await,
                    RefreshState::Unknown => return Err(refused()),
                }
            };
            match outcome {
                Err(error) if error.is_version_conflict() => {}
                outcome => return outcome,
            }
        }
        Err(Error::unavailable("the session is being changed by others; try again"))
    }

    async fn rotate(&self, session: Session, shown: &Verifier, origin: &Origin) -> Result<TokenPair> {
        let now = self.platform.clock().now();
        let next = Verifier::generate(&**self.platform.ids());
        let renewed = Session { refresh_hash: Some(next.hash()), used_at: now, ..session };
        let spent = SpentRefresh { session_id: renewed.id, hash: shown.hash(), spent_at: now };
        let event = self.security_event(&renewed, SecurityEventKind::TokenRefreshed, origin);
        let changeset = Changeset::new().session(renewed.clone()).insert(spent).insert(event);
        self.platform.store().commit(changeset).await?;
        self.pair(&renewed, &next).await
    }

    async fn end_family(&self, session: Session, origin: &Origin) -> Result<TokenPair> {
        tracing::warn!(session = %session.id, user = %session.user_id, "a spent refresh token was shown again");
        self.end(session, SecurityEventKind::RefreshReused, origin).await?;
        Err(refused())
    }

    /// Ends a session: first where every request looks, then for good.
    async fn end(&self, session: Session, kind: SecurityEventKind, origin: &Origin) -> Result<()> {
        self.announce_revocation(session.id).await?;
        let event = self.security_event(&session, kind, origin);
        let now = self.platform.clock().now();
        let over = Session { revoked_at: Some(now), ..session };
        self.platform.store().commit(Changeset::new().session(over).insert(event)).await
    }

    /// The sessions of a user that are alive, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        self.platform.store().list_sessions(user, self.platform.clock().now()).await
    }

    /// Ends one of a user's sessions, at once. One that is over already is fine.
    ///
    /// # Errors
    /// - `NotFound` when the user has no such session.
    /// - `Unavailable`.
    pub async fn revoke(&self, user: UserId, id: SessionId, origin: &Origin) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let found = self.platform.store().find_session(id).await?;
            let session = found.filter(|session| session.user_id == user);
            let session = session.ok_or_else(|| Error::not_found("session"))?;
            if session.revoked_at.is_some() {
                return self.announce_revocation(id).await;
            }
            match self.end(session, SecurityEventKind::SessionRevoked, origin).await {
                Err(error) if error.is_version_conflict() => {}
                outcome => return outcome,
            }
        }
        Err(Error::unavailable("the session is being changed by others; try again"))
    }

    /// Ends all of a user's sessions, at once.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn revoke_all(&self, user: UserId, origin: &Origin) -> Result<()> {
        let sessions = self.sessions(user).await?;
        for session in &sessions {
            self.announce_revocation(session.id).await?;
        }
        let now = self.platform.clock().now();
        let event = SecurityEvent {
            id: self.platform.ids().id(now),
            user_id: user,
            kind: SecurityEventKind::AllSessionsRevoked,
            session_id: None,
            address: origin.address.clone(),
            device: origin.device.clone(),
            at: now,
        };
        let changeset = Changeset::new().write(Write::RevokeSessions(user, now)).insert(event);
        self.platform.store().commit(changeset).await
    }
}
