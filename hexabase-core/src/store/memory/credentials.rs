use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryStore;
use super::state::security_events;
use crate::changeset::{RecordKey, SpentRefresh};
use crate::error::Result;
use crate::id::{SessionId, TokenId, TypedId as _, UserId};
use crate::model::{ApiToken, SecurityEvent, Session, SigningKey};
use crate::page::{Page, PageRequest};
use crate::secret::VerifierHash;
use crate::store::CredentialStore;

#[async_trait]
impl CredentialStore for MemoryStore {
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>> {
        Ok(self.lock().get(&RecordKey::Session(id)).cloned())
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        Ok(self.lock().sessions_of(user).filter(|session| session.is_alive(now)).cloned().collect())
    }

    async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>> {
        let state = self.lock();
        let all = state.scan::<Session>(
            RecordKey::Session(SessionId::least())..=RecordKey::Session(SessionId::greatest()),
        );
        let recent = all.filter(|session| session.expires_at > since);
        Ok(recent.filter(|session| session.revoked_at.is_some_and(|at| at >= since)).map(|s| s.id).collect())
    }

    async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>> {
        let state = self.lock();
        Ok(state.get::<SpentRefresh>(&RecordKey::SpentRefresh(session, *hash)).map(|spent| spent.spent_at))
    }

    async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>> {
        Ok(self.lock().get(&RecordKey::ApiToken(id)).cloned())
    }

    async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>> {
        let after: Option<TokenId> = page.after_id()?;
        let state = self.lock();
        let rest = state.tokens_of(user).filter(|token| after.is_none_or(|after| token.id > after));
        let found = rest.take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |token: &ApiToken| token.id.to_string()))
    }

    async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()> {
        let mut state = self.lock();
        if let Some(mut token) = state.get::<ApiToken>(&RecordKey::ApiToken(id)).cloned() {
            token.used_at = Some(used_at);
            state.records.insert_mut(RecordKey::ApiToken(id), token.into());
        }
        Ok(())
    }

    async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        let after = page.after_id()?.map(|id| RecordKey::SecurityEvent(user, id));
        let state = self.lock();
        let found = state.backward(security_events(user), after).take(page.limit() + 1).cloned().collect();
        Ok(page.page(found, |event: &SecurityEvent| event.id.to_string()))
    }

    async fn list_signing_keys(&self) -> Result<Vec<SigningKey>> {
        let state = self.lock();
        let mut keys: Vec<SigningKey> =
            state.records.values().filter_map(crate::changeset::Stored::of).cloned().collect();
        keys.sort_by(|left, right| (left.created_at, &left.kid).cmp(&(right.created_at, &right.kid)));
        Ok(keys)
    }
}
