use std::fmt;
use std::sync::Arc;

use super::{Caller, PlatformInner};
use crate::access::{AccessFacts, Action, Decision, EffectiveRoles, WorkspaceRight, authorize};
use crate::ephemeral::Rate;
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, ProjectId, WorkspaceId};
use crate::model::{Member, OrganizationRole, Workspace, WorkspaceState};

/// Maximum number of workspaces whose access facts are cached.
const FACTS_CACHE_CAPACITY: usize = 256;

/// Cache of access facts by workspace and access version. An entry never becomes wrong; it is no longer requested once
/// the access version has changed.
pub(super) struct FactsCache(quick_cache::sync::Cache<(WorkspaceId, u64), Arc<AccessFacts>>);

impl FactsCache {
    pub(super) fn new() -> Self {
        Self(quick_cache::sync::Cache::new(FACTS_CACHE_CAPACITY))
    }
}

impl fmt::Debug for FactsCache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FactsCache({})", self.0.len())
    }
}

impl From<WorkspaceState> for AccessFacts {
    fn from(state: WorkspaceState) -> Self {
        let WorkspaceState { groups, assignments, projects, roles, .. } = state;
        Self { groups, assignments, projects, roles }
    }
}

/// Permission that a command needs. It is checked again before the stored response of the command is replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorization {
    /// The command concerns objects of the caller itself, or was authorized by the embedder.
    Caller,
    /// Action in an organization.
    Organization(OrganizationId, Action),
    /// Action in a workspace, or in one of its projects.
    Workspace((OrganizationId, WorkspaceId, Option<ProjectId>), Action),
}

impl PlatformInner {
    /// Checks that the caller still has a permission.
    pub(super) async fn require(&self, caller: &Caller, authorization: Authorization) -> Result<()> {
        match authorization {
            Authorization::Caller => Ok(()),
            Authorization::Organization(organization, action) => {
                self.permit(caller, organization, action).await.map(drop)
            }
            Authorization::Workspace((organization, workspace, project), action) => {
                self.permit_in(caller, organization, workspace, project, action).await.map(drop)
            }
        }
    }

    /// Authorizes an action in an organization and returns the caller's role there.
    ///
    /// # Errors
    /// `NotFound` for a caller who is not a member, `Forbidden`, or `RateLimited` if the organization exceeds its
    /// request rate.
    pub(crate) async fn permit(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        action: Action,
    ) -> Result<OrganizationRole> {
        let member = self.reads(caller).own_membership(organization).await?;
        let role = self.require_member(caller, member).await?;
        decide_in_organization(caller, role, action)?;
        Ok(role)
    }

    /// Authorizes a caller again, as [`Self::permit`] does, for a response that outlives its request. The request was
    /// counted when it arrived, so this takes no token from the organization's rate limit.
    ///
    /// # Errors
    /// `NotFound` for a caller who is no longer a member, or `Forbidden`.
    pub(super) async fn permit_again(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        action: Action,
    ) -> Result<OrganizationRole> {
        let member = self.store.find_member(organization, caller.principal.user_id).await?;
        let role = member.ok_or_else(|| Error::not_found("organization"))?.role;
        decide_in_organization(caller, role, action)?;
        Ok(role)
    }

    /// Returns the role of a member and counts the call against the rate limit that all members of the organization
    /// share. A caller who is not a member consumes nothing.
    pub(super) async fn require_member(
        &self,
        caller: &Caller,
        member: Option<Member>,
    ) -> Result<OrganizationRole> {
        let member = member.ok_or_else(|| Error::not_found("organization"))?;
        if let Some(rate) = self.config.organization_rate {
            let organization = member.organization_id;
            let take_token = self.take_organization_token(organization, rate);
            caller.accounting.count(organization, take_token).await?;
        }
        Ok(member.role)
    }

    async fn take_organization_token(&self, organization: OrganizationId, rate: Rate) -> Result<()> {
        let allowance = self.ephemeral.take_token(&format!("rate:{organization}"), rate).await?;
        if allowance.allowed { Ok(()) } else { Err(Error::rate_limited(allowance.retry_after)) }
    }

    /// Authorizes an action in a workspace, or in one of its projects, and returns the workspace.
    ///
    /// # Errors
    /// As [`Self::permit`]; `NotFound` also for a workspace that does not exist or that the caller may not see.
    pub(crate) async fn permit_in(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
        action: Action,
    ) -> Result<Workspace> {
        let found = self.reads(caller).workspace(organization, workspace).await?;
        let (member, workspace) = found.unzip();
        let role = self.require_member(caller, member).await?;
        let workspace = workspace.flatten().ok_or_else(|| Error::not_found("workspace"))?;
        self.decide_in_workspace(caller, role, &workspace, project, action).await?;
        Ok(workspace)
    }

    /// Authorizes a caller again, as [`Self::permit_in`] does, for a response that outlives its request. The request was
    /// counted when it arrived, so this takes no token from the organization's rate limit.
    ///
    /// # Errors
    /// As [`Self::permit_in`], except `RateLimited`.
    pub(super) async fn permit_again_in(
        &self,
        caller: &Caller,
        scope: (OrganizationId, WorkspaceId, Option<ProjectId>),
        action: Action,
    ) -> Result<()> {
        let (organization, workspace, project) = scope;
        let found = self.store.find_workspace_for(organization, caller.principal.user_id, workspace).await?;
        let (member, workspace) = found.unzip();
        let role = member.ok_or_else(|| Error::not_found("organization"))?.role;
        let workspace = workspace.flatten().ok_or_else(|| Error::not_found("workspace"))?;
        self.decide_in_workspace(caller, role, &workspace, project, action).await
    }

    async fn decide_in_workspace(
        &self,
        caller: &Caller,
        role: OrganizationRole,
        workspace: &Workspace,
        project: Option<ProjectId>,
        action: Action,
    ) -> Result<()> {
        let mut roles = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
        if authorize(&caller.principal, &roles, action) == Decision::Allowed {
            return Ok(());
        }
        let direct = self.reads(caller).own_groups(workspace).await?;
        roles = match action.permission().workspace_right {
            WorkspaceRight::None | WorkspaceRight::Member => {
                EffectiveRoles { in_workspace: !direct.is_empty(), ..roles }
            }
            _ => self.reads(caller).facts(workspace).await?.effective_roles(Some(role), &direct, project),
        };
        decide(authorize(&caller.principal, &roles, action), "workspace")
    }

    /// Returns the access facts of a workspace at its access version, or at a newer one.
    pub(crate) async fn facts(&self, workspace: &Workspace) -> Result<Arc<AccessFacts>> {
        if let Some(facts) = self.cached_facts(workspace) {
            return Ok(facts);
        }
        let state = self.load(workspace.organization_id, workspace.id).await?;
        Ok(self.cache_facts(state))
    }

    /// Returns the access facts of a workspace at its access version, if they are cached.
    pub(super) fn cached_facts(&self, workspace: &Workspace) -> Option<Arc<AccessFacts>> {
        self.facts.0.get(&(workspace.id, workspace.access_version))
    }

    /// Caches the access facts of a workspace and returns them.
    pub(super) fn cache_facts(&self, state: WorkspaceState) -> Arc<AccessFacts> {
        let key = (state.workspace.id, state.workspace.access_version);
        let facts = Arc::new(AccessFacts::from(state));
        self.facts.0.insert(key, facts.clone());
        facts
    }

    /// Loads a workspace with all objects that belong to it.
    pub(crate) async fn load(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<WorkspaceState> {
        let found = self.store.load_workspace(organization, workspace).await?;
        found.ok_or_else(|| Error::not_found("workspace"))
    }

    /// Lists the groups of a workspace that a user is a direct member of.
    pub(crate) async fn groups_of(
        &self,
        workspace: &Workspace,
        user: crate::id::UserId,
    ) -> Result<Vec<GroupId>> {
        self.store.list_groups_of(workspace.organization_id, workspace.id, user).await
    }
}

fn decide_in_organization(caller: &Caller, role: OrganizationRole, action: Action) -> Result<()> {
    let roles = EffectiveRoles { organization: Some(role), ..EffectiveRoles::default() };
    decide(authorize(&caller.principal, &roles, action), "organization")
}

fn decide(decision: Decision, resource: &'static str) -> Result<()> {
    match decision {
        Decision::Allowed => Ok(()),
        Decision::Hidden => Err(Error::not_found(resource)),
        Decision::Denied(reason) => Err(Error::forbidden(reason.description())),
    }
}
