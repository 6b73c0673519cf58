use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::UserId;
use hexabase_core::model::{Identity, User};
use hexabase_core::name::{Email, ProviderName};
use hexabase_core::store::UserStore;

use super::table::select;
use super::{Engine, Reads as _, SqlStore};

#[async_trait]
impl<E: Engine> UserStore for SqlStore<E> {
    async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        self.0.find_one(select::<User>("WHERE id = $1").text(id)).await
    }

    async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rest = format!("WHERE id {} ORDER BY id", E::in_list("$1"));
        self.0.find_all(select::<User>(&rest).list(ids)).await
    }

    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>> {
        self.0.find_one(select::<User>("WHERE email = $1").text(email)).await
    }

    async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>> {
        self.0
            .find_one(select::<Identity>("WHERE provider = $1 AND subject = $2").text(provider).text(subject))
            .await
    }

    async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>> {
        self.0.find_all(select::<Identity>("WHERE user_id = $1 ORDER BY provider, subject").text(user)).await
    }
}
