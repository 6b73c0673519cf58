use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{OrganizationId, TokenId, UserId};
use crate::model::words;
use crate::name::DisplayName;
use crate::secret::VerifierHash;

/// A credential for automation, acting as its owner within its scopes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Which token; also its public half.
    pub id: TokenId,
    /// As whom it acts.
    pub user_id: UserId,
    /// The organization of the service account, when the owner is one.
    pub organization_id: Option<OrganizationId>,
    /// What people call it.
    pub name: DisplayName,
    /// What it may be used for.
    pub scopes: Scopes,
    /// The hash of its secret half.
    pub hash: VerifierHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Whether it can still be used.
    #[must_use]
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a credential may be used for. Scopes narrow what its owner may do; they never widen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything that its owner may do, managing tokens and sessions excepted.
    All,
    /// Reading organizations, their people and their records.
    OrganizationsRead,
    /// Changing organizations and their people.
    OrganizationsWrite,
    /// Reading what organizations pay.
    BillingRead,
    /// Subscribing, and changing ways to pay.
    BillingWrite,
    /// Reading workspaces, their tasks and their usage.
    WorkspacesRead,
    /// Creating, changing, suspending and deleting workspaces.
    WorkspacesWrite,
    /// Getting credentials for tenant clusters.
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

words!(Scope {
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

/// A set of scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// The scope that covers everything.
    #[must_use]
    pub fn all() -> Self {
        Self::from_iter([Scope::All])
    }

    /// Whether a credential with these scopes may be used for something that needs `scope`. Writing covers
    /// reading of the same area.
    #[must_use]
    pub fn cover(&self, scope: Scope) -> bool {
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

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes, in order.
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
    fn writing_covers_reading_and_all_covers_everything() {
        let writer = Scopes::from_iter([Scope::AccessWrite]);
        assert!(writer.cover(Scope::AccessRead) && writer.cover(Scope::AccessWrite));
        assert!(!writer.cover(Scope::ProjectsRead));
        assert!(Scope::ALL.iter().all(|scope| Scopes::all().cover(*scope)));
        assert!(!Scopes::from_iter([Scope::AccessRead]).cover(Scope::AccessWrite));
        assert!(!Scopes::default().cover(Scope::OrganizationsRead));
    }
}
