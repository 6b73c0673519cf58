use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::model::words;
use crate::name::{DisplayName, Email, ProviderName};
use crate::version::Version;

/// Somebody who can act: a person, or a service account of an organization. Root of an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// Person or service account.
    pub kind: UserKind,
    /// The address that a sign-in provider vouched for. Unique among persons; service accounts have none.
    pub email: Option<Email>,
    /// The name to show.
    pub name: DisplayName,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by every change to the user.
    pub version: Version,
}

/// What kind of user it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserKind {
    /// A human being who signs in.
    Person,
    /// Automation that belongs to one organization and never signs in.
    ServiceAccount,
}

words!(UserKind { Person = "person", ServiceAccount = "service_account" } else UnknownUserKind = "must be person or service_account");

/// A way for a person to sign in: what one provider calls them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider, as configured in this installation.
    pub provider: ProviderName,
    /// The provider's own, stable name for the person (OpenID Connect `sub`).
    pub subject: String,
    /// Whom it signs in.
    pub user_id: UserId,
    /// The verified address that the provider gave when the identity was made.
    pub email: Option<Email>,
    /// When it first signed in.
    pub created_at: Timestamp,
}
