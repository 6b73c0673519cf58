use async_trait::async_trait;

use super::MemoryStore;
use super::state::Name;
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::UserId;
use crate::model::{Identity, User};
use crate::name::{Email, ProviderName};
use crate::store::UserStore;

#[async_trait]
impl UserStore for MemoryStore {
    async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        Ok(self.lock().get(&RecordKey::User(id)).cloned())
    }

    async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let state = self.lock();
        Ok(ids.into_iter().filter_map(|id| state.get(&RecordKey::User(id)).cloned()).collect())
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>> {
        let state = self.lock();
        let key = state.names.get(&Name::Email(email.clone()));
        Ok(key.and_then(|key| state.get(key)).cloned())
    }

    async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>> {
        Ok(self.lock().get(&RecordKey::Identity(provider.clone(), subject.to_owned())).cloned())
    }

    async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>> {
        Ok(self.lock().identities_of(user).cloned().collect())
    }
}
