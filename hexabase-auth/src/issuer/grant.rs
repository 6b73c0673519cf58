//! Grant of a user to a client: an authorization code for a minute, then one of the user's sessions.

use std::time::Duration;

use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::Result;
use hexabase_core::id::{SessionId, UserId};
use hexabase_core::model::{Grant, Origin, SecurityEventKind, Session};
use hexabase_core::name::ProviderName;
use hexabase_core::platform::{Caller, ClusterAccess};
use hexabase_core::secret::Verifier;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OFFLINE_ACCESS;
use super::client::{Client, Purpose};
use super::id_token::scope_contains;
use crate::auth::Auth;
use crate::digest::hash;

/// Lifetime of an authorization code (RFC 6749 section 4.1.2 recommends ten minutes at most).
const AUTHORIZATION_CODE_LIFETIME: Duration = Duration::from_secs(60);
/// Time that a used authorization code is remembered, so that its reuse ends the session that was issued for it.
const USED_CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Purpose that authorization codes are encrypted for.
const SEAL_PURPOSE: &str = "authorization code";

/// User, and how and when the user authenticated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AuthenticatedUser {
    pub(super) user_id: UserId,
    pub(super) provider: ProviderName,
    pub(super) auth_time: Timestamp,
}

/// Content of an authorization code.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AuthorizationCode {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) user: AuthenticatedUser,
}

/// Session of a client whose tokens are to be issued.
pub(super) struct ClientSession {
    pub(super) session: Session,
    /// Verifier of the refresh token; `None` without `offline_access`.
    pub(super) refresh: Option<Verifier>,
    /// Time of the authentication that the tokens are issued for. It may be later than that of the session, which is
    /// reused.
    pub(super) auth_time: Timestamp,
}

impl Auth {
    pub(super) async fn store_code(&self, code: &AuthorizationCode) -> Result<String> {
        let value = self.random_text();
        self.platform
            .ephemeral()
            .put(&code_key(&value), &self.seal(SEAL_PURPOSE, code)?, AUTHORIZATION_CODE_LIFETIME)
            .await?;
        Ok(value)
    }

    /// Redeems an authorization code, once. Reuse indicates theft, so it ends the session that was issued for the code
    /// (RFC 6749 section 4.1.2).
    pub(super) async fn consume_code(
        &self,
        value: &str,
        origin: &Origin,
    ) -> Result<Option<AuthorizationCode>> {
        if let Some(sealed) = self.platform.ephemeral().take(&code_key(value)).await? {
            return Ok(self.unseal(SEAL_PURPOSE, &sealed));
        }
        let session = self.platform.ephemeral().get(&used_key(value)).await?;
        let session = session.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|id| id.parse().ok());
        if let Some(id) = session {
            tracing::warn!(session = %id, "authorization code reused; ending its session");
            self.end_session(id, SecurityEventKind::RefreshReused, origin).await?;
        }
        Ok(None)
    }

    /// Remembers the session that was issued for an authorization code.
    pub(super) async fn mark_code_used(&self, value: &str, session: SessionId) -> Result<()> {
        let id = session.to_string();
        self.platform.ephemeral().put(&used_key(value), id.as_bytes(), USED_CODE_LIFETIME).await
    }

    /// `true` if the user has consented to this before: an active session of the client covers the scope.
    pub(super) async fn has_client_consent(
        &self,
        browser_session: &Session,
        client: &Client,
        scope: &str,
    ) -> Result<bool> {
        Ok(self.covering_session(browser_session.user_id, client, scope).await?.is_some())
    }

    async fn covering_session(&self, user: UserId, client: &Client, scope: &str) -> Result<Option<Session>> {
        let covers = |session: &Session| {
            session.grant.as_ref().is_some_and(|grant| grant.client_id == client.id && grant.covers(scope))
        };
        Ok(self.sessions(user).await?.into_iter().find(covers))
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
        if !is_refreshable && let Some(session) = self.covering_session(user.user_id, client, scope).await? {
            return Ok(ClientSession { session, refresh: None, auth_time: user.auth_time });
        }
        let refresh = is_refreshable.then(|| Verifier::generate(&**self.platform.ids()));
        let session = Session {
            refresh_hash: refresh.as_ref().map(Verifier::hash),
            grant: Some(Grant {
                client_id: client.id.clone(),
                scope: scope.to_owned(),
                auth_time: user.auth_time,
            }),
            ..self.new_session(user.user_id, &user.provider, origin)
        };
        self.begin_session(&session, SecurityEventKind::ClientAuthorized, origin).await?;
        Ok(ClientSession { session, refresh, auth_time: user.auth_time })
    }

    /// Returns the current access of the user to the client's workspace; `None` for a client that is for no workspace.
    pub(super) async fn cluster_access_of(
        &self,
        client: &Client,
        user: UserId,
        session: SessionId,
    ) -> Result<Option<ClusterAccess>> {
        let Purpose::Workspace(organization, workspace) = client.purpose else { return Ok(None) };
        let caller = Caller::new(Principal { user_id: user, credential: Credential::Session(session) });
        self.platform.workspaces().cluster_access(&caller, organization, workspace).await.map(Some)
    }
}

fn code_key(value: &str) -> String {
    format!("code:{}", hash(value))
}

fn used_key(value: &str) -> String {
    format!("used-code:{}", hash(value))
}
