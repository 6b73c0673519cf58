use async_trait::async_trait;

use super::view::{Reads as _, Space};
use super::{KvTenantStore, name};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::UserId;
use crate::model::{Identity, User};
use crate::name::{Email, ProviderName};
use crate::store::UserStore;

#[async_trait]
impl<S: Space> UserStore for KvTenantStore<S> {
    async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        self.space.view().await?.find(RecordKey::User(id)).await
    }

    async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let view = self.space.view().await?;
        let mut users = Vec::with_capacity(ids.len());
        for id in ids {
            users.extend(view.find::<User>(RecordKey::User(id)).await?);
        }
        Ok(users)
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>> {
        self.space.view().await?.follow(name::<User>(&[email])).await
    }

    async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>> {
        let key = RecordKey::Identity(provider.clone(), subject.to_owned());
        self.space.view().await?.find(key).await
    }

    async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>> {
        self.space.view().await?.owned(RecordKey::User(user)).await
    }
}
