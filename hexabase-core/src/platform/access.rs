use std::fmt;
use std::sync::Arc;

use super::{Caller, Parts};
use crate::access::{AccessFacts, Action, Decision, Standing, WorkspaceDemand, authorize};
use crate::error::{Error, Result};
use crate::id::{GroupId, OrganizationId, ProjectId, WorkspaceId};
use crate::model::{Member, OrganizationRole, Workspace, WorkspaceState};

/// How many workspaces' facts are kept at hand.
const CACHED: usize = 256;

/// The facts of workspaces, each under the access version they were read at: an entry is never wrong, it
/// only stops being asked for.
pub(super) struct FactsCache(quick_cache::sync::Cache<(WorkspaceId, u64), Arc<AccessFacts>>);

impl FactsCache {
    pub(super) fn new() -> Self {
        Self(quick_cache::sync::Cache::new(CACHED))
    }
}

impl fmt::Debug for FactsCache {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "FactsCache({})", self.0.len())
    }
}

impl From<WorkspaceState> for AccessFacts {
    fn from(state: WorkspaceState) -> Self {
        Self { groups: state.groups, assignments: state.assignments, projects: state.projects }
    }
}

impl Parts {
    /// Lets a caller do something in an organization, and says which role they have there.
    pub(crate) async fn permit(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        action: Action,
    ) -> Result<OrganizationRole> {
        let member = self.store.find_member(organization, caller.principal.user_id).await?;
        let role = self.admit(member).await?;
        let standing = Standing { organization: Some(role), ..Standing::default() };
        decide(authorize(&caller.principal, &standing, action), "organization")?;
        Ok(role)
    }

    /// Lets a member of an organization in, as long as its members do not ask for too much together. Whoever is none
    /// uses up nothing.
    async fn admit(&self, member: Option<Member>) -> Result<OrganizationRole> {
        let member = member.ok_or_else(|| Error::not_found("organization"))?;
        if let Some(rate) = self.settings.organization_rate {
            let bucket = format!("rate:{}", member.organization_id);
            let allowance = self.ephemeral.take_token(&bucket, rate).await?;
            if !allowance.allowed {
                return Err(Error::rate_limited(allowance.retry_after));
            }
        }
        Ok(member.role)
    }

    /// Lets a caller do something in a workspace, or in one project of it, and hands out the workspace.
    pub(crate) async fn permit_in(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
        project: Option<ProjectId>,
        action: Action,
    ) -> Result<Workspace> {
        let user = caller.principal.user_id;
        let found = self.store.find_workspace_for(organization, user, workspace).await?;
        let (member, workspace) = found.unzip();
        let role = self.admit(member).await?;
        let workspace = workspace.flatten().ok_or_else(|| Error::not_found("workspace"))?;

        let mut standing = Standing { organization: Some(role), ..Standing::default() };
        if authorize(&caller.principal, &standing, action) == Decision::Allowed {
            return Ok(workspace);
        }
        let direct = self.store.list_groups_of(organization, workspace.id, user).await?;
        standing = match action.permission().demand {
            WorkspaceDemand::Nothing | WorkspaceDemand::Member => {
                Standing { in_workspace: !direct.is_empty(), ..standing }
            }
            _ => self.facts(&workspace).await?.standing(Some(role), &direct, project),
        };
        decide(authorize(&caller.principal, &standing, action), "workspace")?;
        Ok(workspace)
    }

    /// What decides on rights in a workspace, as of the version in which it was read.
    pub(crate) async fn facts(&self, workspace: &Workspace) -> Result<Arc<AccessFacts>> {
        if let Some(facts) = self.facts.0.get(&(workspace.id, workspace.access_version)) {
            return Ok(facts);
        }
        let state = self.load(workspace.organization_id, workspace.id).await?;
        let key = (workspace.id, state.workspace.access_version);
        let facts = Arc::new(AccessFacts::from(state));
        self.facts.0.insert(key, facts.clone());
        Ok(facts)
    }

    /// A workspace with everything in it.
    pub(crate) async fn load(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<WorkspaceState> {
        let found = self.store.load_workspace(organization, workspace).await?;
        found.ok_or_else(|| Error::not_found("workspace"))
    }

    /// The groups of a workspace that a user was put in.
    pub(crate) async fn groups_of(
        &self,
        workspace: &Workspace,
        user: crate::id::UserId,
    ) -> Result<Vec<GroupId>> {
        self.store.list_groups_of(workspace.organization_id, workspace.id, user).await
    }
}

fn decide(decision: Decision, place: &'static str) -> Result<()> {
    match decision {
        Decision::Allowed => Ok(()),
        Decision::Hidden => Err(Error::not_found(place)),
        Decision::Denied(reason) => Err(Error::forbidden(reason)),
    }
}
