//! Delegation: the permissions that a caller may grant to others.
//!
//! A caller grants no more than it has. A role is granted only by a caller whose own role includes it. An API token is
//! narrower than its owner, while the grantee acts with all scopes; so a token grants only what its scopes cover, and
//! larger grants need a session. The rules follow from the permission table.

use std::collections::BTreeSet;

use super::action::{Action, WorkspaceRight};
use super::authorize::Principal;
use crate::error::{Error, Result};
use crate::model::{OrganizationRole, Scope, Scopes};

impl OrganizationRole {
    /// `true` if every action that `other` permits is also permitted by this role. `admin` and `billing` do not
    /// include each other.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        let mut roles = Action::ALL.iter().map(|action| action.permission().roles);
        roles.all(|roles| !roles.contains(&other) || roles.contains(&self))
    }
}

impl WorkspaceRight {
    /// `true` if a holder of this right also has `other`.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self as u8 >= other as u8
    }
}

/// Checks that a caller with the role `own` may grant the role `granted` in the organization.
///
/// # Errors
/// `Forbidden` if `granted` permits an action that `own` does not permit, or that the caller's token does not cover.
pub fn check_role_grant(
    principal: &Principal,
    own: OrganizationRole,
    granted: OrganizationRole,
) -> Result<()> {
    if !own.includes(granted) {
        let message = format!("your role {own} does not include the role {granted}; an owner can grant it");
        return Err(Error::forbidden(message));
    }
    let permitted = Action::ALL.iter().filter(|action| action.permission().roles.contains(&granted));
    require_scopes(principal, permitted.map(|action| action.permission().scope))
}

/// Checks that a caller may grant a right in a workspace, by adding members to a group or roles to it.
///
/// # Errors
/// `Forbidden` if the right permits an action that the caller's token does not cover.
pub fn check_right_grant(principal: &Principal, granted: WorkspaceRight) -> Result<()> {
    let permitted = Action::ALL.iter().map(|action| action.permission()).filter(|permission| {
        permission.workspace_right != WorkspaceRight::None && granted.includes(permission.workspace_right)
    });
    require_scopes(principal, permitted.map(|permission| permission.scope))
}

/// Checks that a caller may create a token with these scopes.
///
/// # Errors
/// `Forbidden` if the caller's own token does not cover one of them.
pub fn check_scope_grant(principal: &Principal, scopes: &Scopes) -> Result<()> {
    require_scopes(principal, scopes.iter())
}

fn require_scopes(principal: &Principal, scopes: impl Iterator<Item = Scope>) -> Result<()> {
    let missing: BTreeSet<Scope> = scopes.filter(|scope| !principal.credential.covers(*scope)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = missing.iter().map(|scope| scope.as_str()).collect();
    Err(Error::forbidden(format!(
        "the token cannot grant more than its own scopes, which lack {}; sign in to do this",
        missing.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Credential;
    use crate::error::ErrorKind;
    use crate::id::{SessionId, TokenId, TypedId as _, UserId};

    fn session() -> Principal {
        Principal { user_id: UserId::least(), credential: Credential::Session(SessionId::least()) }
    }

    fn token(scopes: &[Scope]) -> Principal {
        let credential = Credential::Token(TokenId::least(), scopes.iter().copied().collect());
        Principal { user_id: UserId::least(), credential }
    }

    #[test]
    fn a_role_includes_itself_and_the_roles_whose_permissions_it_has() {
        use OrganizationRole::{Admin, Billing, Member, Owner};
        for (role, included) in [
            (Owner, vec![Owner, Admin, Billing, Member]),
            (Admin, vec![Admin, Member]),
            (Billing, vec![Billing, Member]),
            (Member, vec![Member]),
        ] {
            for other in OrganizationRole::ALL {
                assert_eq!(role.includes(*other), included.contains(other), "{role} includes {other}");
            }
        }
    }

    #[test]
    fn a_session_grants_every_role_that_its_own_includes_and_no_other() {
        for own in OrganizationRole::ALL {
            for granted in OrganizationRole::ALL {
                let allowed = check_role_grant(&session(), *own, *granted).is_ok();
                assert_eq!(allowed, own.includes(*granted), "{own} grants {granted}");
            }
        }
    }

    #[test]
    fn a_token_grants_no_role_whose_permissions_exceed_its_scopes() {
        let narrow = token(&[Scope::OrganizationsWrite]);
        let error = check_role_grant(&narrow, OrganizationRole::Owner, OrganizationRole::Admin).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden);
        assert!(error.message().contains("workspaces:write"), "{error}");
        let wide = token(&[Scope::All]);
        assert!(check_role_grant(&wide, OrganizationRole::Owner, OrganizationRole::Admin).is_ok());
        let members = token(&[Scope::OrganizationsWrite, Scope::WorkspacesRead]);
        assert!(check_role_grant(&members, OrganizationRole::Admin, OrganizationRole::Member).is_ok());
    }

    #[test]
    fn a_token_grants_no_right_in_a_workspace_that_exceeds_its_scopes() {
        let reads = [Scope::WorkspacesRead, Scope::ClusterAccess, Scope::ProjectsRead];
        let narrow = token(&[Scope::AccessWrite]);
        let member = token(&[&[Scope::AccessWrite], reads.as_slice()].concat());
        for (principal, right, allowed) in [
            (&session(), WorkspaceRight::Admin, true),
            (&narrow, WorkspaceRight::Member, false),
            (&member, WorkspaceRight::Member, true),
            (&member, WorkspaceRight::Admin, false),
            (&token(&[Scope::All]), WorkspaceRight::Admin, true),
        ] {
            assert_eq!(check_right_grant(principal, right).is_ok(), allowed, "{principal:?} {right:?}");
        }
    }

    #[test]
    fn a_token_creates_tokens_within_its_scopes_only() {
        let own = token(&[Scope::OrganizationsWrite, Scope::ProjectsRead]);
        for (scopes, allowed) in [
            (vec![Scope::OrganizationsRead, Scope::ProjectsRead], true),
            (vec![Scope::ProjectsWrite], false),
            (vec![Scope::All], false),
        ] {
            let scopes: Scopes = scopes.into_iter().collect();
            assert_eq!(check_scope_grant(&own, &scopes).is_ok(), allowed, "{scopes:?}");
            assert!(check_scope_grant(&session(), &scopes).is_ok());
        }
    }

    #[test]
    fn rights_in_a_workspace_are_ordered() {
        use WorkspaceRight::{Admin, Member, None, PodLogs, ProjectAdmin};
        let ordered = [None, Member, PodLogs, ProjectAdmin, Admin];
        for (index, right) in ordered.iter().enumerate() {
            for (other_index, other) in ordered.iter().enumerate() {
                assert_eq!(right.includes(*other), index >= other_index);
            }
        }
    }
}
