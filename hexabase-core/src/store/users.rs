use async_trait::async_trait;

use crate::error::Result;
use crate::id::UserId;
use crate::model::{Identity, User};
use crate::name::{Email, ProviderName};

/// Who there is, and how they sign in.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// A user.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_user(&self, id: UserId) -> Result<Option<User>>;

    /// Several users at once.
    ///
    /// # Behaviour
    /// - Users that do not exist are left out; the others come in the order of their ids.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>>;

    /// The person with a verified address.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>>;

    /// What a provider's name for somebody stands for.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>>;

    /// All ways in which a user signs in, in the order of provider and subject.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>>;
}
