//! API tokens of the calling user: creation, listing and deletion.

use hexabase_core::changeset::{Changeset, RecordKey};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, TokenId, UserId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::{ApiToken, SecurityEvent, SecurityEventKind};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::platform::{Authorization, Caller, CreateToken, Idempotent, NewToken};

use crate::auth::Auth;

impl Auth {
    /// Creates an API token for the caller, who must have a session: an API token cannot create API tokens.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - `Invalid` if there are no scopes, or the expiry has passed.
    /// - `QuotaExceeded` if the user has the maximum number of tokens.
    pub async fn create_token(&self, caller: &Caller, command: &CreateToken) -> Result<Idempotent<NewToken>> {
        require_session(caller)?;
        let user = caller.principal.user_id;
        self.platform
            .run_idempotent(caller, Authorization::Caller, || async {
                let created = self.platform.generate_api_token(command, user, None).await?;
                let event = self.token_event(caller, SecurityEventKind::TokenCreated);
                Ok((Changeset::new().insert(created.token.clone()).insert(event), created))
            })
            .await
    }

    /// Lists the API tokens of the caller, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a caller without a session.
    pub async fn tokens(&self, caller: &Caller, page: &PageRequest) -> Result<Page<ApiToken>> {
        require_session(caller)?;
        self.platform.store().list_api_tokens(caller.principal.user_id, page).await
    }

    /// Deletes an API token of the caller. Requests with the token are rejected immediately.
    ///
    /// # Errors
    /// - `Forbidden` for a caller without a session.
    /// - `NotFound` if the caller has no such token.
    pub async fn delete_token(&self, caller: &Caller, id: TokenId) -> Result<()> {
        require_session(caller)?;
        let found = self.platform.store().find_api_token(id).await?;
        let own = found.is_some_and(|token| token.user_id == caller.principal.user_id);
        if !own {
            return Err(Error::not_found("token"));
        }
        let event = self.token_event(caller, SecurityEventKind::TokenRevoked);
        self.platform.store().commit(Changeset::new().delete(RecordKey::ApiToken(id)).insert(event)).await
    }

    fn token_event(&self, caller: &Caller, kind: SecurityEventKind) -> SecurityEvent {
        let now = self.platform.clock().now();
        let user_id: UserId = caller.principal.user_id;
        SecurityEvent {
            id: self.platform.ids().id(now),
            user_id,
            kind,
            session_id: caller.principal.credential.session(),
            address: caller.origin.address.clone(),
            device: caller.origin.device.clone(),
            at: now,
        }
    }
}

/// Returns the session of the caller. Credentials are managed in a session only, not with an API token.
pub(crate) fn require_session(caller: &Caller) -> Result<SessionId> {
    let message = "this operation requires a session; sign in instead of using a token";
    caller.principal.credential.session().ok_or_else(|| Error::forbidden(message))
}
