//! Sessions: start, refresh, listing and revocation.

use std::collections::BTreeSet;
use std::time::Duration;

use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::{Changeset, Precondition, SpentRefresh, Write};
use hexabase_core::clock::{after, until};
use hexabase_core::ephemeral::Rate;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::{Origin, SecurityEvent, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::secret::{BearerToken, ExposeSecret as _, Verifier};
use hexabase_core::version::Version;
use jiff::{SignedDuration, Timestamp};

use crate::access_token::{Audience, NewAccessToken};
use crate::auth::Auth;
use crate::error::invalid_credentials;

/// Prefix of refresh tokens.
pub(crate) const REFRESH_TOKEN_PREFIX: &str = "hxr";
/// Time in which a rotated refresh token is still accepted and yields the same successor: two browser tabs may send it
/// at the same time, and a response may be lost.
const REFRESH_REUSE_LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Maximum number of reads of the sessions that end together, while concurrent requests derive sessions from them.
const MAX_FAMILY_READS: usize = 5;

/// Maximum age of an authentication that counts as recent.
const RECENT_AUTHENTICATION: Duration = Duration::from_secs(10 * 60);

/// `true` if an authentication counts as recent.
fn is_recent(authenticated_at: Timestamp, now: Timestamp) -> bool {
    until(authenticated_at, now) <= RECENT_AUTHENTICATION
}

/// Tokens of a session: the access token, and the refresh token that renews it.
#[derive(Clone)]
pub struct TokenPair {
    /// User of the session.
    pub user_id: UserId,
    /// Session of the tokens.
    pub session_id: SessionId,
    /// Signed token for `Authorization: Bearer`.
    pub access_token: String,
    /// Token to exchange for the next pair, once.
    pub refresh_token: String,
    /// Lifetime of the access token, in seconds.
    pub expires_in: u64,
}

impl std::fmt::Debug for TokenPair {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TokenPair").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// Verified refresh token whose rotation is not committed yet.
pub(crate) struct PendingRefresh {
    /// Session of the token.
    pub(crate) session: Session,
    /// Verifier of the next refresh token.
    pub(crate) next: Verifier,
    presented: Verifier,
    /// `true` if a concurrent request has rotated the token already; the response is the same.
    is_spent: bool,
}

/// Converts a lasting version conflict. It must not be an error of the request: an OAuth client discards its token after
/// one.
fn unavailable_after_conflicts(error: Error) -> Error {
    match error.is_version_conflict() {
        true => Error::unavailable("the session is being changed concurrently; try again").caused_by(error),
        false => error,
    }
}

/// Encodes a refresh token.
pub(crate) fn refresh_token(session: &Session, verifier: &Verifier) -> String {
    BearerToken::new(REFRESH_TOKEN_PREFIX, &[&session.id], verifier).expose_secret().to_owned()
}

/// Sessions of users.
#[derive(Debug, Clone, Copy)]
pub struct Sessions<'a>(pub(crate) &'a Auth);

impl Sessions<'_> {
    /// Starts a session with tokens.
    pub(crate) async fn begin_with_tokens(
        &self,
        (user, authenticated_at): (UserId, Option<Timestamp>),
        provider: &ProviderName,
        origin: &Origin,
    ) -> Result<TokenPair> {
        let verifier = Verifier::generate(&**self.0.platform.ids());
        let session = Session {
            refresh_hash: Some(verifier.hash()),
            authenticated_at,
            ..self.new_session(user, provider, origin)
        };
        self.begin(&session, SecurityEventKind::SignIn, origin).await?;
        self.issue_token_pair(&session, &verifier).await
    }

    pub(crate) fn new_session(&self, user_id: UserId, provider: &ProviderName, origin: &Origin) -> Session {
        let now = self.0.platform.clock().now();
        Session {
            id: self.0.platform.ids().id(now),
            user_id,
            parent_id: None,
            provider: provider.clone(),
            refresh_hash: None,
            cookie_hash: None,
            grant: None,
            device: origin.device.clone(),
            address: origin.address.clone(),
            authenticated_at: None,
            created_at: now,
            used_at: now,
            expires_at: after(now, self.0.config.session_lifetime),
            revoked_at: None,
            version: Version::FIRST,
        }
    }

    /// Starts a session. Ends the oldest sessions of the user if there would be too many.
    pub(crate) async fn begin(
        &self,
        session: &Session,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> Result<()> {
        self.end_surplus(session.user_id, session.parent_id, origin).await?;
        let event = self.event(session, kind, origin);
        self.0.platform.commit(Changeset::new().insert(session.clone()).insert(event)).await
    }

    /// Ends the oldest sessions of a user, so that a session can start that is derived from `parent`.
    async fn end_surplus(&self, user: UserId, parent: Option<SessionId>, origin: &Origin) -> Result<()> {
        let alive = self.list(user).await?;
        for surplus in surplus_sessions(&alive, parent, self.0.config.sessions_per_user) {
            self.end(surplus, SecurityEventKind::SessionRevoked, origin).await?;
        }
        Ok(())
    }

    /// Returns a session that has not ended.
    ///
    /// # Errors
    /// `Unauthenticated` if it has, or does not exist.
    pub(crate) async fn require_active(&self, id: SessionId) -> Result<Session> {
        let now = self.0.platform.clock().now();
        let found = self.0.platform.store().find_session(id).await?;
        found.filter(|session| session.is_alive(now)).ok_or_else(invalid_credentials)
    }

    /// Starts a session with tokens for the user of another session, for scripts and tools of that user. The new
    /// session can be revoked separately, and ends with the other one at the latest.
    ///
    /// # Errors
    /// - `Unauthenticated` if the other session has ended or does not exist.
    /// - `Unavailable`.
    pub async fn derive(&self, parent: SessionId, origin: &Origin) -> Result<TokenPair> {
        let user = self.require_active(parent).await?.user_id;
        self.end_surplus(user, Some(parent), origin).await?;
        let derived = self.0.platform.transact(|| async {
            // A concurrent request may end the other session, or refresh its token.
            let parent = self.require_active(parent).await?;
            let verifier = Verifier::generate(&**self.0.platform.ids());
            let new = self.new_session(parent.user_id, &parent.provider, origin);
            let session = Session {
                parent_id: Some(parent.id),
                refresh_hash: Some(verifier.hash()),
                authenticated_at: parent.authenticated_at,
                expires_at: new.expires_at.min(parent.expires_at),
                ..new
            };
            let event = self.event(&session, SecurityEventKind::SignIn, origin);
            let unchanged = Precondition::Session(parent.id, parent.version);
            let changeset = Changeset::new().precondition(unchanged).insert(session.clone()).insert(event);
            Ok((changeset, (session, verifier)))
        });
        let (session, verifier) = derived.await.map_err(unavailable_after_conflicts)?;
        self.issue_token_pair(&session, &verifier).await
    }

    async fn issue_token_pair(&self, session: &Session, verifier: &Verifier) -> Result<TokenPair> {
        let (user, id) = (session.user_id, session.id);
        let new_token =
            NewAccessToken { audience: Audience::Api, user, session: id, for_client: None, code_id: None };
        Ok(TokenPair {
            user_id: session.user_id,
            session_id: session.id,
            access_token: self.0.issue_access_token(&new_token).await?,
            refresh_token: refresh_token(session, verifier),
            expires_in: self.0.config.access_token_lifetime.as_secs(),
        })
    }

    fn event(&self, session: &Session, kind: SecurityEventKind, origin: &Origin) -> SecurityEvent {
        self.0.platform.security_event(session.user_id, Some(session.id), kind, origin)
    }

    /// Exchanges a refresh token for a new pair, and rotates it. Reuse of the old token within 30 seconds returns the
    /// same new refresh token. Later reuse indicates theft, so it ends the session with its token family.
    ///
    /// # Errors
    /// - `Unauthenticated` if the token is invalid, was rotated before, or its session has ended.
    /// - `Unavailable`.
    pub async fn refresh(&self, refresh_token: &str, origin: &Origin) -> Result<TokenPair> {
        let pending = self.check_refresh_token(refresh_token, None, origin).await?;
        let pair = self.issue_token_pair(&pending.session, &pending.next).await?;
        self.complete_refresh(pending, origin).await?;
        Ok(pair)
    }

    /// Verifies a refresh token of a client, or one of the user's own session if `client` is `None`. Changes nothing
    /// for a valid token: all steps that can fail run before the rotation, so that a caller that receives an error
    /// still has a valid token.
    pub(crate) async fn check_refresh_token(
        &self,
        refresh_token: &str,
        client: Option<&str>,
        origin: &Origin,
    ) -> Result<PendingRefresh> {
        let (id, presented) = BearerToken::split::<SessionId>(REFRESH_TOKEN_PREFIX, refresh_token)
            .ok_or_else(invalid_credentials)?;
        let pending = self.check_presented_token(id, presented, client, origin).await?;
        if !pending.is_spent {
            self.take_refresh(id).await?;
        }
        Ok(pending)
    }

    async fn check_presented_token(
        &self,
        id: SessionId,
        presented: Verifier,
        client: Option<&str>,
        origin: &Origin,
    ) -> Result<PendingRefresh> {
        let (store, now) = (self.0.platform.store(), self.0.platform.clock().now());
        let session = self.require_active(id).await?;
        if session.grant.as_ref().map(|grant| grant.client_id.as_str()) != client {
            return Err(invalid_credentials());
        }
        let (key, context) = (self.0.platform.master_key(), id.to_string());
        let is_newest = |verifier: &Verifier| session.refresh_hash.is_some_and(|hash| hash.matches(verifier));
        if is_newest(&presented) {
            let next = presented.derive_next(key, &context);
            return Ok(PendingRefresh { session, presented, next, is_spent: false });
        }
        let spent_at =
            store.refresh_spent_at(id, &presented.hash()).await?.ok_or_else(invalid_credentials)?;
        // Another process may have derived the successor, from another key during a rotation of the master key.
        let mut derived = presented.derive_all_next(key, &context).into_iter();
        if now.duration_since(spent_at) < REFRESH_REUSE_LEEWAY
            && let Some(next) = derived.find(is_newest)
        {
            return Ok(PendingRefresh { session, presented, next, is_spent: true });
        }
        tracing::warn!(session = %id, user = %session.user_id, "rotated refresh token reused; ending its session");
        self.end(id, SecurityEventKind::RefreshReused, origin).await?;
        Err(invalid_credentials())
    }

    /// Counts a refresh against the allowance of its session, which bounds the state that is stored for it.
    async fn take_refresh(&self, session: SessionId) -> Result<()> {
        let rate = Rate { burst: self.0.config.refreshes_per_minute, period: Duration::from_secs(60) };
        let allowance = self.0.platform.ephemeral().take_token(&format!("refreshes:{session}"), rate).await?;
        if allowance.allowed { Ok(()) } else { Err(Error::rate_limited(allowance.retry_after)) }
    }

    /// Commits the rotation of a refresh token. Of several concurrent calls one commits, and the others find it done.
    pub(crate) async fn complete_refresh(&self, pending: PendingRefresh, origin: &Origin) -> Result<()> {
        let id = pending.session.id;
        let client = pending.session.grant.as_ref().map(|grant| grant.client_id.clone());
        let rotated = self.0.platform.transact(|| async {
            // A concurrent request may have rotated the same token, or changed the session otherwise.
            let presented = pending.presented.clone();
            let pending = self.check_presented_token(id, presented, client.as_deref(), origin).await?;
            let changeset = if pending.is_spent { Changeset::new() } else { self.rotation(&pending, origin) };
            Ok((changeset, ()))
        });
        match rotated.await {
            // Another request recorded the same token as spent first, so the rotation is done.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let presented = pending.presented.clone();
                match self.check_presented_token(id, presented, client.as_deref(), origin).await?.is_spent {
                    true => Ok(()),
                    false => {
                        Err(Error::unavailable("the session is being changed; try again").caused_by(error))
                    }
                }
            }
            rotated => rotated.map_err(unavailable_after_conflicts),
        }
    }

    fn rotation(&self, pending: &PendingRefresh, origin: &Origin) -> Changeset {
        let now = self.0.platform.clock().now();
        let PendingRefresh { session, presented, next, .. } = pending;
        let rotated = Session { refresh_hash: Some(next.hash()), used_at: now, ..session.clone() };
        let spent = SpentRefresh { session_id: session.id, hash: presented.hash(), spent_at: now };
        let event = self.event(session, SecurityEventKind::TokenRefreshed, origin);
        Changeset::new().session(rotated).insert(spent).insert(event)
    }

    /// `true` if the user of a caller authenticated during the last ten minutes. A session without the time of the
    /// authentication can come from a sign-in at which the provider asked for nothing, so it does not count. Another system
    /// that vouches for the user decides by itself; programs with a token never authenticated.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn has_recent_authentication(&self, principal: &Principal) -> Result<bool> {
        let id = match principal.credential {
            Credential::Session(id) => id,
            Credential::External(_) => return Ok(true),
            Credential::Token(..) | Credential::Workload { .. } => return Ok(false),
        };
        let session = self.0.platform.store().find_session(id).await?;
        let authenticated_at = session.and_then(|session| session.authenticated_at);
        let now = self.0.platform.clock().now();
        Ok(authenticated_at.is_some_and(|at| is_recent(at, now)))
    }

    /// Requires that the user of a caller authenticated recently: see [`Self::has_recent_authentication`].
    ///
    /// # Errors
    /// - `Conflict` with code `reauthentication_required`.
    /// - `Unavailable`.
    pub async fn require_recent_authentication(&self, principal: &Principal) -> Result<()> {
        if self.has_recent_authentication(principal).await? {
            return Ok(());
        }
        let message = "this requires a sign-in during the last ten minutes; sign in at \
                       /auth/login/{provider}?prompt=login, start a new session in that browser, such as by hexabase login, then \
                       repeat the request";
        Err(Error::conflict("reauthentication_required", message))
    }

    /// Lists the active sessions of a user, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self, user: UserId) -> Result<Vec<Session>> {
        self.0.platform.store().list_sessions(user, self.0.platform.clock().now()).await
    }

    /// Revokes a session of a user, effective immediately. Succeeds if the session has already ended.
    ///
    /// # Errors
    /// - `NotFound` if the user has no such session.
    /// - `Unavailable`.
    pub async fn revoke(&self, user: UserId, id: SessionId, origin: &Origin) -> Result<()> {
        let found = self.0.platform.store().find_session(id).await?;
        if found.is_none_or(|session| session.user_id != user) {
            return Err(Error::not_found("session"));
        }
        self.end(id, SecurityEventKind::SessionRevoked, origin).await
    }

    /// Ends a session and all sessions that were derived from it, effective immediately. Succeeds if it has already
    /// ended or does not exist.
    pub(crate) async fn end(&self, id: SessionId, kind: SecurityEventKind, origin: &Origin) -> Result<()> {
        let mut ended = BTreeSet::from([id]);
        for _ in 0..MAX_FAMILY_READS {
            let family = self.0.platform.transact(|| self.try_end(id, &ended, kind, origin)).await;
            let family = family.map_err(unavailable_after_conflicts)?;
            if family.is_empty() {
                // The ephemeral store may have lost the revocations before they could be restored from the store.
                return self.publish_revocations(&ended.into_iter().collect::<Vec<_>>()).await;
            }
            // Another session may have been derived before the commit, so the sessions are listed again.
            ended.extend(family);
        }
        Err(Error::unavailable("the session is being changed concurrently; try again"))
    }

    /// Revokes those sessions of a family that have not ended: first in the ephemeral store, which every request checks,
    /// then in the store, by the returned changeset.
    async fn try_end(
        &self,
        id: SessionId,
        ended: &BTreeSet<SessionId>,
        kind: SecurityEventKind,
        origin: &Origin,
    ) -> Result<(Changeset, Vec<SessionId>)> {
        let Some(session) = self.0.platform.store().find_session(id).await? else {
            return Ok((Changeset::new(), Vec::new()));
        };
        let derived = derived_sessions(self.list(session.user_id).await?, ended);
        let derived = derived.into_iter().map(|session| (session, SecurityEventKind::SessionRevoked));
        let own = session.revoked_at.is_none().then_some((session, kind));
        let family: Vec<_> = own.into_iter().chain(derived).collect();
        let ids: Vec<_> = family.iter().map(|(session, _)| session.id).collect();
        self.record_revocations(&ids).await?;
        let now = self.0.platform.clock().now();
        let changeset = family.into_iter().fold(Changeset::new(), |changeset, (session, kind)| {
            let event = self.event(&session, kind, origin);
            changeset.session(Session { revoked_at: Some(now), ..session }).insert(event)
        });
        Ok((changeset, ids))
    }

    /// Revokes all sessions of a user except one and those that it was derived from, effective immediately.
    ///
    /// # Errors
    /// `Unavailable`; some of the sessions may then be revoked.
    pub async fn revoke_others(&self, user: UserId, except: SessionId, origin: &Origin) -> Result<()> {
        for id in other_sessions(&self.list(user).await?, except) {
            self.end(id, SecurityEventKind::SessionRevoked, origin).await?;
        }
        Ok(())
    }

    /// Revokes all sessions of a user, effective immediately.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn revoke_all(&self, user: UserId, origin: &Origin) -> Result<()> {
        let sessions: Vec<_> = self.list(user).await?.iter().map(|session| session.id).collect();
        self.record_revocations(&sessions).await?;
        let platform = &self.0.platform;
        let now = platform.clock().now();
        let event = platform.security_event(user, None, SecurityEventKind::AllSessionsRevoked, origin);
        platform.commit(Changeset::new().write(Write::RevokeSessions(user, now)).insert(event)).await?;
        // The list includes sessions that started in the meantime; they are revoked as well.
        self.publish_revocations(&self.0.platform.store().list_revoked_sessions(now).await?).await
    }
}

/// Returns those of a user's active sessions, oldest first, that were derived from ended ones, directly or indirectly.
fn derived_sessions(alive: Vec<Session>, ended: &BTreeSet<SessionId>) -> Vec<Session> {
    let mut family = ended.clone();
    let mut derived = alive;
    // A session is younger than the one that it was derived from.
    derived.retain(|session| {
        let is_derived = session.parent_id.is_some_and(|parent| family.contains(&parent));
        is_derived && !ended.contains(&session.id) && family.insert(session.id)
    });
    derived
}

/// Returns a user's active sessions without one of them and its ancestors.
fn other_sessions(alive: &[Session], except: SessionId) -> Vec<SessionId> {
    let spared = with_ancestors(alive, except);
    alive.iter().map(|session| session.id).filter(|id| !spared.contains(id)).collect()
}

/// Returns the sessions that one of a user's active sessions, oldest first, was derived from, and that session.
fn with_ancestors(alive: &[Session], of: SessionId) -> BTreeSet<SessionId> {
    let mut ancestors = BTreeSet::from([of]);
    for session in alive.iter().rev() {
        if ancestors.contains(&session.id) {
            ancestors.extend(session.parent_id);
        }
    }
    ancestors
}

/// Returns the oldest of a user's active sessions that must end so that a new one can start. The sessions that the new
/// one is derived from stay.
fn surplus_sessions(alive: &[Session], parent: Option<SessionId>, maximum: usize) -> Vec<SessionId> {
    let ancestors = parent.map(|parent| with_ancestors(alive, parent)).unwrap_or_default();
    let surplus = (alive.len() + 1).saturating_sub(maximum);
    let oldest = alive.iter().map(|session| session.id).filter(|id| !ancestors.contains(id));
    oldest.take(surplus).collect()
}
