use crate::error::Result;
use crate::id::UserId;
use crate::model::{Identity, User};
use crate::name::{Email, ProviderName};
use crate::store::decorator::store_part;

store_part! {
    /// Users and their identities at identity providers.
    pub trait UserStore {
        /// Finds a user.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_user(&self, id: UserId) -> Result<Option<User>>;

        /// Finds several users at once.
        ///
        /// # Behaviour
        /// - Users that do not exist are not included; the others are ordered by id.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_users(&self, ids: &[UserId]) -> Result<Vec<User>>;

        /// Finds the person with this verified e-mail address.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_user_by_email(&self, email: &Email) -> Result<Option<User>>;

        /// Finds an identity by provider and subject.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_identity(&self, provider: &ProviderName, subject: &str) -> Result<Option<Identity>>;

        /// Lists the identities of a user, ordered by provider and subject.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_identities(&self, user: UserId) -> Result<Vec<Identity>>;
    }
}
