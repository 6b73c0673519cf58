//! API tokens of the calling user: creation, listing and deletion.

use hexabase_core::access::{Credential, Principal};
use hexabase_core::changeset::{Changeset, RecordKey};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, TokenId};
use hexabase_core::model::{ApiToken, SecurityEvent, SecurityEventKind};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::platform::{API_TOKEN_PREFIX, Authorization, Caller, CreateToken, Idempotent, NewToken};
use hexabase_core::secret::BearerToken;
use jiff::SignedDuration;

use crate::auth::Auth;
use crate::error::invalid_credentials;

/// Minimum interval between two writes of the last use of an API token.
const USE_RECORD_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// API tokens of users.
#[derive(Debug, Clone, Copy)]
pub struct ApiTokens<'a>(pub(crate) &'a Auth);

impl ApiTokens<'_> {
    /// Creates an API token for the caller, who must have a session: an API token cannot create API tokens.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - `Invalid` if there are no scopes, or the expiry has passed.
    /// - `QuotaExceeded` if the user has the maximum number of tokens.
    pub async fn create(&self, caller: &Caller, command: &CreateToken) -> Result<Idempotent<NewToken>> {
        require_session(caller)?;
        let user = caller.principal.user_id;
        self.0
            .platform
            .run_idempotent(caller, Authorization::Caller, || async {
                let created = self.0.platform.generate_api_token(command, user, None).await?;
                let event = self.event(caller, SecurityEventKind::TokenCreated);
                Ok((Changeset::new().insert(created.token.clone()).insert(event), created))
            })
            .await
    }

    /// Lists the API tokens of the caller, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a caller without a session.
    pub async fn list(&self, caller: &Caller, page: &PageRequest) -> Result<Page<ApiToken>> {
        require_session(caller)?;
        self.0.platform.store().list_api_tokens(caller.principal.user_id, page).await
    }

    /// Deletes an API token of the caller. Requests with the token are rejected immediately.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - `NotFound` if the caller has no such token.
    pub async fn delete(&self, caller: &Caller, id: TokenId) -> Result<()> {
        require_session(caller)?;
        let found = self.0.platform.store().find_api_token(id).await?;
        let own = found.is_some_and(|token| token.user_id == caller.principal.user_id);
        if !own {
            return Err(Error::not_found("token"));
        }
        let event = self.event(caller, SecurityEventKind::TokenRevoked);
        self.0.platform.commit(Changeset::new().delete(RecordKey::ApiToken(id)).insert(event)).await
    }

    /// Authenticates an API token. The recorded time of its last use is up to a minute old.
    pub(crate) async fn authenticate(&self, token: &str) -> Result<Principal> {
        let (id, verifier) =
            BearerToken::split::<TokenId>(API_TOKEN_PREFIX, token).ok_or_else(invalid_credentials)?;
        let store = self.0.platform.store();
        let token = store.find_api_token(id).await?.ok_or_else(invalid_credentials)?;
        let now = self.0.platform.clock().now();
        if !token.hash.matches(&verifier) || !token.is_alive(now) {
            return Err(invalid_credentials());
        }
        if token.used_at.is_none_or(|used| now.duration_since(used) >= USE_RECORD_INTERVAL)
            && let Err(error) = store.touch_api_token(id, now).await
        {
            tracing::debug!(%error, token = %id, "recording the use of an API token failed");
        }
        Ok(Principal { user_id: token.user_id, credential: Credential::Token(id, token.scopes) })
    }

    fn event(&self, caller: &Caller, kind: SecurityEventKind) -> SecurityEvent {
        let principal = &caller.principal;
        let session = principal.credential.session();
        self.0.platform.security_event(principal.user_id, session, kind, &caller.origin)
    }
}

/// Returns the session of the caller. Credentials are managed in a session only, not with an API token.
pub(crate) fn require_session(caller: &Caller) -> Result<SessionId> {
    let message = "this operation requires a session; sign in instead of using a token";
    caller.principal.credential.session().ok_or_else(|| Error::forbidden(message))
}
