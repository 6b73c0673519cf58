use std::fmt;

use jiff::Timestamp;

use super::ability::DenialReason;
use super::action::{Action, Level, WorkspaceRight};
use super::effective_roles::EffectiveRoles;
use crate::id::{SessionId, TokenId, UserId};
use crate::model::{Actor, OrganizationRole, Scope, Scopes};

/// Authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// User as whom the call acts.
    pub user_id: UserId,
    /// Credential with which the caller authenticated.
    pub credential: Credential,
}

/// Credential of a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Session of a signed-in user. It does not restrict the user's permissions.
    Session(SessionId),
    /// API token. Its scopes restrict the user's permissions.
    Token(TokenId, Scopes),
    /// Token of a program, such as a CI job, for which a trusted issuer vouched and which acts as a service account. Its
    /// scopes restrict the account's permissions.
    Workload {
        /// Scopes that the operator grants to such programs.
        scopes: Scopes,
        /// Expiry of the token.
        expires_at: Timestamp,
    },
    /// Authentication by another system, which vouches for the user: the embedding program, or a trusted proxy. It does
    /// not restrict the user's permissions. There is no session that could be listed or revoked here, so the operations
    /// on one's own sessions and API tokens are closed to it. Contains the position of the authenticator that admitted
    /// the user; see [`Self::EXTERNAL`].
    External(AuthenticatorPath),
}

/// Position of an authenticator among those that a request is offered to: its index in each
/// [`FirstOf`](crate::authenticator::FirstOf) that contains it, outermost first. Empty for an authenticator that is not
/// in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthenticatorPath(Vec<usize>);

impl AuthenticatorPath {
    /// Returns the position of the same authenticator in a list that contains it, or a list around it, at an index.
    #[must_use]
    pub(crate) fn within(mut self, index: usize) -> Self {
        self.0.insert(0, index);
        self
    }

    /// Returns the index in the outermost list, and the position inside of it; `None` for no list.
    pub(crate) fn split_first(&self) -> Option<(usize, Self)> {
        let (first, rest) = self.0.split_first()?;
        Some((*first, Self(rest.to_vec())))
    }
}

impl fmt::Display for AuthenticatorPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|index| write!(out, "/{index}"))
    }
}

impl Credential {
    /// Credential that an authenticator gives to a user for whom another system vouches. A list of authenticators adds
    /// the position of the one that admitted the user, so that no other one vouches for the user later.
    pub const EXTERNAL: Self = Self::External(AuthenticatorPath(Vec::new()));

    /// Returns the session, for actions that require a signed-in user; `None` for other credentials.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Session(id) => Some(*id),
            Self::Token(..) | Self::Workload { .. } | Self::External(_) => None,
        }
    }

    /// `true` if the user signed in, here or at a system that vouches for the user; `false` for programs, which hold a
    /// token.
    #[must_use]
    pub const fn is_sign_in(&self) -> bool {
        match self {
            Self::Session(_) | Self::External(_) => true,
            Self::Token(..) | Self::Workload { .. } => false,
        }
    }

    /// `true` if the credential may be used for actions of a scope.
    #[must_use]
    pub fn covers(&self, scope: Scope) -> bool {
        match self {
            Self::Session(_) | Self::External(_) => true,
            Self::Token(_, scopes) | Self::Workload { scopes, .. } => scopes.covers(scope),
        }
    }
}

impl Principal {
    /// Returns the principal as an actor of the audit log.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let token_id = match self.credential {
            Credential::Token(id, _) => Some(id),
            Credential::Session(_) | Credential::Workload { .. } | Credential::External(_) => None,
        };
        Actor { user_id: Some(self.user_id), session_id: self.credential.session(), token_id }
    }
}

/// Result of an authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The call may proceed.
    Allowed,
    /// The caller must not learn that the object exists.
    Hidden,
    /// The caller may see the object, but not perform the action.
    Denied(DenialReason),
}

/// Decides whether `principal`, with its effective roles, may perform an action. Actions that the permission table
/// does not allow are denied.
#[must_use]
pub fn authorize(principal: &Principal, roles: &EffectiveRoles, action: Action) -> Decision {
    let permission = action.permission();
    let Some(role) = roles.organization else { return Decision::Hidden };
    let sees_workspaces = role != OrganizationRole::Member || roles.in_workspace;
    if permission.level == Level::Workspace && !sees_workspaces {
        return Decision::Hidden;
    }
    let by_group = match permission.workspace_right {
        WorkspaceRight::None => false,
        WorkspaceRight::Member => roles.in_workspace,
        WorkspaceRight::PodLogs => roles.pod_logs,
        WorkspaceRight::ProjectAdmin => roles.workspace_admin || roles.project_admin,
        WorkspaceRight::Admin => roles.workspace_admin,
    };
    if !by_group && !permission.roles.contains(&role) {
        return Decision::Denied(DenialReason::InsufficientRole);
    }
    if !principal.credential.covers(permission.scope) {
        return Decision::Denied(DenialReason::InsufficientScope);
    }
    Decision::Allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId as _;

    fn with_session() -> Principal {
        Principal { user_id: UserId::least(), credential: Credential::Session(SessionId::least()) }
    }

    fn with_token(scope: Scope) -> Principal {
        let scopes = Scopes::from_iter([scope]);
        Principal { user_id: UserId::least(), credential: Credential::Token(TokenId::least(), scopes) }
    }

    fn with_workload(scope: Scope) -> Principal {
        let credential =
            Credential::Workload { scopes: Scopes::from_iter([scope]), expires_at: Timestamp::UNIX_EPOCH };
        Principal { user_id: UserId::least(), credential }
    }

    fn roles(role: OrganizationRole) -> EffectiveRoles {
        EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() }
    }

    #[test]
    fn every_action_is_hidden_from_an_outsider() {
        // Includes contradictory facts: membership of groups without membership of the organization.
        let outside = EffectiveRoles {
            organization: None,
            in_workspace: true,
            workspace_admin: true,
            project_admin: true,
            pod_logs: true,
        };
        for action in Action::ALL {
            assert_eq!(authorize(&with_session(), &outside, *action), Decision::Hidden, "{action:?}");
        }
    }

    #[test]
    fn an_owner_has_no_permissions_inside_the_cluster() {
        let owner = roles(OrganizationRole::Owner);
        for action in
            [Action::ClusterAccess, Action::LogsRead, Action::ProjectsManage, Action::ProjectRolesManage]
        {
            assert!(matches!(authorize(&with_session(), &owner, action), Decision::Denied(_)), "{action:?}");
        }
    }

    #[test]
    fn a_workspace_is_hidden_from_members_outside_its_groups() {
        let member = roles(OrganizationRole::Member);
        assert_eq!(authorize(&with_session(), &member, Action::WorkspaceRead), Decision::Hidden);
        let group_member = EffectiveRoles { in_workspace: true, ..member };
        assert_eq!(authorize(&with_session(), &group_member, Action::WorkspaceRead), Decision::Allowed);
        assert!(matches!(
            authorize(&with_session(), &group_member, Action::GroupsManage),
            Decision::Denied(_)
        ));
    }

    #[test]
    fn a_project_admin_manages_roles_of_that_project_only() {
        let admin =
            EffectiveRoles { in_workspace: true, project_admin: true, ..roles(OrganizationRole::Member) };
        assert_eq!(authorize(&with_session(), &admin, Action::ProjectRolesManage), Decision::Allowed);
        assert!(matches!(authorize(&with_session(), &admin, Action::ProjectsManage), Decision::Denied(_)));
    }

    #[test]
    fn token_scopes_narrow_permissions_and_never_extend_them() {
        let owner = roles(OrganizationRole::Owner);
        let reader = with_token(Scope::OrganizationsRead);
        assert_eq!(authorize(&reader, &owner, Action::OrganizationRead), Decision::Allowed);
        assert!(matches!(authorize(&reader, &owner, Action::OrganizationUpdate), Decision::Denied(_)));
        let member = roles(OrganizationRole::Member);
        let all = with_token(Scope::All);
        assert!(matches!(authorize(&all, &member, Action::OrganizationUpdate), Decision::Denied(_)));
    }

    #[test]
    fn a_workload_identity_has_the_scopes_of_its_trust_only() {
        let everything = EffectiveRoles {
            in_workspace: true,
            workspace_admin: true,
            pod_logs: true,
            ..roles(OrganizationRole::Admin)
        };
        for (scope, action) in
            Scope::ALL.iter().flat_map(|scope| Action::ALL.iter().map(move |action| (scope, action)))
        {
            let by_workload = authorize(&with_workload(*scope), &everything, *action);
            assert_eq!(
                by_workload,
                authorize(&with_token(*scope), &everything, *action),
                "{scope} {action:?}"
            );
        }
        let denied = authorize(&with_workload(Scope::ClusterAccess), &everything, Action::WorkspaceRead);
        assert_eq!(denied, Decision::Denied(DenialReason::InsufficientScope));
    }

    #[test]
    fn an_external_sign_in_has_the_permissions_of_its_user_and_no_session() {
        let external = Principal { user_id: UserId::least(), credential: Credential::EXTERNAL };
        for role in [OrganizationRole::Owner, OrganizationRole::Member] {
            for action in Action::ALL {
                let expected = authorize(&with_session(), &roles(role), *action);
                assert_eq!(authorize(&external, &roles(role), *action), expected, "{action:?}");
            }
        }
        assert_eq!(external.credential.session(), None);
        let actor = external.actor();
        assert_eq!((actor.user_id, actor.session_id, actor.token_id), (Some(UserId::least()), None, None));
    }

    #[test]
    fn tokens_are_no_sign_in() {
        assert!(with_session().credential.is_sign_in() && Credential::EXTERNAL.is_sign_in());
        assert!(
            !with_token(Scope::All).credential.is_sign_in()
                && !with_workload(Scope::All).credential.is_sign_in()
        );
    }

    #[test]
    fn objects_outside_the_token_scopes_are_denied_not_hidden() {
        let owner = roles(OrganizationRole::Owner);
        let decision = authorize(&with_token(Scope::ProjectsRead), &owner, Action::WorkspaceRead);
        assert!(matches!(decision, Decision::Denied(_)));
    }
}
