use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, TokenId, UserId};
use crate::model::string_enum;
use crate::name::DisplayName;
use crate::secret::VerifierHash;

/// Credential for automation. It acts as its owner, within its scopes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Id of the token, and the public half of the credential.
    pub id: TokenId,
    /// Owner as whom the token acts.
    pub user_id: UserId,
    /// Organization of the service account; `None` if the owner is a person.
    pub organization_id: Option<OrganizationId>,
    /// Name for display.
    pub name: DisplayName,
    /// Scopes that restrict the use of the token.
    pub scopes: Scopes,
    /// Hash of the secret half of the credential.
    pub hash: VerifierHash,
    /// Creation time.
    pub created_at: Timestamp,
    /// Expiry time; `None` if the token does not expire.
    pub expires_at: Option<Timestamp>,
    /// Time of the last use, to the minute; `None` before the first use.
    pub used_at: Option<Timestamp>,
}

impl ApiToken {
    /// `true` if the token has not expired at `now`.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Restriction on the use of a credential. Scopes narrow the permissions of the owner and never extend them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything that the owner may do, except managing tokens and sessions.
    All,
    /// Reading organizations, their members and their records.
    OrganizationsRead,
    /// Changing organizations and their members.
    OrganizationsWrite,
    /// Reading the billing data of organizations.
    BillingRead,
    /// Changing subscriptions and payment methods.
    BillingWrite,
    /// Reading workspaces, their tasks and their usage.
    WorkspacesRead,
    /// Creating, changing, suspending and deleting workspaces.
    WorkspacesWrite,
    /// Requesting credentials for tenant clusters, and reading the logs of their pods.
    ClusterAccess,
    /// Reading groups, roles and assignments.
    AccessRead,
    /// Changing groups, roles and assignments.
    AccessWrite,
    /// Reading projects.
    ProjectsRead,
    /// Creating, changing and deleting projects.
    ProjectsWrite,
}

string_enum!(Scope {
    All = "all",
    OrganizationsRead = "organizations:read",
    OrganizationsWrite = "organizations:write",
    BillingRead = "billing:read",
    BillingWrite = "billing:write",
    WorkspacesRead = "workspaces:read",
    WorkspacesWrite = "workspaces:write",
    ClusterAccess = "clusters:access",
    AccessRead = "access:read",
    AccessWrite = "access:write",
    ProjectsRead = "projects:read",
    ProjectsWrite = "projects:write",
} else UnknownScope = "must be all, or one of organizations, billing, workspaces, access, projects with :read or :write, or clusters:access");

impl Scope {
    /// `true` if a credential with the scope may change something, here or in a tenant cluster.
    #[must_use]
    pub const fn permits_changes(self) -> bool {
        match self {
            Self::All
            | Self::OrganizationsWrite
            | Self::BillingWrite
            | Self::WorkspacesWrite
            | Self::ClusterAccess
            | Self::AccessWrite
            | Self::ProjectsWrite => true,
            Self::OrganizationsRead
            | Self::BillingRead
            | Self::WorkspacesRead
            | Self::AccessRead
            | Self::ProjectsRead => false,
        }
    }
}

/// Set of scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// Returns the set with [`Scope::All`], which covers every scope.
    #[must_use]
    pub fn all() -> Self {
        Self::from_iter([Scope::All])
    }

    /// `true` if a credential with these scopes may be used for an action that needs `scope`. A write scope covers the
    /// read scope of the same area.
    #[must_use]
    pub fn covers(&self, scope: Scope) -> bool {
        let write = match scope {
            Scope::OrganizationsRead => Scope::OrganizationsWrite,
            Scope::BillingRead => Scope::BillingWrite,
            Scope::WorkspacesRead => Scope::WorkspacesWrite,
            Scope::AccessRead => Scope::AccessWrite,
            Scope::ProjectsRead => Scope::ProjectsWrite,
            other => other,
        };
        [Scope::All, scope, write].iter().any(|scope| self.0.contains(scope))
    }

    /// `true` if the set has no scope.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_scopes_cover_read_scopes_and_all_covers_every_scope() {
        let writer = Scopes::from_iter([Scope::AccessWrite]);
        assert!(writer.covers(Scope::AccessRead) && writer.covers(Scope::AccessWrite));
        assert!(!writer.covers(Scope::ProjectsRead));
        assert!(Scope::ALL.iter().all(|scope| Scopes::all().covers(*scope)));
        assert!(!Scopes::from_iter([Scope::AccessRead]).covers(Scope::AccessWrite));
        assert!(!Scopes::default().covers(Scope::OrganizationsRead));
    }
}
