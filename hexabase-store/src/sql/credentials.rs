use async_trait::async_trait;
use hexabase_core::changeset::SpentRefresh;
use hexabase_core::error::Result;
use hexabase_core::id::{EventId, SessionId, TokenId, TypedId as _, UserId};
use hexabase_core::model::{ApiToken, SecurityEvent, Session, SigningKey};
use hexabase_core::page::{Page, PageRequest};
use hexabase_core::secret::VerifierHash;
use hexabase_core::store::CredentialStore;
use jiff::Timestamp;

use super::commit::touch_api_token;
use super::statement::Query;
use super::table::select;
use super::{Cells, Engine, Reads as _, SqlStore, row_limit};

#[async_trait]
impl<E: Engine> CredentialStore for SqlStore<E> {
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>> {
        self.0.find_one(select::<Session>("WHERE id = $1").text(id)).await
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        let query =
            select::<Session>("WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY id");
        self.0.find_all(query.text(user).time(now)).await
    }

    async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>> {
        let query = Query::new("SELECT id FROM sessions WHERE revoked_at >= $1 AND expires_at > $1");
        let rows = self.0.fetch(query.time(since)).await?;
        rows.iter().map(|row| Cells::new(row).parse()).collect()
    }

    async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>> {
        let query = select::<SpentRefresh>("WHERE session_id = $1 AND hash = $2").text(session).text(hash);
        Ok(self.0.find_one::<SpentRefresh>(query).await?.map(|spent| spent.spent_at))
    }

    async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>> {
        self.0.find_one(select::<ApiToken>("WHERE id = $1").for_token(id)).await
    }

    async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>> {
        let after = page.after_id::<TokenId>()?.unwrap_or(TokenId::least());
        let query = select::<ApiToken>("WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        self.0
            .page(query.for_user(user).text(after).int(row_limit(page)), page, |token: &ApiToken| {
                token.id.to_string()
            })
            .await
    }

    async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()> {
        self.0.commit(vec![touch_api_token(id, used_at)]).await
    }

    async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        self.0
            .page(list_security_events(user, page)?, page, |event: &SecurityEvent| event.id.to_string())
            .await
    }

    async fn list_signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.0.find_all(select::<SigningKey>("ORDER BY created_at, kid")).await
    }
}

/// Returns the statement that reads a page of the security events of a user, newest first.
pub(crate) fn list_security_events(user: UserId, page: &PageRequest) -> Result<Query> {
    let before = page.after_id::<EventId>()?.unwrap_or(EventId::greatest());
    let query = select::<SecurityEvent>("WHERE user_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    Ok(query.text(user).text(before).int(row_limit(page)))
}
