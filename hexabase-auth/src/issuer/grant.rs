//! Grant of a user to a client: an authorization code for a minute, then one of the user's sessions.

use std::time::Duration;

use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::{SessionId, UserId, WorkspaceId};
use hexabase_core::model::{Grant, Origin, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::platform::{Caller, ClusterAccess};
use hexabase_core::secret::Verifier;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OFFLINE_ACCESS;
use super::OidcIssuer;
use super::client::{Client, Purpose};
use super::error::OAuthError;
use super::id_token::scope_contains;
use crate::access_token::AccessClaims;
use crate::digest::hash;
use crate::error::invalid_credentials;

/// Lifetime of an authorization code (RFC 6749 section 4.1.2 recommends ten minutes at most).
const AUTHORIZATION_CODE_LIFETIME: Duration = Duration::from_secs(60);
/// Time that a used authorization code is remembered, so that its reuse ends what was issued for it.
const USED_CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Purpose that authorization codes are encrypted for.
const SEAL_PURPOSE: &str = "authorization code";

/// User, and how and when the user authenticated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AuthenticatedUser {
    pub(super) user_id: UserId,
    pub(super) provider: ProviderName,
    /// Time of the authentication, at the latest.
    pub(super) auth_time: Timestamp,
    /// Time of the authentication, if the sign-in provider proved it; see [`Session::authenticated_at`].
    pub(super) authenticated_at: Option<Timestamp>,
}

impl AuthenticatedUser {
    /// Returns the user of a browser's session.
    pub(super) fn of(session: &Session) -> Self {
        Self {
            user_id: session.user_id,
            provider: session.provider.clone(),
            auth_time: session.auth_time(),
            authenticated_at: session.authenticated_at,
        }
    }
}

/// Maximum number of attempts to change the state of a code that concurrent requests change.
const MAX_CLAIM_ATTEMPTS: usize = 4;

/// Content of an authorization code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AuthorizationCode {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) user: AuthenticatedUser,
    pub(super) state: CodeState,
}

/// State of an authorization code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CodeState {
    Unused,
    /// A request has claimed the code, and nothing was issued yet.
    Claimed,
    /// A session was started for the code.
    SessionStarted(SessionId),
    /// An access token was issued for the code, in a session that other codes of the client use as well.
    TokenIssued,
    /// The code was presented again before anything was issued.
    Reused,
}

/// Authorization code that a request has claimed.
pub(super) struct ClaimedCode {
    pub(super) code: AuthorizationCode,
    key: String,
    sealed: Vec<u8>,
}

/// Session of a client whose tokens are to be issued.
pub(super) struct ClientSession {
    pub(super) session: Session,
    /// Verifier of the refresh token; `None` without `offline_access`.
    pub(super) refresh: Option<Verifier>,
    /// Time of the authentication that the tokens are issued for. It may be later than that of the session, which is
    /// reused.
    pub(super) auth_time: Timestamp,
    /// Id of the authorization code that the tokens are issued for, if the session is not for this code alone.
    pub(super) code_id: Option<String>,
}

impl OidcIssuer<'_> {
    pub(super) async fn store_code(&self, code: &AuthorizationCode) -> Result<String> {
        let value = self.0.random_text();
        self.0
            .platform
            .ephemeral()
            .put(&code_key(&code_id(&value)), &self.0.seal(SEAL_PURPOSE, code)?, AUTHORIZATION_CODE_LIFETIME)
            .await?;
        Ok(value)
    }

    /// Claims an authorization code that `verify` accepts, once. A request that `verify` rejects has no effect. Reuse
    /// indicates theft, so it ends what was issued for the code, and nothing else (RFC 6749 section 4.1.2).
    pub(super) async fn claim_code(
        &self,
        value: &str,
        verify: impl Fn(&AuthorizationCode) -> Result<(), OAuthError> + Send,
        origin: &Origin,
    ) -> Result<ClaimedCode, OAuthError> {
        let (ephemeral, id) = (self.0.platform.ephemeral(), code_id(value));
        let key = code_key(&id);
        for _ in 0..MAX_CLAIM_ATTEMPTS {
            let sealed = ephemeral.get(&key).await?.ok_or_else(invalid_code)?;
            let code: AuthorizationCode = self.0.unseal(SEAL_PURPOSE, &sealed).ok_or_else(invalid_code)?;
            verify(&code)?;
            let state = match code.state {
                CodeState::Unused => CodeState::Claimed,
                CodeState::Claimed => CodeState::Reused,
                CodeState::Reused => return Err(invalid_code()),
                CodeState::SessionStarted(_) | CodeState::TokenIssued => {
                    self.end_issued(code.state, &id, origin).await?;
                    return Err(invalid_code());
                }
            };
            let claimed = self.0.seal(SEAL_PURPOSE, &AuthorizationCode { state, ..code.clone() })?;
            if ephemeral.compare_and_set(&key, &sealed, &claimed, USED_CODE_LIFETIME).await? {
                return match state {
                    CodeState::Claimed => Ok(ClaimedCode { code, key, sealed: claimed }),
                    _ => Err(invalid_code()),
                };
            }
        }
        Err(Error::unavailable("the authorization code is being used concurrently; try again").into())
    }

    /// Starts the session that a claimed code is for, and records it, so that reuse of the code ends what is issued.
    pub(super) async fn begin_code_session(
        &self,
        client: &Client,
        value: &str,
        claimed: &ClaimedCode,
        origin: &Origin,
    ) -> Result<ClientSession, OAuthError> {
        let (code, id) = (&claimed.code, code_id(value));
        let started = self.begin_client_session(client, &code.user, &code.scope, origin).await?;
        let state = match started.refresh {
            Some(_) => CodeState::SessionStarted(started.session.id),
            None => CodeState::TokenIssued,
        };
        let issued = self.0.seal(SEAL_PURPOSE, &AuthorizationCode { state, ..code.clone() })?;
        let ephemeral = self.0.platform.ephemeral();
        if !ephemeral.compare_and_set(&claimed.key, &claimed.sealed, &issued, USED_CODE_LIFETIME).await? {
            self.end_issued(state, &id, origin).await?;
            return Err(invalid_code());
        }
        Ok(ClientSession { code_id: (state == CodeState::TokenIssued).then_some(id), ..started })
    }

    /// Ends what was issued for a reused code.
    async fn end_issued(&self, state: CodeState, id: &str, origin: &Origin) -> Result<()> {
        match state {
            CodeState::SessionStarted(session) => {
                tracing::warn!(%session, "authorization code reused; ending its session");
                self.0.sessions().end(session, SecurityEventKind::RefreshReused, origin).await
            }
            CodeState::TokenIssued => {
                tracing::warn!(code = id, "authorization code reused; revoking its access token");
                self.0
                    .platform
                    .ephemeral()
                    .put(&reused_key(id), b"1", self.0.sessions().revocation_ttl())
                    .await
            }
            CodeState::Unused | CodeState::Claimed | CodeState::Reused => Ok(()),
        }
    }

    /// Rejects an access token whose session was revoked, or whose authorization code was reused.
    pub(crate) async fn require_token_not_revoked(&self, claims: &AccessClaims) -> Result<()> {
        self.0.sessions().require_not_revoked(claims.session_id).await?;
        let Some(id) = &claims.code_id else { return Ok(()) };
        match self.0.platform.ephemeral().get(&reused_key(id)).await? {
            None => Ok(()),
            Some(_) => Err(invalid_credentials()),
        }
    }

    /// `true` if the user has consented to this before: an active session of the client covers the scope.
    pub(super) async fn has_client_consent(
        &self,
        browser_session: &Session,
        client: &Client,
        scope: &str,
    ) -> Result<bool> {
        let sessions = self.0.sessions().list(browser_session.user_id).await?;
        Ok(sessions.iter().any(|session| covers(session, client, scope)))
    }

    /// Returns a session of the client without refresh token. Those with one belong to one authorization each.
    async fn shared_session(&self, user: UserId, client: &Client, scope: &str) -> Result<Option<Session>> {
        let mut sessions = self.0.sessions().list(user).await?.into_iter();
        Ok(sessions.find(|session| session.refresh_hash.is_none() && covers(session, client, scope)))
    }

    /// Starts a session of a client. A session without refresh token is started once and reused.
    pub(super) async fn begin_client_session(
        &self,
        client: &Client,
        user: &AuthenticatedUser,
        scope: &str,
        origin: &Origin,
    ) -> Result<ClientSession> {
        let is_refreshable = scope_contains(scope, OFFLINE_ACCESS);
        if !is_refreshable && let Some(session) = self.shared_session(user.user_id, client, scope).await? {
            return Ok(ClientSession { session, refresh: None, auth_time: user.auth_time, code_id: None });
        }
        let refresh = is_refreshable.then(|| Verifier::generate(&**self.0.platform.ids()));
        let session = Session {
            refresh_hash: refresh.as_ref().map(Verifier::hash),
            grant: Some(Grant {
                client_id: client.id.clone(),
                scope: scope.to_owned(),
                auth_time: user.auth_time,
            }),
            authenticated_at: user.authenticated_at,
            ..self.0.sessions().new_session(user.user_id, &user.provider, origin)
        };
        self.0.sessions().begin(&session, SecurityEventKind::ClientAuthorized, origin).await?;
        Ok(ClientSession { session, refresh, auth_time: user.auth_time, code_id: None })
    }

    /// Returns the current access of the user to the client's workspace; `None` for a client that is for no workspace.
    pub(super) async fn cluster_access_of(
        &self,
        client: &Client,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<ClusterAccess>> {
        let Purpose::Workspace(workspace) = client.purpose else { return Ok(None) };
        let caller = Caller::new(Principal { user_id: user, credential: Credential::Session(session) });
        self.workspace_access(&caller, workspace).await.map(Some)
    }

    /// Returns the current access of a caller to a workspace. The error for a workspace that does not exist is the one
    /// for a workspace that the caller may not know.
    pub(super) async fn workspace_access(
        &self,
        caller: &Caller,
        workspace: WorkspaceId,
    ) -> Result<ClusterAccess> {
        let not_found = || Error::not_found("workspace");
        let organization = self.0.platform.store().organization_of_workspace(workspace).await?;
        let organization = organization.ok_or_else(not_found)?;
        let access = self.0.platform.workspaces().cluster_access(caller, organization, workspace).await;
        access.map_err(|error| match error.kind() {
            ErrorKind::NotFound => not_found(),
            _ => error,
        })
    }
}

/// `true` if the session grants this scope to the client.
fn covers(session: &Session, client: &Client, scope: &str) -> bool {
    session.grant.as_ref().is_some_and(|grant| grant.client_id == client.id && grant.covers(scope))
}

fn invalid_code() -> OAuthError {
    OAuthError::invalid_grant("the authorization code is invalid or has expired")
}

/// Returns the id of an authorization code, which does not reveal the code.
fn code_id(value: &str) -> String {
    hash(value)
}

fn code_key(id: &str) -> String {
    format!("code:{id}")
}

fn reused_key(id: &str) -> String {
    format!("reused-code:{id}")
}
