//! One's own API tokens.

use hexabase_core::changeset::{Changeset, Key};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, TokenId, UserId};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::model::{ApiToken, SecurityEvent, SecurityEventKind};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::platform::{Caller, CreateToken, Done, NewToken};

use crate::auth::Auth;

impl Auth {
    /// Makes an API token for the caller, who must be signed in: a token cannot make tokens.
    ///
    /// # Errors
    /// - `Forbidden` for a caller with an API token.
    /// - `Invalid` without scopes, or for an expiry that has passed.
    /// - `QuotaExceeded` when there are too many.
    pub async fn create_token(&self, caller: &Caller, command: &CreateToken) -> Result<Done<NewToken>> {
        require_session(caller)?;
        let user = caller.principal.user_id;
        self.platform
            .repeatable(caller, || async {
                self.platform.require_room_for_token(user).await?;
                let made = command.make(&self.platform, user, None)?;
                let event = self.token_event(caller, SecurityEventKind::TokenCreated);
                Ok((Changeset::new().insert(made.token.clone()).insert(event), made))
            })
            .await
    }

    /// The caller's API tokens, oldest first.
    ///
    /// # Errors
    /// `Forbidden` for a caller with an API token.
    pub async fn tokens(&self, caller: &Caller, page: &PageRequest) -> Result<Page<ApiToken>> {
        require_session(caller)?;
        self.platform.store().list_api_tokens(caller.principal.user_id, page).await
    }

    /// Removes one of the caller's API tokens; it stops working at once.
    ///
    /// # Errors
    /// - `Forbidden` for a caller with an API token.
    /// - `NotFound` when the caller has no such token.
    pub async fn delete_token(&self, caller: &Caller, id: TokenId) -> Result<()> {
        require_session(caller)?;
        let found = self.platform.store().find_api_token(id).await?;
        let own = found.is_some_and(|token| token.user_id == caller.principal.user_id);
        if !own {
            return Err(Error::not_found("token"));
        }
        let event = self.token_event(caller, SecurityEventKind::TokenRevoked);
        self.platform.store().commit(Changeset::new().delete(Key::ApiToken(id)).insert(event)).await
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

/// What is about credentials themselves is done by people who are signed in.
pub(crate) fn require_session(caller: &Caller) -> Result<SessionId> {
    let message = "this is done by somebody who is signed in, not with a token";
    caller.principal.credential.session().ok_or_else(|| Error::forbidden(message))
}
