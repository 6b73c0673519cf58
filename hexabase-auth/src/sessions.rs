//! Sessions: beginning, refreshing, listing and ending them.

use hexabase_core::changeset::{Changeset, SpentRefresh, Write};
use hexabase_core::clock::after;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::ExternalIdentity;
use hexabase_core::model::{Origin, SecurityEvent, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::secret::{BearerToken, ExposeSecret as _, Verifier};
use hexabase_core::version::Version;
use jiff::SignedDuration;

use crate::access_token::{Audience, Issued};
use crate::auth::Auth;
use crate::refusal::refused;

/// What refresh tokens begin with.
pub(crate) const REFRESH_PREFIX: &str = "hxr";
/// For how long a refresh token that was just exchanged is taken once more, and answered alike: two tabs may show it at
/// once, and an answer may get lost on its way.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
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

/// What a refresh token is good for.
pub(crate) struct Renewal {
    /// The session that it is of.
    pub(crate) session: Session,
    /// The verifier of the token that comes next.
    pub(crate) next: Verifier,
    shown: Verifier,
    /// Whether somebody has just spent it: it is answered alike.
    is_spent: bool,
}

/// A refresh token as its owner carries it.
pub(crate) fn refresh_token(session: &Session, verifier: &Verifier) -> String {
    BearerToken::new(REFRESH_PREFIX, &[&session.id], verifier).expose_secret().to_owned()
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
        self.begin(&session, SecurityEventKind::SignedIn, origin).await?;
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
            grant: None,
            device: origin.device.clone(),
            address: origin.address.clone(),
            created_at: now,
            used_at: now,
            expires_at: after(now, self.config.session),
            revoked_at: None,
            version: Version::FIRST,
        }
    }

    /// Begins a session, in the place of the oldest if there would be too many.
    pub(crate) async fn begin(
        &self,
        session: &Session,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> Result<()> {
        let alive = self.sessions(session.user_id).await?;
        let too_many = (alive.len() + 1).saturating_sub(self.config.sessions_per_user);
        for oldest in alive.iter().take(too_many) {
            self.end_session(oldest.id, SecurityEventKind::SessionRevoked, origin).await?;
        }
        let event = self.security_event(session, kind, origin);
        self.platform.store().commit(Changeset::new().insert(session.clone()).insert(event)).await
    }

    async fn pair(&self, session: &Session, verifier: &Verifier) -> Result<TokenPair> {
        let (user, id) = (session.user_id, session.id);
        let issued = Issued { audience: Audience::Api, user, session: id, for_client: None };
        Ok(TokenPair {
            user_id: session.user_id,
            session_id: session.id,
            access_token: self.issue_access_token(&issued).await?,
            refresh_token: refresh_token(session, verifier),
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

    /// Exchanges a refresh token for a new pair. The old token is spent: whoever shows it again later than half a
    /// minute has stolen it, or was stolen from, so the session ends. Until then it is answered with the same new
    /// token.
    ///
    /// # Errors
    /// - `Unauthenticated` for a token that is wrong, spent, or of a session that is over.
    /// - `Unavailable`.
    pub async fn refresh(&self, refresh_token: &str, origin: &Origin) -> Result<TokenPair> {
        let renewal = self.renewal(refresh_token, None, origin).await?;
        let pair = self.pair(&renewal.session, &renewal.next).await?;
        self.spend(renewal, origin).await?;
        Ok(pair)
    }

    /// What a refresh token of a client, or of nobody but the person, is good for. Nothing is changed by a good one:
    /// whatever can fail is done before it is spent, so that whoever is told of a failure still has a token.
    pub(crate) async fn renewal(
        &self,
        refresh_token: &str,
        client: Option<&str>,
        origin: &Origin,
    ) -> Result<Renewal> {
        let (id, shown) =
            BearerToken::split::<SessionId>(REFRESH_PREFIX, refresh_token).ok_or_else(refused)?;
        self.verified(id, shown, client, origin).await
    }

    async fn verified(
        &self,
        id: SessionId,
        shown: Verifier,
        client: Option<&str>,
        origin: &Origin,
    ) -> Result<Renewal> {
        let (store, now) = (self.platform.store(), self.platform.clock().now());
        let found = store.find_session(id).await?;
        let session = found.filter(|session| session.is_alive(now)).ok_or_else(refused)?;
        if session.grant.as_ref().map(|grant| grant.client_id.as_str()) != client {
            return Err(refused());
        }
        let next = shown.after(self.platform.master_key(), &id.to_string());
        let is_newest = |verifier: &Verifier| session.refresh_hash.is_some_and(|hash| hash.matches(verifier));
        if is_newest(&shown) {
            return Ok(Renewal { session, shown, next, is_spent: false });
        }
        let spent_at = store.refresh_spent_at(id, &shown.hash()).await?.ok_or_else(refused)?;
        if now.duration_since(spent_at) < LEEWAY && is_newest(&next) {
            return Ok(Renewal { session, shown, next, is_spent: true });
        }
        tracing::warn!(session = %id, user = %session.user_id, "a spent refresh token was shown again");
        self.end_session(id, SecurityEventKind::RefreshReused, origin).await?;
        Err(refused())
    }

    /// Spends a refresh token for the one that comes next. Of several who do so at once one does it, and the others find
    /// it done.
    pub(crate) async fn spend(&self, mut renewal: Renewal, origin: &Origin) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if renewal.is_spent {
                return Ok(());
            }
            match self.rotate(&renewal, origin).await {
                // Somebody was faster: with the same, or with something else about the session.
                Err(error) if error.is_version_conflict() || error.kind() == ErrorKind::AlreadyExists => {}
                outcome => return outcome,
            }
            let Renewal { session, shown, .. } = renewal;
            let client = session.grant.map(|grant| grant.client_id);
            renewal = self.verified(session.id, shown, client.as_deref(), origin).await?;
        }
        Err(Error::unavailable("the session is being changed by others; try again"))
    }

    async fn rotate(&self, renewal: &Renewal, origin: &Origin) -> Result<()> {
        let now = self.platform.clock().now();
        let Renewal { session, shown, next, .. } = renewal;
        let renewed = Session { refresh_hash: Some(next.hash()), used_at: now, ..session.clone() };
        let spent = SpentRefresh { session_id: session.id, hash: shown.hash(), spent_at: now };
        let event = self.security_event(session, SecurityEventKind::TokenRefreshed, origin);
        self.platform.store().commit(Changeset::new().session(renewed).insert(spent).insert(event)).await
    }

    /// Ends a session: first where every request looks, then for good. What was noted first may be forgotten before the store
    /// can remind of it, so it is announced once more afterwards.
    async fn end(&self, session: Session, kind: SecurityEventKind, origin: &Origin) -> Result<()> {
        let id = session.id;
        self.note_revocations(&[id]).await?;
        let event = self.security_event(&session, kind, origin);
        let now = self.platform.clock().now();
        let over = Session { revoked_at: Some(now), ..session };
        self.platform.store().commit(Changeset::new().session(over).insert(event)).await?;
        self.announce_revocations(&[id]).await
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
        let found = self.platform.store().find_session(id).await?;
        if found.is_none_or(|session| session.user_id != user) {
            return Err(Error::not_found("session"));
        }
        self.end_session(id, SecurityEventKind::SessionRevoked, origin).await
    }

    /// Ends a session, at once. One that is over already, or was never there, is fine.
    pub(crate) async fn end_session(
        &self,
        id: SessionId,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Some(session) = self.platform.store().find_session(id).await? else { return Ok(()) };
            if session.revoked_at.is_some() {
                return self.announce_revocations(&[id]).await;
            }
            match self.end(session, kind, origin).await {
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
        let sessions: Vec<_> = self.sessions(user).await?.iter().map(|session| session.id).collect();
        self.note_revocations(&sessions).await?;
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
        self.platform.store().commit(changeset).await?;
        // Some may have begun in the meantime, and are over as well.
        self.announce_revocations(&self.platform.store().list_revoked_sessions(now).await?).await
    }
}
