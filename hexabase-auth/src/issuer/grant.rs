//! What somebody has granted a client: for a minute as a code, then as one of their sessions.

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
use super::id_token::has;
use crate::auth::Auth;
use crate::digest::hash;

/// For how long a code is good (RFC 6749 section 4.1.2 says ten minutes at most).
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// For how long a code that was used is remembered, so that whoever shows it again ends what came of it.
const USED_CODE_LIFETIME: Duration = Duration::from_secs(600);
/// The purpose under which codes are sealed.
const SEALED: &str = "authorization code";

/// Somebody, as they proved who they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) user_id: UserId,
    pub(super) provider: ProviderName,
    pub(super) auth_time: Timestamp,
}

/// What a code stands for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) scope: String,
    pub(super) person: Person,
}

/// A client's session, and what it may be renewed with.
pub(super) struct Granted {
    pub(super) session: Session,
    pub(super) refresh: Option<Verifier>,
}

impl Auth {
    pub(super) async fn keep_code(&self, code: &Code) -> Result<String> {
        let text = self.random_text();
        self.platform.ephemeral().put(&code_key(&text), &self.sealed(SEALED, code)?, CODE_LIFETIME).await?;
        Ok(text)
    }

    /// What a code stands for, which it does once. Whoever shows it again has stolen it, or was stolen from: what came
    /// of it ends (RFC 6749 section 4.1.2).
    pub(super) async fn take_code(&self, text: &str, origin: &Origin) -> Result<Option<Code>> {
        if let Some(sealed) = self.platform.ephemeral().take(&code_key(text)).await? {
            return Ok(self.opened(SEALED, &sealed));
        }
        let session = self.platform.ephemeral().get(&used_key(text)).await?;
        let session = session.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|id| id.parse().ok());
        if let Some(id) = session {
            tracing::warn!(session = %id, "a code was shown again");
            self.end_session(id, SecurityEventKind::RefreshReused, origin).await?;
        }
        Ok(None)
    }

    /// Remembers what came of a code.
    pub(super) async fn remember_code(&self, text: &str, session: SessionId) -> Result<()> {
        let id = session.to_string();
        self.platform.ephemeral().put(&used_key(text), id.as_bytes(), USED_CODE_LIFETIME).await
    }

    /// Whether somebody has let a client do this before: it has a session of theirs that covers it.
    pub(super) async fn has_agreed(&self, of: &Session, client: &Client, scope: &str) -> Result<bool> {
        Ok(self.covering(of.user_id, client, scope).await?.is_some())
    }

    async fn covering(&self, user: UserId, client: &Client, scope: &str) -> Result<Option<Session>> {
        let covers = |session: &Session| {
            session.grant.as_ref().is_some_and(|grant| grant.client_id == client.id && grant.covers(scope))
        };
        Ok(self.sessions(user).await?.into_iter().find(covers))
    }

    /// Begins a session of a client. One that cannot be renewed is begun once, and found again.
    pub(super) async fn begin_grant(
        &self,
        client: &Client,
        person: &Person,
        scope: &str,
        origin: &Origin,
    ) -> Result<Granted> {
        let renewable = has(scope, OFFLINE_ACCESS);
        if !renewable && let Some(session) = self.covering(person.user_id, client, scope).await? {
            return Ok(Granted { session, refresh: None });
        }
        let refresh = renewable.then(|| Verifier::generate(&**self.platform.ids()));
        let session = Session {
            refresh_hash: refresh.as_ref().map(Verifier::hash),
            grant: Some(Grant {
                client_id: client.id.clone(),
                scope: scope.to_owned(),
                auth_time: person.auth_time,
            }),
            ..self.new_session(person.user_id, &person.provider, origin)
        };
        self.begin(&session, SecurityEventKind::ClientAuthorized, origin).await?;
        Ok(Granted { session, refresh })
    }

    /// What somebody may get into by a client at this moment; nothing for a client that is not about a workspace.
    pub(super) async fn access_of(
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

fn code_key(text: &str) -> String {
    format!("code:{}", hash(text))
}

fn used_key(text: &str) -> String {
    format!("used-code:{}", hash(text))
}
