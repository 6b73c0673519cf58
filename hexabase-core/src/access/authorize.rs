use super::action::{Action, Level, WorkspaceDemand};
use super::standing::Standing;
use crate::id::{SessionId, TokenId, UserId};
use crate::model::{Actor, OrganizationRole, Scope, Scopes};

/// Who is calling, and how they proved it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// As whom the call acts.
    pub user_id: UserId,
    /// How they proved it.
    pub credential: Credential,
}

/// How a caller proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// They signed in; a session may do everything that its user may.
    Session(SessionId),
    /// An API token, which narrows what its user may do.
    Token(TokenId, Scopes),
    /// Another system that runs the service account's programs vouched for them: good for clusters alone.
    Workload,
}

impl Credential {
    /// The session, for what only somebody does who has signed in.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match self {
            Self::Session(id) => Some(*id),
            Self::Token(..) | Self::Workload => None,
        }
    }

    /// Whether what its user may do can be done with it, as far as it is of a scope.
    #[must_use]
    pub fn covers(&self, scope: Scope) -> bool {
        match self {
            Self::Session(_) => true,
            Self::Token(_, scopes) => scopes.cover(scope),
            Self::Workload => scope == Scope::ClusterAccess,
        }
    }
}

impl Principal {
    /// The principal as the audit log names it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let token_id = match self.credential {
            Credential::Token(id, _) => Some(id),
            Credential::Session(_) | Credential::Workload => None,
        };
        Actor { user_id: Some(self.user_id), session_id: self.credential.session(), token_id }
    }
}

/// What is decided on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may go on.
    Allowed,
    /// The caller may not even know that the place exists.
    Hidden,
    /// The caller knows the place, and may not do this there.
    Denied(&'static str),
}

/// Decides whether `principal`, standing as it does in a place, may do something there. Whatever the table
/// does not allow is denied.
#[must_use]
pub fn authorize(principal: &Principal, standing: &Standing, action: Action) -> Decision {
    let permission = action.permission();
    let Some(role) = standing.organization else { return Decision::Hidden };
    let sees_workspaces = role != OrganizationRole::Member || standing.in_workspace;
    if permission.level == Level::Workspace && !sees_workspaces {
        return Decision::Hidden;
    }
    let by_group = match permission.demand {
        WorkspaceDemand::Nothing => false,
        WorkspaceDemand::Member => standing.in_workspace,
        WorkspaceDemand::ProjectAdmin => standing.workspace_admin || standing.project_admin,
        WorkspaceDemand::Admin => standing.workspace_admin,
    };
    if !by_group && !permission.roles.contains(&role) {
        return Decision::Denied("your role does not allow this");
    }
    if !principal.credential.covers(permission.scope) {
        return Decision::Denied("the token's scopes do not cover this");
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

    fn standing(role: OrganizationRole) -> Standing {
        Standing { organization: Some(role), ..Standing::default() }
    }

    #[test]
    fn an_outsider_sees_nothing_whatever_they_try() {
        // Even facts that cannot be: somebody in the groups of an organization they do not belong to.
        let outside =
            Standing { organization: None, in_workspace: true, workspace_admin: true, project_admin: true };
        for action in Action::ALL {
            assert_eq!(authorize(&with_session(), &outside, *action), Decision::Hidden, "{action:?}");
        }
    }

    #[test]
    fn an_owner_has_no_rights_inside_the_cluster() {
        let owner = standing(OrganizationRole::Owner);
        for action in [Action::ClusterAccess, Action::ProjectsManage, Action::ProjectRolesManage] {
            assert!(matches!(authorize(&with_session(), &owner, action), Decision::Denied(_)), "{action:?}");
        }
    }

    #[test]
    fn a_member_does_not_see_a_workspace_whose_groups_they_are_not_in() {
        let member = standing(OrganizationRole::Member);
        assert_eq!(authorize(&with_session(), &member, Action::WorkspaceRead), Decision::Hidden);
        let inside = Standing { in_workspace: true, ..member };
        assert_eq!(authorize(&with_session(), &inside, Action::WorkspaceRead), Decision::Allowed);
        assert!(matches!(authorize(&with_session(), &inside, Action::GroupsManage), Decision::Denied(_)));
    }

    #[test]
    fn a_project_admin_manages_roles_of_that_project_only() {
        let admin =
            Standing { in_workspace: true, project_admin: true, ..standing(OrganizationRole::Member) };
        assert_eq!(authorize(&with_session(), &admin, Action::ProjectRolesManage), Decision::Allowed);
        assert!(matches!(authorize(&with_session(), &admin, Action::ProjectsManage), Decision::Denied(_)));
    }

    #[test]
    fn a_token_narrows_but_never_widens() {
        let owner = standing(OrganizationRole::Owner);
        let reader = with_token(Scope::OrganizationsRead);
        assert_eq!(authorize(&reader, &owner, Action::OrganizationRead), Decision::Allowed);
        assert!(matches!(authorize(&reader, &owner, Action::OrganizationUpdate), Decision::Denied(_)));
        let member = standing(OrganizationRole::Member);
        let all = with_token(Scope::All);
        assert!(matches!(authorize(&all, &member, Action::OrganizationUpdate), Decision::Denied(_)));
    }

    #[test]
    fn whoever_another_system_vouches_for_gets_into_clusters_and_nowhere_else() {
        let principal = Principal { user_id: UserId::least(), credential: Credential::Workload };
        let everything =
            Standing { in_workspace: true, workspace_admin: true, ..standing(OrganizationRole::Admin) };
        for action in Action::ALL {
            let allowed = authorize(&principal, &everything, *action) == Decision::Allowed;
            assert_eq!(allowed, action.permission().scope == Scope::ClusterAccess, "{action:?}");
        }
    }

    #[test]
    fn nothing_is_hidden_from_a_token_that_its_user_may_see() {
        let owner = standing(OrganizationRole::Owner);
        let decision = authorize(&with_token(Scope::ProjectsRead), &owner, Action::WorkspaceRead);
        assert!(matches!(decision, Decision::Denied(_)));
    }
}
