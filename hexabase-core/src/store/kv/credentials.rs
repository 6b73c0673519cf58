use async_trait::async_trait;
use jiff::Timestamp;

use super::view::{Reads as _, Space};
use super::{KvTenantStore, Section, transact};
use crate::changeset::{RecordKey, SpentRefresh};
use crate::error::Result;
use crate::id::{SessionId, TokenId, UserId};
use crate::model::{ApiToken, SecurityEvent, Session, SigningKey};
use crate::page::{Page, PageRequest};
use crate::secret::VerifierHash;
use crate::store::CredentialStore;

#[async_trait]
impl<S: Space> CredentialStore for KvTenantStore<S> {
    async fn find_session(&self, id: SessionId) -> Result<Option<Session>> {
        self.space.view().await?.find(RecordKey::Session(id)).await
    }

    async fn list_sessions(&self, user: UserId, now: Timestamp) -> Result<Vec<Session>> {
        let mut sessions = self.space.view().await?.owned::<Session>(RecordKey::User(user)).await?;
        sessions.retain(|session| session.is_alive(now));
        Ok(sessions)
    }

    async fn list_revoked_sessions(&self, since: Timestamp) -> Result<Vec<SessionId>> {
        let view = self.space.view().await?;
        let revoked = view.cursor(Session::BY_REVOCATION.key(&[]));
        let revoked = revoked.from(Session::BY_REVOCATION.key(&[&since])).targets(usize::MAX).await?;
        let recent = revoked.into_iter().filter(|session: &Session| session.expires_at > since);
        Ok(recent.map(|session| session.id).collect())
    }

    async fn refresh_spent_at(&self, session: SessionId, hash: &VerifierHash) -> Result<Option<Timestamp>> {
        let view = self.space.view().await?;
        let spent = view.find::<SpentRefresh>(RecordKey::SpentRefresh(session, *hash)).await?;
        Ok(spent.map(|spent| spent.spent_at))
    }

    async fn find_api_token(&self, id: TokenId) -> Result<Option<ApiToken>> {
        self.space.view().await?.find(RecordKey::ApiToken(id)).await
    }

    async fn list_api_tokens(&self, user: UserId, page: &PageRequest) -> Result<Page<ApiToken>> {
        let owner = RecordKey::User(user);
        let after = page.after_id()?.map(|id| Section::Owned.between(&owner, &RecordKey::ApiToken(id)));
        let view = self.space.view().await?;
        let mut tokens = view.cursor(Section::Owned.towards::<ApiToken>(&owner)).after(after);
        let found = tokens.targets(page.limit() + 1).await?;
        Ok(page.page(found, |token: &ApiToken| token.id.to_string()))
    }

    async fn touch_api_token(&self, id: TokenId, used_at: Timestamp) -> Result<()> {
        transact!(self, |transaction| {
            if let Some(mut token) = transaction.find::<ApiToken>(RecordKey::ApiToken(id)).await? {
                token.used_at = Some(used_at);
                transaction.update(token.into()).await?;
            }
        })
    }

    async fn list_security_events(&self, user: UserId, page: &PageRequest) -> Result<Page<SecurityEvent>> {
        let after = page.after_id()?.map(|id| Section::Record.of(&RecordKey::SecurityEvent(user, id)));
        let view = self.space.view().await?;
        let newest_first = view.records::<SecurityEvent>(&[&user]).descending().after(after);
        let found = newest_first.expecting(page.limit() + 1);
        let found = found.collect(page.limit() + 1, |item| item.record::<SecurityEvent>().cloned()).await?;
        Ok(page.page(found, |event| event.id.to_string()))
    }

    async fn list_signing_keys(&self) -> Result<Vec<SigningKey>> {
        let mut keys: Vec<SigningKey> = self.space.view().await?.all(&[]).await?;
        keys.sort_by(|left, right| (left.created_at, &left.kid).cmp(&(right.created_at, &right.kid)));
        Ok(keys)
    }
}
