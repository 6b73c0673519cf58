use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::model::string_enum;
use crate::name::{DisplayName, Email, ProviderName};
use crate::search::searchable;
use crate::version::Version;

/// Actor of the platform: a person, or a service account of an organization. Root of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Id of the user.
    pub id: UserId,
    /// Kind of the user.
    pub kind: UserKind,
    /// Address that a sign-in provider has verified, unique among persons; `None` for service accounts.
    pub email: Option<Email>,
    /// Name for display.
    pub name: DisplayName,
    /// Creation time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Version, incremented by every change.
    pub version: Version,
}

impl User {
    /// Returns the texts by which a user is found.
    #[must_use]
    pub fn searchable(&self) -> String {
        let email = self.email.as_ref().map(|email| email as &dyn std::fmt::Display);
        searchable([&self.name as &dyn std::fmt::Display].into_iter().chain(email))
    }
}

/// Kind of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserKind {
    /// Person who signs in.
    Person,
    /// Automation of one organization, which never signs in.
    ServiceAccount,
}

string_enum!(UserKind { Person = "person", ServiceAccount = "service_account" } else UnknownUserKind = "must be person or service_account");

/// Account of a user at a sign-in provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Sign-in provider, by its name in this installation.
    pub provider: ProviderName,
    /// Stable identifier of the person at the provider (OpenID Connect `sub`).
    pub subject: String,
    /// User who signs in with the identity.
    pub user_id: UserId,
    /// Verified address that the provider returned when the identity was created.
    pub email: Option<Email>,
    /// Time of the first sign-in.
    pub created_at: Timestamp,
}
